#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/sink/backend.h"

struct stdout_sink {
	struct sink base;
	int (*tick)(void *ctx, struct error *err); /* or NULL */
	void *tick_ctx;
};

static int write_error(struct error *err, int errnum)
{
	if (errnum == EPIPE) {
		error_set(err, ERR_FAILED,
			  "the reader of standard output ended before the artifact");
		if (err)
			err->sys = EPIPE;
		return error_hint(err, "see why the command behind the pipe stopped reading");
	}
	return error_sys(err, ERR_FAILED, errnum, "cannot write to standard output");
}

/* 1 when a write cannot block, 0 after a while in which it would have, -1. A pipe that polls as
 * writable has a free page: a write of PIPE_BUF bytes never waits there for its reader. */
static int wait_writable(void)
{
	struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};
	int n = poll(&fd, 1, 200);

	return n < 0 && errno == EINTR ? 0 : n;
}

/* Not io_write_full: a signal has to get through while the reader stands still. */
static int stdout_write(struct sink *base, const void *data, size_t len, uint64_t *ret_offset,
			struct error *err)
{
	struct stdout_sink *s = (struct stdout_sink *)base;
	const char *p = data;

	(void)ret_offset;
	while (len) {
		ssize_t n;
		int ready;

		if (interrupt_check(err) < 0)
			return -1;
		ready = wait_writable();
		if (ready == 0) {
			if (s->tick && s->tick(s->tick_ctx, err) < 0)
				return -1;
			continue;
		}
		n = ready < 0 ? -1 : write(STDOUT_FILENO, p, len < PIPE_BUF ? len : PIPE_BUF);
		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			return write_error(err, errno);
		}
	}
	return 0;
}

/* Where it is a file, a full disk or a lost server may show only now; a pipe cannot be synced. */
static int stdout_finish(struct sink *s, uint64_t *ret_offset, struct error *err)
{
	(void)s, (void)ret_offset;
	if (fsync(STDOUT_FILENO) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
		return write_error(err, errno);
	return 0;
}

static void stdout_abort(struct sink *s)
{
	free(s->url);
	free(s);
}

static const struct sink_ops stdout_ops = {
	.write = stdout_write,
	.finish = stdout_finish,
	.abort = stdout_abort,
};

int stdout_sink_open(struct sink **ret, const struct sink_options *o, struct error *err)
{
	struct stdout_sink *s;

	if (isatty(STDOUT_FILENO)) {
		error_set(err, ERR_USAGE, "standard output is a terminal, the artifact is binary");
		return error_hint(err, "redirect it: --to - > FILE, or name a file: --to FILE");
	}
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &stdout_ops;
	s->base.url = xstrdup("-");
	s->tick = o->tick;
	s->tick_ctx = o->tick_ctx;
	*ret = &s->base;
	return 0;
}
