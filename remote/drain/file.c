/* A plain file that the JVM writes, as a stream. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/drain/inside.h"

#define LOOK_MS 10

/* The space of what was read goes back to the node while the artifact grows: only when the JVM is
 * done with it. A descriptor that does not allow it is no reason to fail. */
static void punch(struct stream *s, uint64_t *punched)
{
	uint64_t step = (s->bytes - *punched) & ~(uint64_t)(PUNCH_STEP - 1);

	if (!step || !atomic_load(&s->d->stopping))
		return;
	(void)fallocate(s->in.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)*punched,
			(off_t)step);
	*punched += step;
}

/* To that size. */
static int take_to(struct stream *s, uint64_t size, uint64_t *punched, struct error *err)
{
	while (s->bytes < size && intake_target(s)) {
		size_t room = s->size - s->fill;
		size_t want = size - s->bytes < room ? (size_t)(size - s->bytes) : room;
		ssize_t n = pread(s->in.fd, s->data + s->fill, want, (off_t)s->bytes);

		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_CAPTURE, errno, "cannot read the dump");
		if (n == 0)
			return error_set(err, ERR_CAPTURE, "the dump was cut while it was read");
		if (n > 0)
			intake_took(s, (size_t)n);
		punch(s, punched);
	}
	return 0;
}

static void wait_a_little(struct stream *s)
{
	struct pollfd p = {.fd = s->d->stop_fd, .events = POLLIN};

	(void)poll(&p, 1, LOOK_MS);
}

/* Whether this is the last round is asked first: the size that is seen after it is the end. */
static int take_file(struct stream *s, struct error *err)
{
	uint64_t punched = 0, seen = 0;

	while (!atomic_load(&s->d->failed)) {
		bool last = atomic_load(&s->d->stopping);
		struct stat st;

		if (fstat(s->in.fd, &st) < 0)
			return error_sys(err, ERR_CAPTURE, errno, "cannot look at the dump");
		if ((uint64_t)st.st_size > seen) {
			intake_seen(s, (uint64_t)st.st_size - seen);
			seen = (uint64_t)st.st_size;
		}
		if ((last || s->in.grows) && take_to(s, (uint64_t)st.st_size, &punched, err) < 0)
			return -1;
		if (last)
			return 0;
		wait_a_little(s);
	}
	return 0;
}

void *file_main(void *stream)
{
	struct stream *s = stream;
	struct error e = {0};

	if (take_file(s, &e) < 0)
		inside_fail(s->d, &e);
	intake_end(s);
	return NULL;
}
