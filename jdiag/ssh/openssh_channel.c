#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jdiag/ssh/openssh_session.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define SLICE_MS 200 /* the interrupt flag is asked at least this often */
#define CLOSE_MS 2000
#define PIPE_BYTES (1 * MiB) /* fewer, larger reads; what the kernel grants of it */

/* How a command ended. */
enum ending {
	RUNNING,
	EXITED, /* with a status */
	ENDED,	/* without one: a signal */
	LOST,	/* with its connection */
};

struct open_channel {
	struct ssh_channel base;
	struct open_channel *next;
	struct mux mux;
	int in, out[2]; /* pipes; out by enum ssh_stream; -1: closed, at its end */
	bool in_full;	/* the last write was not taken whole */
	enum ending ending;
	int status;
	bool eof_seen; /* somebody was told */
};

static struct open_channel *of(struct ssh_channel *c)
{
	return (struct open_channel *)c;
}

static struct open_session *session_of(const struct ssh_channel *c)
{
	return (struct open_session *)c->session;
}

/* What has come on the control connection; only its end is of interest. False: the master is gone.
 */
static bool control_lives(struct open_session *s)
{
	struct mux_message m;
	int rc;

	while ((rc = mux_next(&s->control, &m)) > 0)
		;
	return rc == 0;
}

/* Wait for fd: 1, 0 the time has passed, -1 interrupted, or the master is gone. */
static int wait_fd(struct open_session *s, int fd, uint64_t deadline, struct error *err)
{
	for (;;) {
		struct pollfd p[3] = {{.fd = fd, .events = POLLIN},
				      {.fd = s->control.fd, .events = POLLIN},
				      {.fd = s->stderr_fd, .events = POLLIN}};
		uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;

		if (ssh_check_interrupt(&s->base, err) < 0)
			return -1;
		if (poll(p, 3, left < SLICE_MS ? (int)left : SLICE_MS) < 0 && errno != EINTR)
			return error_sys(err, ERR_SSH, errno, "cannot wait for '%s'", s->base.host);
		if (p[2].revents)
			(void)open_listen(s);
		if (p[0].revents)
			return 1;
		if (p[1].revents && !control_lives(s))
			return open_lost(s, err);
		if (now_ms() >= deadline)
			return 0;
	}
}

/* The command's conversation ended without a status: by a signal, or with the connection? A master
 * that is about to end does not answer any more. */
static bool master_answers(struct open_session *s)
{
	uint64_t deadline = now_ms() + CLOSE_MS;
	struct mux_message m;
	int rc = mux_alive_check(&s->control);

	while (rc == 0) {
		while ((rc = mux_next(&s->control, &m)) > 0)
			if (m.type == MUX_ALIVE)
				return true;
		if (rc < 0 || now_ms() >= deadline)
			break;
		rc = io_wait(s->control.fd, POLLIN, now_ms() + SLICE_MS) < 0 ? -1 : 0;
	}
	return false;
}

/* Take in how the command ended, if it is known by now. */
static void settle(struct open_channel *c)
{
	struct mux_message m;
	int rc;

	if (c->ending != RUNNING)
		return;
	while ((rc = mux_next(&c->mux, &m)) > 0) {
		if (m.type != MUX_EXIT_MESSAGE)
			continue;
		c->ending = EXITED;
		c->status = m.value > 255 ? 255 : (int)m.value;
		return;
	}
	if (rc < 0)
		c->ending = master_answers(session_of(&c->base)) ? ENDED : LOST;
}

static bool at_eof(const struct open_channel *c)
{
	return c->out[SSH_STDOUT] < 0 && c->out[SSH_STDERR] < 0 &&
	       (c->ending == EXITED || c->ending == ENDED);
}

/* A pipe whose end `ours` stays here. */
static int make_pipe(int *ours, int *theirs, bool we_read)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	*ours = p[we_read ? 0 : 1];
	*theirs = p[we_read ? 1 : 0];
	(void)fcntl(*ours, F_SETPIPE_SZ, PIPE_BYTES);
	return io_set_nonblock(*ours);
}

static int refused(const struct open_session *s, const char *why, struct error *err)
{
	return error_set(err, ERR_SSH, "cannot open a channel to '%s' port %u: %s", s->base.host,
			 s->base.port, why);
}

static int wait_opened(struct open_session *s, struct open_channel *c, struct error *err)
{
	uint64_t deadline = now_ms() + s->exec_ms;
	struct mux_message m;

	for (;;) {
		int rc = mux_next(&c->mux, &m);

		if (rc < 0)
			return master_answers(s) ? refused(s, "the ssh client hung up", err)
						 : open_lost(s, err);
		if (rc > 0 && (m.type == MUX_FAILURE || m.type == MUX_PERMISSION_DENIED))
			return refused(s, m.reason, err);
		if (rc > 0 && m.type == MUX_SESSION_OPENED)
			return 0;
		if (rc > 0)
			continue;
		rc = wait_fd(s, c->mux.fd, deadline, err);
		if (rc < 0)
			return -1;
		if (rc == 0)
			return refused(s, "no answer in time", err);
	}
}

static int connect_mux(struct open_session *s, struct mux *m, struct error *err)
{
	auto_free char *path = open_dir_path(&s->dir, "s");
	uint64_t deadline = now_ms() + s->exec_ms;
	int rc;

	while ((rc = mux_connect(m, path)) == -EAGAIN && now_ms() < deadline) {
		if (ssh_check_interrupt(&s->base, err) < 0)
			return -1;
		poll(NULL, 0, 10);
	}
	if (rc == 0)
		return 0;
	if (!master_answers(s))
		return open_lost(s, err);
	return error_sys(err, ERR_SSH, -rc, "cannot talk to the ssh client for '%s'", s->base.host);
}

static int start_command(struct open_session *s, struct open_channel *c, const char *command,
			 struct error *err)
{
	auto_fd int in = -1, out = -1, errors = -1;
	int rc = make_pipe(&c->in, &in, false);

	if (rc == 0)
		rc = make_pipe(&c->out[SSH_STDOUT], &out, true);
	if (rc == 0)
		rc = make_pipe(&c->out[SSH_STDERR], &errors, true);
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot make a pipe");
	if (connect_mux(s, &c->mux, err) < 0)
		return -1;
	rc = mux_new_session(&c->mux, command, (const int[3]){in, out, errors});
	if (rc < 0)
		return master_answers(s) ? error_sys(err, ERR_SSH, -rc,
						     "cannot start a command on '%s'", s->base.host)
					 : open_lost(s, err);
	return wait_opened(s, c, err);
}

int open_exec(struct ssh_session *base, const char *command, struct ssh_channel **ret,
	      struct error *err)
{
	struct open_session *s = (struct open_session *)base;
	struct open_channel *c = xcalloc(1, sizeof(*c));

	c->base.session = base;
	c->mux = MUX_INIT;
	c->in = c->out[0] = c->out[1] = -1;
	c->next = s->channels;
	s->channels = c;
	if (start_command(s, c, command, err) < 0) {
		open_channel_close(&c->base);
		return -1;
	}
	*ret = &c->base;
	return 0;
}

ssize_t open_read(struct ssh_channel *base, enum ssh_stream which, void *data, size_t n,
		  struct error *err)
{
	struct open_channel *c = of(base);
	ssize_t got = 0;

	if (n == 0)
		return 0;
	while (c->out[which] >= 0) {
		got = read(c->out[which], data, n);
		if (got > 0)
			return got;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 0;
		fd_close(&c->out[which]);
	}
	settle(c);
	return c->ending == LOST ? open_lost(session_of(base), err) : 0;
}

ssize_t open_write(struct ssh_channel *base, const void *data, size_t n, struct error *err)
{
	struct open_channel *c = of(base);
	ssize_t put = c->in >= 0 ? write(c->in, data, n) : (ssize_t)n;

	c->in_full = put < (ssize_t)n;
	if (put >= 0)
		return put;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	c->in_full = false;
	if (errno == EPIPE && control_lives(session_of(base))) {
		/* the command does not read any more; as sshd does, drop what it is sent */
		fd_close(&c->in);
		return (ssize_t)n;
	}
	return open_lost(session_of(base), err);
}

int open_write_eof(struct ssh_channel *c, struct error *err)
{
	(void)err;
	fd_close(&of(c)->in);
	of(c)->in_full = false;
	return 0;
}

bool open_eof(const struct ssh_channel *base)
{
	struct open_channel *c = (struct open_channel *)base;

	c->eof_seen |= at_eof(c);
	return at_eof(c);
}

struct watch {
	struct pollfd *list; /* owned: control, stderr, then four a channel */
	size_t n;
};

static void watch_release(struct watch *w)
{
	free(w->list);
}

static void watch_all(const struct open_session *s, struct watch *w)
{
	size_t channels = 0;

	for (const struct open_channel *c = s->channels; c; c = c->next)
		channels++;
	w->list = xcalloc(2 + 4 * channels, sizeof(*w->list));
	w->list[0] = (struct pollfd){.fd = s->control.fd, .events = POLLIN};
	w->list[1] = (struct pollfd){.fd = s->stderr_fd, .events = POLLIN};
	w->n = 2;
	for (const struct open_channel *c = s->channels; c; c = c->next) {
		struct pollfd *p = &w->list[w->n];

		p[0] = (struct pollfd){.fd = c->out[SSH_STDOUT], .events = POLLIN};
		p[1] = (struct pollfd){.fd = c->out[SSH_STDERR], .events = POLLIN};
		p[2] = (struct pollfd){.fd = c->in_full ? c->in : -1, .events = POLLOUT};
		p[3] = (struct pollfd){.fd = c->ending == RUNNING ? c->mux.fd : -1,
				       .events = POLLIN};
		w->n += 4;
	}
}

/* An end that nobody was told of, or one that came to light just now. */
static bool ends_pending(struct open_session *s)
{
	for (struct open_channel *c = s->channels; c; c = c->next)
		if (!c->eof_seen && at_eof(c))
			return true;
	return false;
}

static bool streams_moved(const struct watch *w)
{
	for (size_t i = 2; i < w->n; i++)
		if (w->list[i].revents)
			return true;
	return false;
}

/* The conversations have to be read, or they would be ready for ever. */
static void settle_all(struct open_session *s)
{
	for (struct open_channel *c = s->channels; c; c = c->next)
		settle(c);
}

int open_wait(struct ssh_session *base, uint64_t timeout_ms, struct error *err)
{
	struct open_session *s = (struct open_session *)base;
	uint64_t now = now_ms();
	uint64_t deadline = timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;

	for (;;) {
		auto_cleanup(watch_release) struct watch w = {0};
		uint64_t left;

		if (ssh_check_interrupt(base, err) < 0)
			return -1;
		if (ends_pending(s))
			return 1;
		watch_all(s, &w);
		now = now_ms();
		left = deadline > now ? deadline - now : 0;
		if (poll(w.list, w.n, left < SLICE_MS ? (int)left : SLICE_MS) < 0 && errno != EINTR)
			return error_sys(err, ERR_SSH, errno, "cannot wait for '%s'", s->base.host);
		if (w.list[1].revents)
			(void)open_listen(s);
		if (streams_moved(&w)) {
			settle_all(s);
			return 1;
		}
		if (w.list[0].revents && !control_lives(s))
			return open_lost(s, err);
		if (now_ms() >= deadline)
			return 0;
	}
}

int open_poll(struct ssh_session *base, struct pollfd *fds, unsigned int max)
{
	struct open_session *s = (struct open_session *)base;
	auto_cleanup(watch_release) struct watch w = {0};
	unsigned int n = 0;

	if (ends_pending(s))
		return -1;
	watch_all(s, &w);
	for (size_t i = 0; i < w.n; i++) {
		if (w.list[i].fd < 0)
			continue;
		if (n == max)
			return -1;
		fds[n++] = w.list[i];
	}
	return (int)n;
}

int open_exit_status(struct ssh_channel *base, char signal_name[32])
{
	struct open_channel *c = of(base);
	uint64_t deadline = now_ms() + CLOSE_MS;

	signal_name[0] = '\0';
	for (settle(c); c->ending == RUNNING && now_ms() < deadline; settle(c))
		(void)!io_wait(c->mux.fd, POLLIN, deadline);
	return c->ending == EXITED ? c->status : -1;
}

/* The end of the conversation is the end of the channel: the master closes it. */
void open_channel_close(struct ssh_channel *base)
{
	struct open_channel *c = of(base), **p = &session_of(base)->channels;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
	fd_close(&c->in);
	fd_close(&c->out[SSH_STDOUT]);
	fd_close(&c->out[SSH_STDERR]);
	mux_close(&c->mux);
	free(c);
}
