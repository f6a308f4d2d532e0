/* No spool: data.0 holds what the reader has not read, and a little behind it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"
#include "remote/spool/spool.h"

#define PUNCH_UNIT MiB

int ring_open(struct inside *d, struct error *err)
{
	auto_fd int fd = openat(d->o.dir, SPOOL_READ_NAME,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	void *m;

	if (fd < 0 || ftruncate(fd, sizeof(*d->read)) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot create 'read' in the spool");
	m = mmap(NULL, sizeof(*d->read), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return error_sys(err, ERR_CAPTURE, errno, "cannot map 'read' in the spool");
	d->read = m;
	return 0;
}

/* What nobody needs any more ends here: the reader, and our own hasher, which may be slower. */
static uint64_t needed_from(const struct part *p)
{
	uint64_t read = atomic_load(p->d->read), hashed = atomic_load(&p->d->hasher.bytes);

	return read < hashed ? read : hashed;
}

static void give_back(struct part *p)
{
	uint64_t to = needed_from(p);
	uint64_t step;

	if (to < p->punched + SPOOL_RING_KEPT + PUNCH_UNIT)
		return;
	step = (to - SPOOL_RING_KEPT - p->punched) & ~(uint64_t)(PUNCH_UNIT - 1);
	if (fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)p->punched,
		      (off_t)step) < 0)
		return;
	p->punched += step;
	disk_release(p->d, step);
}

static bool has_room(const struct part *p, size_t len)
{
	uint64_t from = needed_from(p);

	/* A block that is larger than the whole ring goes in alone. */
	return p->stored <= from || p->stored + len - from <= p->d->o.ring;
}

/* The position is written by another process, which does not know who waits: looked at again and
 * again. */
bool ring_wait(struct part *p, size_t len)
{
	const struct timespec t = {.tv_nsec = 2000000};

	if (!p->d->o.ring)
		return true;
	while (!has_room(p, len) && !atomic_load(&p->d->failed))
		nanosleep(&t, NULL);
	give_back(p);
	return !atomic_load(&p->d->failed);
}
