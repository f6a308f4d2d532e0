/*
 * A back end of jdiag/ssh that plays a script: what the node says on stdout and stderr, in pieces
 * of a given size, and what is written to it is kept. For the unit tests and the fuzzer of the
 * helper's client.
 */
#ifndef TESTS_UNIT_FAKE_SSH_H
#define TESTS_UNIT_FAKE_SSH_H

#include <stdlib.h>
#include <string.h>

#include "jdiag/ssh/backend.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/wire/frame.h"

struct fake {
	struct ssh_session base;
	struct ssh_channel channel;
	const char *out; /* borrowed; what stdout will say */
	size_t out_len, out_pos;
	const char *err; /* stderr, a string */
	size_t piece;	 /* bytes that a read gives at most; 0: all that fit */
	bool hold_out;	 /* stdout says nothing until all of `expect_in` bytes were written */
	size_t expect_in;
	bool keep_open; /* no end after the last byte */
	bool fail_read; /* the connection breaks after the last byte */
	size_t window;	/* bytes that a write takes at most; 0: all */
	bool slow;	/* `credit` bytes are taken, and `per_wait` more after each wait */
	size_t credit, per_wait;
	struct buf in; /* what was written */
	bool in_eof;
	int status;
	const char *signal_name;
	char *command; /* owned */
	unsigned int waits, closed;
};

static inline struct fake *fake_of(const struct ssh_channel *c)
{
	return (struct fake *)c->session;
}

static int fake_exec(struct ssh_session *s, const char *command, struct ssh_channel **ret,
		     struct error *err)
{
	struct fake *f = (struct fake *)s;

	(void)err;
	f->command = xstrdup(command);
	*ret = &f->channel;
	return 0;
}

static ssize_t fake_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
			 struct error *err)
{
	struct fake *f = fake_of(c);
	size_t left = f->out_len - f->out_pos;

	if (which == SSH_STDERR) {
		left = f->err ? strlen(f->err) : 0;
		n = n < left ? n : left;
		if (n)
			memcpy(data, f->err, n);
		f->err = n ? f->err + n : f->err;
		return (ssize_t)n;
	}
	if (f->hold_out)
		return 0;
	if (left == 0 && f->fail_read)
		return error_set(err, ERR_SSH, "lost");
	n = n < left ? n : left;
	if (f->piece && n > f->piece)
		n = f->piece;
	if (n)
		memcpy(data, f->out + f->out_pos, n);
	f->out_pos += n;
	return (ssize_t)n;
}

static ssize_t fake_write(struct ssh_channel *c, const void *data, size_t n, struct error *err)
{
	struct fake *f = fake_of(c);

	(void)err;
	if (f->window && n > f->window)
		n = f->window;
	if (f->slow) {
		n = n < f->credit ? n : f->credit;
		f->credit -= n;
	}
	buf_add(&f->in, data, n);
	if (f->in.len >= f->expect_in)
		f->hold_out = false;
	return (ssize_t)n;
}

static int fake_write_eof(struct ssh_channel *c, struct error *err)
{
	(void)err;
	fake_of(c)->in_eof = true;
	return 0;
}

static bool fake_eof(const struct ssh_channel *c)
{
	const struct fake *f = fake_of(c);

	return (!f->keep_open || f->in_eof) && f->out_pos == f->out_len && !f->hold_out &&
	       !f->fail_read;
}

/* Time is not waited for: a script that is silent is silent at once. */
static int fake_wait(struct ssh_session *s, uint64_t timeout_ms, struct error *err)
{
	struct fake *f = (struct fake *)s;

	(void)timeout_ms, (void)err;
	f->waits++;
	f->credit = f->per_wait;
	return f->out_pos < f->out_len && !f->hold_out;
}

static int fake_poll(struct ssh_session *s, struct pollfd *fds, unsigned int max)
{
	(void)s, (void)fds, (void)max;
	return 0;
}

static int fake_exit_status(struct ssh_channel *c, char signal_name[32])
{
	const struct fake *f = fake_of(c);

	signal_name[0] = '\0';
	if (!f->signal_name)
		return f->status;
	strncpy(signal_name, f->signal_name, 31);
	signal_name[31] = '\0';
	return -1;
}

static void fake_channel_close(struct ssh_channel *c)
{
	fake_of(c)->closed++;
}

static const struct ssh_backend fake_backend = {
	.name = "fake",
	.exec = fake_exec,
	.read = fake_read,
	.write = fake_write,
	.write_eof = fake_write_eof,
	.eof = fake_eof,
	.wait = fake_wait,
	.poll = fake_poll,
	.exit_status = fake_exit_status,
	.channel_close = fake_channel_close,
};

static inline void fake_init(struct fake *f, const char *out, size_t len)
{
	*f = (struct fake){.out = out, .out_len = len, .in = BUF_INIT(64 * MiB)};
	f->base.backend = &fake_backend;
	f->base.user = (char *)"someone";
	f->base.host = (char *)"node";
	f->base.port = 22;
	f->channel.session = &f->base;
}

static inline void fake_release(struct fake *f)
{
	buf_release(&f->in);
	free(f->command);
}

#endif
