#include <errno.h>
#include <libssh2.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/libssh2_session.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

#define IN_BYTES (256 * KiB)
#define MAX_TURN (4 * MiB)
#define MAX_EARLY (256 * KiB) /* before keys were exchanged: banners, and 2 or 3 KiB of keys */

struct lib_session *lib_root(struct lib_session *s)
{
	while (s->outer)
		s = s->outer;
	return s;
}

bool lib_congested(const struct lib_session *s)
{
	return s->out.len >= LIB_MAX_OUT / 2;
}

/* Bytes that the channel of the outer session took, 0, or -1 when it is gone. The bytes stay where
 * they are until they were taken: libssh2 wants the same again. */
static ssize_t tunnel_write(struct lib_session *s)
{
	ssize_t n;

	if (s->outer->lost)
		return -1;
	if (lib_congested(s->outer))
		return 0;
	n = libssh2_channel_write_ex(s->tunnel, 0, s->out.data, s->out.len);
	return n == LIBSSH2_ERROR_EAGAIN ? 0 : n;
}

static ssize_t socket_write(struct lib_session *s)
{
	ssize_t n = send(s->fd, s->out.data, s->out.len, MSG_NOSIGNAL);

	return n < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : n;
}

void lib_flush(struct lib_session *s)
{
	while (s->out.len && !s->lost) {
		ssize_t n = s->outer ? tunnel_write(s) : socket_write(s);

		if (n < 0)
			s->lost = true;
		if (n <= 0)
			break;
		buf_consume(&s->out, (size_t)n);
	}
	if (s->outer)
		lib_flush(s->outer);
}

bool lib_unread(const struct lib_session *s)
{
	for (; s->outer; s = s->outer) {
		unsigned long bytes = 0;

		libssh2_channel_window_read_ex(s->tunnel, &bytes, NULL);
		if (bytes || s->in_pos < s->in_len || s->outer->lost ||
		    libssh2_channel_eof(s->tunnel) == 1)
			return true;
	}
	return false;
}

/* The agent's socket is a blocking one, read and written through the same callbacks. */
static bool agent_ready(struct lib_session *s, int fd, short events)
{
	while (!interrupted() && now_ms() < s->agent_deadline)
		if (io_wait(fd, events, now_ms() + 200) == 1)
			return true;
	return false;
}

/* What a call on a socket gave, for libssh2. */
static ssize_t socket_result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static ssize_t tunnel_read(struct lib_session *s, void *data, size_t n)
{
	size_t left = s->in_len - s->in_pos, take;

	if (left == 0) {
		ssize_t got = libssh2_channel_read_ex(s->tunnel, 0, (char *)s->in, IN_BYTES);

		if (got == LIBSSH2_ERROR_EAGAIN)
			return -EAGAIN;
		if (got == 0 && libssh2_channel_eof(s->tunnel) != 1)
			return -EAGAIN;
		if (got <= 0)
			return got < 0 ? -ECONNRESET : 0;
		s->in_pos = 0;
		s->in_len = left = (size_t)got;
	}
	take = n < left ? n : left;
	memcpy(data, s->in + s->in_pos, take);
	s->in_pos += take;
	return (ssize_t)take;
}

static void keep_first(struct lib_session *s, const void *data, size_t n)
{
	size_t room = KEXINIT_BYTES - s->first_len, take = n < room ? n : room;

	memcpy(s->first_bytes + s->first_len, data, take);
	s->first_len += take;
	s->early += n;
}

static LIBSSH2_RECV_FUNC(on_recv)
{
	struct lib_session *s = *abstract;
	ssize_t n;

	if (socket != s->fd) {
		if (!agent_ready(s, socket, POLLIN))
			return -ETIMEDOUT;
		return socket_result(recv(socket, buffer, length, flags));
	}
	/* libssh2 reads banner after banner without coming back, as long as there are any */
	if (s->first_bytes && s->early > MAX_EARLY)
		return -EPROTO;
	/* nor does it while it looks for one packet and gets others: deadlines are looked at
	 * between its calls */
	if (s->turn >= MAX_TURN)
		return -EAGAIN;
	n = s->outer ? tunnel_read(s, buffer, length)
		     : socket_result(recv(socket, buffer, length, flags));
	if (n == 0 || (n < 0 && n != -EAGAIN))
		s->lost = true;
	if (n > 0)
		s->turn += (size_t)n;
	if (n > 0 && s->first_bytes)
		keep_first(s, buffer, (size_t)n);
	return n;
}

/* All of it or nothing. */
static ssize_t take_packet(struct lib_session *s, const void *data, size_t n)
{
	if (s->lost)
		return -ECONNRESET;
	if (s->out.len + n > LIB_MAX_OUT) {
		lib_flush(s);
		if (s->out.len + n > LIB_MAX_OUT)
			return -EAGAIN;
	}
	buf_add(&s->out, data, n);
	lib_flush(s);
	return s->lost ? -ECONNRESET : (ssize_t)n;
}

static LIBSSH2_SEND_FUNC(on_send)
{
	struct lib_session *s = *abstract;

	if (socket == s->fd)
		return take_packet(s, buffer, length);
	if (!agent_ready(s, socket, POLLOUT))
		return -ETIMEDOUT;
	return socket_result(send(socket, buffer, length, flags | MSG_NOSIGNAL));
}

void lib_stream_callbacks(struct lib_session *s)
{
	if (s->outer)
		s->in = xmalloc(IN_BYTES);
/* the callbacks go through void *, as the API of libssh2 before 1.11 wants it */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
	libssh2_session_callback_set(s->lib, LIBSSH2_CALLBACK_RECV, (void *)on_recv);
	libssh2_session_callback_set(s->lib, LIBSSH2_CALLBACK_SEND, (void *)on_send);
#pragma GCC diagnostic pop
}
