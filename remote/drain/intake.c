/* From a FIFO into memory. Nothing in here waits for an idle thread, but for a free chunk. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- where bytes go ---- */

static void fill_into(struct stream *s, unsigned char *data, size_t size)
{
	memcpy(data, s->tail, s->n_tail);
	s->data = data;
	s->size = size;
	s->fill = s->n_tail;
	s->n_tail = 0;
}

static bool take_chunk(struct stream *s)
{
	struct pool *p = &s->d->pool;

	/* What is in the file comes first: nothing may overtake it. */
	if (atomic_load(&s->raw_in) != atomic_load(&s->raw_out))
		return false;
	if (!pool_take(p, s->reserve, &s->chunk))
		return false;
	atomic_store(&p->chunks[s->chunk].plain, s->d->o.redact != HPROF_REDACT_NONE);
	fill_into(s, pool_data(p, s->chunk), DRAIN_CHUNK);
	return true;
}

static bool wait_for_chunk(struct stream *s)
{
	uint64_t since = now_ns();
	bool got = false;

	if (!s->in.file) {
		idle_hurry(s->d);
		idle_end(s->d);
	}
	while (!got && !atomic_load(&s->d->failed)) {
		uint32_t given = pool_given(&s->d->pool);

		got = take_chunk(s);
		if (!got)
			pool_wait(&s->d->pool, given);
	}
	if (!s->in.file)
		atomic_fetch_add(&s->d->progress->stalled_ns, now_ns() - since);
	return got;
}

bool intake_target(struct stream *s)
{
	if (s->data || take_chunk(s))
		return true;
	if (!s->may_overflow)
		return wait_for_chunk(s);
	idle_press(s->d);
	fill_into(s, s->bounce, BOUNCE);
	return true;
}

static void publish(struct stream *s, size_t len)
{
	uint32_t in = atomic_load(&s->queue_in);

	s->d->pool.chunks[s->chunk].raw = (uint32_t)len;
	s->queue[in & s->mask] = s->chunk;
	atomic_store(&s->queue_in, in + 1);
	sem_post(&s->d->work);
	if (atomic_load(&s->d->pool.free) < s->d->pool.n / 8)
		idle_press(s->d);
}

void intake_commit(struct stream *s)
{
	size_t keep = !s->has_end ? 0 : s->fill < END_RECORD ? s->fill : END_RECORD;
	size_t len = s->fill - keep;

	if (!s->data)
		return;
	memcpy(s->tail, s->data + len, keep);
	s->n_tail = keep;
	if (s->chunk == NO_CHUNK)
		overflow_write(s, s->data, len);
	else if (len)
		publish(s, len);
	else
		pool_put(&s->d->pool, s->chunk);
	s->chunk = NO_CHUNK;
	s->data = NULL;
	s->fill = 0;
}

/* ---- the first byte ---- */

/* The JVM's merge will open the name again, to read: it must find a file that is empty. Whatever
 * the directory's owner does to these names meanwhile, it does to itself. */
static int put_plain_file(struct stream *s, struct error *err)
{
	const struct drain_options *o = &s->d->o;
	char name[80];
	auto_fd int fd = -1;

	snprintf(name, sizeof(name), "%s.empty", s->in.name);
	fd = openat(o->dump_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, o->uid, o->gid) < 0 ||
	    renameat(o->dump_dir, name, o->dump_dir, s->in.name) < 0)
		return error_sys(err, ERR_CAPTURE, errno,
				 "cannot put a plain file in the place of the FIFO '%s'",
				 s->in.name);
	return 0;
}

static void first_byte(struct stream *s)
{
	struct error e = {0};

	if (s->in.hold < 0)
		return;
	if (put_plain_file(s, &e) < 0)
		inside_fail(s->d, &e);
	fd_close(&s->in.hold);
}

void intake_seen(struct stream *s, uint64_t n)
{
	struct drain_progress *p = s->d->progress;
	uint64_t now = now_ns(), none = 0;

	atomic_compare_exchange_strong(&p->first_ns, &none, now);
	atomic_store(&p->last_ns, now);
	atomic_fetch_add(&p->raw, n);
}

void intake_took(struct stream *s, size_t n)
{
	if (!s->bytes)
		first_byte(s);
	s->bytes += n;
	s->fill += n;
	if (s->fill == s->size)
		intake_commit(s);
}

/* ---- the thread ---- */

/* Bytes, or the writer's end: true. The stop is looked at first: what was written before it is in
 * the FIFO when that is looked at. */
static bool wait_for_bytes(struct stream *s)
{
	struct pollfd p[2] = {{.fd = s->d->stop_fd, .events = POLLIN},
			      {.fd = s->in.fd, .events = POLLIN}};
	int n;

	do {
		n = poll(p, 2, -1);
	} while (n < 0 && errno == EINTR);
	if (atomic_load(&s->d->failed) || n < 0)
		return false;
	s->hung_up = p[1].revents & POLLHUP;
	return p[1].revents;
}

/* 1: go on, 0: that was the end. */
static int read_some(struct stream *s)
{
	ssize_t n;

	if (!intake_target(s))
		return 0;
	n = read(s->in.fd, s->data + s->fill, s->size - s->fill);
	if (n > 0) {
		intake_seen(s, (uint64_t)n);
		intake_took(s, (size_t)n);
		return 1;
	}
	/* Also 0 before the first writer has opened it. */
	if (n == 0)
		return !(s->bytes || s->hung_up) && wait_for_bytes(s);
	if (errno == EAGAIN) {
		if (s->chunk == NO_CHUNK)
			intake_commit(s);
		return wait_for_bytes(s);
	}
	if (errno != EINTR) {
		struct error e = {0};

		error_sys(&e, ERR_CAPTURE, errno, "cannot read the FIFO '%s'", s->in.name);
		inside_fail(s->d, &e);
	}
	return 1;
}

static void check_end(struct stream *s)
{
	static const unsigned char zero[4];
	struct error e = {0};

	if (s->has_end &&
	    (s->n_tail != END_RECORD || s->tail[0] != 0x2c || memcmp(s->tail + 5, zero, 4) != 0)) {
		error_set(&e, ERR_CAPTURE,
			  s->bytes ? "the dump stops before its end record"
				   : "the JVM has written nothing");
		inside_fail(s->d, &e);
	}
}

void intake_end(struct stream *s)
{
	intake_commit(s);
	fd_close(&s->in.fd);
	fd_close(&s->in.hold);
	if (!atomic_load(&s->d->failed))
		check_end(s);
	atomic_store(&s->ended, true);
	sem_post(&s->d->work);
	/* The writer is done; or it was not the JVM, which then waits for a reader until somebody
	 * has seen that these bytes are no dump. */
	if (!s->index)
		idle_hurry(s->d);
}

void *intake_main(void *stream)
{
	struct stream *s = stream;

	(void)fcntl(s->in.fd, F_SETPIPE_SZ,
		    (int)MiB); /* beyond the user's limit: smaller will do */
	if (wait_for_bytes(s))
		while (!atomic_load(&s->d->failed) && read_some(s))
			;
	intake_end(s);
	return NULL;
}
