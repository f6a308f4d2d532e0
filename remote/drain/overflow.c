/* What did not fit into memory, raw on disk until it is processed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"

int disk_claim(struct inside *d, uint64_t bytes, struct error *err)
{
	uint64_t all = atomic_fetch_add(&d->on_disk, bytes) + bytes;

	if (!d->o.max_bytes || all <= d->o.max_bytes)
		return 0;
	error_sys(err, ERR_CAPTURE, ENOSPC, "the spool would be larger than %llu bytes",
		  (unsigned long long)d->o.max_bytes);
	return error_hint(err, "make room on the node, or leave the spool out: --no-spool");
}

void disk_release(struct inside *d, uint64_t bytes)
{
	atomic_fetch_sub(&d->on_disk, bytes);
}

static void raw_name(const struct stream *s, char name[16])
{
	snprintf(name, 16, "raw.%u", s->index);
}

static int write_raw(struct stream *s, const unsigned char *data, size_t len, struct error *err)
{
	uint64_t at = atomic_load(&s->raw_in);
	char name[16];

	raw_name(s, name);
	if (disk_claim(s->d, len, err) < 0)
		return -1;
	if (s->raw < 0)
		s->raw = openat(s->d->o.dir, name,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->raw < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot create '%s' in the spool", name);
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(s->raw, data + done, len - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_CAPTURE, errno, "cannot write to the spool");
		done += n > 0 ? (size_t)n : 0;
	}
	atomic_store(&s->raw_in, at + len);
	return 0;
}

void overflow_write(struct stream *s, const void *data, size_t len)
{
	struct error e = {0};

	if (!len || atomic_load(&s->d->failed))
		return;
	if (write_raw(s, data, len, &e) < 0) {
		inside_fail(s->d, &e);
		return;
	}
	atomic_fetch_add(&s->d->progress->overflow, len);
	sem_post(&s->d->work);
}

static void punch(struct stream *s, uint64_t to)
{
	uint64_t step = (to - s->raw_punched) & ~(uint64_t)(PUNCH_STEP - 1);

	if (!step || fallocate(s->raw, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)s->raw_punched, (off_t)step) < 0)
		return;
	s->raw_punched += step;
	disk_release(s->d, step);
}

size_t overflow_read(struct stream *s, void *data, size_t len)
{
	uint64_t in = atomic_load(&s->raw_in), out = atomic_load(&s->raw_out);
	struct error e = {0};
	size_t got = 0;

	if (len > in - out)
		len = (size_t)(in - out);
	while (got < len) {
		ssize_t n = pread(s->raw, (char *)data + got, len - got, (off_t)(out + got));

		if (n <= 0 && (n == 0 || errno != EINTR)) {
			error_sys(&e, ERR_CAPTURE, n ? errno : EIO, "cannot read from the spool");
			inside_fail(s->d, &e);
			return 0;
		}
		got += n > 0 ? (size_t)n : 0;
	}
	punch(s, out + got);
	atomic_store(&s->raw_out, out + got);
	return got;
}

void overflow_remove(struct stream *s)
{
	char name[16];

	if (s->raw < 0)
		return;
	raw_name(s, name);
	(void)unlinkat(s->d->o.dir, name, 0);
	fd_close(&s->raw);
	disk_release(s->d, atomic_load(&s->raw_in) - s->raw_punched);
}
