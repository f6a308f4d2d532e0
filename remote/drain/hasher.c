/* The digests of the artifact: its parts in order, read back from the page cache. A thread of its
 * own, so that the order of the parts keeps nobody from appending. */
#include <errno.h>
#include <unistd.h>

#include "remote/base/crc32c.h"
#include "remote/drain/inside.h"

#define BLOCK (256 * KiB)

static int hash_some(struct hasher *h, const struct part *p, uint64_t at, size_t len,
		     unsigned char *block, struct error *err)
{
	while (len) {
		ssize_t n = pread(p->fd, block, len < BLOCK ? len : BLOCK, (off_t)at);

		if (n <= 0 && (n == 0 || errno != EINTR))
			return error_sys(err, ERR_CAPTURE, n ? errno : EIO,
					 "cannot read back what was spooled");
		if (n < 0)
			continue;
		sha256_add(h->sha256, block, (size_t)n);
		h->crc32c = crc32c(h->crc32c, block, (size_t)n);
		atomic_fetch_add(&h->bytes, (uint64_t)n);
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static void wait_for_more(struct hasher *h)
{
	while (sem_wait(&h->d->hash) < 0 && errno == EINTR)
		;
}

static int hash_part(struct hasher *h, const struct part *p, unsigned char *block,
		     struct error *err)
{
	struct drain_progress *progress = h->d->progress;
	uint64_t at = 0;

	while (!atomic_load(&h->d->failed)) {
		bool final = atomic_load(&progress->final[p->index]);
		uint64_t stored = atomic_load(&progress->stored[p->index]);

		if (hash_some(h, p, at, (size_t)(stored - at), block, err) < 0)
			return -1;
		if (final)
			return 0;
		if (at == stored)
			wait_for_more(h);
		at = stored;
	}
	return 0;
}

void *hasher_main(void *hasher)
{
	struct hasher *h = hasher;
	auto_free unsigned char *block = xmalloc(BLOCK);
	struct error e = {0};

	idle_join(h->d, &h->tid);
	while (!atomic_load(&h->d->hurried))
		wait_for_more(h);
	for (unsigned int i = 0; i < h->d->n_parts; i++) {
		if (hash_part(h, &h->d->parts[i], block, &e) < 0) {
			inside_fail(h->d, &e);
			break;
		}
	}
	return NULL;
}
