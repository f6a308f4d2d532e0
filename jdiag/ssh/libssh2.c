#include <errno.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jdiag/ssh/libssh2_session.h"
#include "jdiag/ssh/proxy_command.h"
#include "remote/base/io.h"

#define SLICE_MS 200 /* the interrupt flag is asked at least this often */
#define GOODBYE_MS 1000
#define KEEP_ALIVE_SECONDS 15

static struct lib_session *of(struct ssh_session *s)
{
	return (struct lib_session *)s;
}

int lib_error(struct lib_session *s, const char *what, struct error *err)
{
	char *last = NULL;
	int code = libssh2_session_last_error(s->lib, &last, NULL, 0);
	const char *text = last;

	if (code == LIBSSH2_ERROR_SOCKET_DISCONNECT || code == LIBSSH2_ERROR_SOCKET_SEND ||
	    code == LIBSSH2_ERROR_SOCKET_RECV)
		text = s->outer && s->outer->lost ? "the connection to the jump host was lost"
						  : "the connection was closed by the other side";
	if (s->proxy && s->lost && s->ready)
		return proxy_ended(s->proxy, what, s->base.host, s->base.port, err);
	error_set(err, ERR_SSH, "%s '%s' port %u: %s", what, s->base.host, s->base.port,
		  text && *text ? text : "unknown error");
	if (err && s->lost)
		err->sys = ECONNRESET;
	return -1;
}

static short poll_events(const struct lib_session *root)
{
	int dir = libssh2_session_block_directions(root->lib);

	/* data may come at any time, also while something waits to go out */
	return POLLIN | (root->out.len || dir & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0);
}

/* Until it starts a command, sshd does not set TCP_NODELAY: when it sends two packets, the second
 * one waits for our acknowledgement of the first, and Linux delays that by 40 ms. The kernel
 * forgets the option after a while. */
static void acknowledge_at_once(const struct lib_session *s)
{
	int on = 1;

	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void new_turn(struct lib_session *s)
{
	for (; s; s = s->outer)
		s->turn = 0;
}

/* 1 ready, 0 the time has passed, -1 interrupted or poll failed */
static int wait_socket(struct lib_session *s, uint64_t deadline, struct error *err)
{
	struct lib_session *root = lib_root(s);

	new_turn(s);
	acknowledge_at_once(s);
	for (;;) {
		struct pollfd p = {.fd = root->fd};
		uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;
		int n;

		lib_flush(s);
		p.events = poll_events(root);
		if (root->proxy)
			proxy_listen(root->proxy);
		if (ssh_check_interrupt(&s->base, err) < 0)
			return -1;
		if (lib_unread(s))
			return 1;
		n = poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS);
		if (n > 0) {
			lib_flush(s);
			return 1;
		}
		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_SSH, errno, "cannot wait for '%s'", s->base.host);
		if (now_ms() >= deadline)
			return 0;
	}
}

int lib_wait(struct lib_session *s, uint64_t deadline, const char *what, struct error *err)
{
	int rc = wait_socket(s, deadline, err);

	if (rc == 0 || (rc > 0 && now_ms() >= deadline))
		return error_set(err, ERR_SSH, "%s '%s' port %u: no answer in time", what,
				 s->base.host, s->base.port);
	return rc < 0 ? -1 : 0;
}

/* libssh2 sends one when it is due; it never waits for an answer, TCP's own timers do. */
static int keep_alive(struct lib_session *s, struct error *err)
{
	for (struct lib_session *each = s; each; each = each->outer) {
		int seconds = 0;
		int rc = libssh2_keepalive_send(each->lib, &seconds);

		if (rc < 0 && rc != LIBSSH2_ERROR_EAGAIN)
			return lib_error(s, "lost the connection to", err);
	}
	return 0;
}

static int backend_wait(struct ssh_session *base, uint64_t timeout_ms, struct error *err)
{
	struct lib_session *s = of(base);
	uint64_t now = now_ms();
	uint64_t deadline = timeout_ms > UINT64_MAX - now ? UINT64_MAX : now + timeout_ms;

	new_turn(s);
	if (keep_alive(s, err) < 0)
		return -1;
	/* an earlier call may have taken bytes off the socket that nobody has seen yet */
	if (lib_channels_pending(s))
		return ssh_check_interrupt(&s->base, err) < 0 ? -1 : 1;
	return wait_socket(s, deadline, err);
}

static int backend_poll(struct ssh_session *base, struct pollfd *fds, unsigned int max)
{
	struct lib_session *s = of(base), *root = lib_root(s);

	lib_flush(s);
	if (!max || lib_unread(s) || lib_channels_pending(s))
		return -1;
	fds[0] = (struct pollfd){.fd = root->fd, .events = poll_events(root)};
	return 1;
}

struct lib_session *lib_new(void)
{
	struct lib_session *s = xcalloc(1, sizeof(*s));

	s->fd = -1;
	s->out = BUF_INIT(LIB_MAX_OUT);
	return s;
}

int lib_open(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
	     struct error *err)
{
	if (lib_connect(s, o, c, err) < 0 || lib_authenticate(s, o, c, err) < 0)
		return -1;
	/* no answer is wanted: libssh2 1.10 keeps each one that comes until the session's end */
	libssh2_keepalive_config(s->lib, 0,
				 c->alive_interval_s ? c->alive_interval_s : KEEP_ALIVE_SECONDS);
	return 0;
}

static void say_goodbye(struct lib_session *s)
{
	uint64_t deadline = now_ms() + GOODBYE_MS;

	while (!s->lost && libssh2_session_disconnect(s->lib, "done") == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, deadline, "closing", NULL) < 0)
			break;
	/* through a tunnel, it takes the outer session's turn to get out */
	while (s->out.len && !s->lost && lib_wait(s, deadline, "closing", NULL) == 0)
		;
}

void lib_free(struct lib_session *s)
{
	s->base.uninterruptible = true;
	while (s->channels)
		lib_channel_close(&s->channels->base);
	if (s->lib && s->ready)
		say_goodbye(s);
	s->lost = true; /* nothing below can wait for the peer now */
	if (s->fd >= 0 && !s->outer)
		(void)shutdown(s->fd, SHUT_RDWR);
	if (s->lib) {
		for (int i = 0; i < 16 && libssh2_session_free(s->lib); i++)
			;
		libssh2_exit();
	}
	if (s->outer) {
		s->fd = -1;
		free(s->outer->base.user);
		free(s->outer->base.host);
		lib_free(s->outer);
	}
	fd_close(&s->fd);
	proxy_end(s->proxy);
	buf_release(&s->out);
	free(s->in);
	free(s->first_bytes);
	free(s);
}

static struct ssh_session *backend_alloc(void)
{
	return &lib_new()->base;
}

static int backend_open(struct ssh_session *base, const struct ssh_options *o,
			const struct ssh_config *c, struct error *err)
{
	return lib_open(of(base), o, c, err);
}

static void backend_close(struct ssh_session *base)
{
	lib_free(of(base));
}

const struct ssh_backend ssh_libssh2 = {
	.name = "libssh2",
	.alloc = backend_alloc,
	.open = backend_open,
	.close = backend_close,
	.exec = lib_exec,
	.read = lib_read,
	.write = lib_write,
	.write_eof = lib_write_eof,
	.eof = lib_eof,
	.wait = backend_wait,
	.poll = backend_poll,
	.exit_status = lib_exit_status,
	.channel_close = lib_channel_close,
};
