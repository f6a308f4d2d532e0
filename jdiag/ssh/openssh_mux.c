#include "jdiag/ssh/openssh_mux.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define VERSION 4
#define NO_ESCAPE 0xffffffffu

/* A cursor over a message. */
struct rest {
	const unsigned char *p;
	size_t len;
};

static bool take_u32(struct rest *r, uint32_t *ret)
{
	if (r->len < 4)
		return false;
	*ret = (uint32_t)r->p[0] << 24 | (uint32_t)r->p[1] << 16 | (uint32_t)r->p[2] << 8 | r->p[3];
	r->p += 4;
	r->len -= 4;
	return true;
}

bool mux_parse(const unsigned char *body, size_t len, struct mux_message *ret)
{
	struct rest r = {body, len};
	uint32_t n;

	*ret = (struct mux_message){0};
	if (!take_u32(&r, &ret->type))
		return false;
	switch (ret->type) {
	case MUX_HELLO:
		return take_u32(&r, &ret->number);
	case MUX_EXIT_MESSAGE:
	case MUX_SESSION_OPENED:
	case MUX_ALIVE:
		return take_u32(&r, &ret->number) && take_u32(&r, &ret->value);
	case MUX_PERMISSION_DENIED:
	case MUX_FAILURE:
		if (!take_u32(&r, &ret->number) || !take_u32(&r, &n) || n > r.len)
			return false;
		str_escape(ret->reason, sizeof(ret->reason), (const char *)r.p, n, NULL);
		return true;
	default:
		return true;
	}
}

static void put_u32(struct buf *b, uint32_t n)
{
	const unsigned char bytes[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
					(unsigned char)(n >> 8), (unsigned char)n};

	buf_add(b, bytes, sizeof(bytes));
}

static void put_string(struct buf *b, const char *s)
{
	put_u32(b, (uint32_t)strlen(s));
	buf_adds(b, s);
}

/* The socket is non-blocking, and holds far more than any of our messages. */
static int send_all(const struct mux *m, const struct buf *body)
{
	auto_buf struct buf b = BUF_INIT(256 * KiB);
	ssize_t n;

	if (body->overflow)
		return -E2BIG;
	put_u32(&b, (uint32_t)body->len);
	buf_add(&b, body->data, body->len);
	n = send(m->fd, b.data, b.len, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == b.len ? 0 : -EMSGSIZE;
}

static int send_hello(const struct mux *m)
{
	auto_buf struct buf b = BUF_INIT(64);

	put_u32(&b, MUX_HELLO);
	put_u32(&b, VERSION);
	return send_all(m, &b);
}

int mux_connect(struct mux *ret, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (!str_copy(a.sun_path, sizeof(a.sun_path), path))
		return -ENAMETOOLONG;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	ret->len = 0;
	ret->fd = fd;
	rc = send_hello(ret);
	ret->fd = rc == 0 ? STEAL_FD(fd) : -1;
	return rc;
}

void mux_close(struct mux *m)
{
	fd_close(&m->fd);
	m->len = 0;
}

/* As OpenSSH's mm_send_fd has it: a byte with the descriptor behind it. */
static int send_fd(const struct mux *m, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 0;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &data,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(m->fd, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int mux_new_session(struct mux *m, const char *command, const int fds[3])
{
	auto_buf struct buf b = BUF_INIT(128 * KiB);
	int rc;

	put_u32(&b, MUX_NEW_SESSION);
	put_u32(&b, 0); /* request */
	put_string(&b, "");
	put_u32(&b, 0); /* no terminal */
	put_u32(&b, 0); /* no X11 */
	put_u32(&b, 0); /* no agent */
	put_u32(&b, 0); /* no subsystem */
	put_u32(&b, NO_ESCAPE);
	put_string(&b, ""); /* terminal type */
	put_string(&b, command);
	rc = send_all(m, &b);
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = send_fd(m, fds[i]);
	return rc;
}

int mux_alive_check(struct mux *m)
{
	auto_buf struct buf b = BUF_INIT(64);

	put_u32(&b, MUX_ALIVE_CHECK);
	put_u32(&b, 0);
	return send_all(m, &b);
}

int mux_next(struct mux *m, struct mux_message *ret)
{
	struct rest r = {m->in, m->len};
	uint32_t size = 0;
	ssize_t n;

	while (!take_u32(&r, &size) || size > r.len) {
		if (m->len >= 4 && size > MUX_MAX_MESSAGE)
			return -1;
		n = recv(m->fd, m->in + m->len, sizeof(m->in) - m->len, MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
		m->len += (size_t)n;
		r = (struct rest){m->in, m->len};
	}
	if (!mux_parse(r.p, size, ret))
		return -1;
	m->len -= 4 + size;
	memmove(m->in, m->in + 4 + size, m->len);
	return 1;
}
