/* A link that is slower than the workers: what they do more slowly then, and smaller, arrives
 * earlier. Nothing but the size of the artifact depends on it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "remote/drain/inside.h"
#include "remote/spool/spool.h"

/* A reader that is only late, because it had to wait for a processor, is not that far behind. */
#define LARGE_LAG (32 * MiB)

int lag_open(struct inside *d, struct error *err)
{
	d->reader_fd = -1;
	if (d->o.ring || d->o.codec == CODEC_NONE)
		return 0;
	d->reader_fd = openat(d->o.dir, SPOOL_READ_NAME,
			      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->reader_fd < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot create '%s' in the spool",
				 SPOOL_READ_NAME);
	return 0;
}

/* Of the artifact: its parts are read in their order. */
static uint64_t readable(const struct drain_progress *p)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < atomic_load(&p->n_parts); i++) {
		bool final = atomic_load(&p->final[i]);

		sum += atomic_load(&p->stored[i]);
		if (!final)
			break;
	}
	return sum;
}

bool lag_is_large(const struct inside *d)
{
	uint64_t position;

	/* nobody reads yet, or nobody is going to: then speed is all */
	if (d->reader_fd < 0 ||
	    pread(d->reader_fd, &position, sizeof(position), 0) != sizeof(position) ||
	    position == 0)
		return false;
	return readable(d->progress) > position + LARGE_LAG;
}
