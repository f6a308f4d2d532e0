/*
 * A request over a stream of the caller's. libcurl is to use a descriptor that is connected
 * already, and 7.88 (Debian 12) cannot: it connects it all the same (fixed in 8.0). So it gets a
 * Unix socket and an address of ours, which it connects at once, and the caller gets the other end.
 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jdiag/http/internal.h"
#include "remote/base/io.h"

#define MAX_STREAM_FDS 32
#define SOCKET_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

/* With an abstract name that the kernel chooses. */
static int start_listening(struct curl_sockaddr *ret)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	socklen_t len = sizeof(name);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name.sun_family)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &len) < 0 || listen(fd, 1) < 0 ||
	    len > sizeof(ret->addr))
		return -1;
	*ret = (struct curl_sockaddr){.family = AF_UNIX, .socktype = SOCK_STREAM, .addrlen = len};
	memcpy(&ret->addr, &name, len);
	return STEAL_FD(fd);
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = ctx;

	(void)purpose;
	stream_stop(t);
	t->listener = start_listening(address);
	return t->listener < 0 ? CURL_SOCKET_BAD : socket(AF_UNIX, SOCKET_FLAGS, 0);
}

void stream_apply(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1l);
	curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1l);
	curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
}

void stream_stop(struct transfer *t)
{
	if (t->listener > 0)
		close(t->listener);
	t->listener = 0;
}

static bool is_ours(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid();
}

/* Any process of this machine can connect to the name. */
static void take_other_end(struct transfer *t)
{
	while (t->listener > 0) {
		auto_fd int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (!is_ours(fd))
			continue;
		t->stream->attach(t->stream->ctx, STEAL_FD(fd));
		stream_stop(t);
	}
}

int stream_step(struct transfer *t, struct error *err)
{
	take_other_end(t);
	return t->stream->pump(t->stream->ctx, err);
}

void stream_wait(struct transfer *t)
{
	struct curl_waitfd waits[MAX_STREAM_FDS];
	struct pollfd fds[MAX_STREAM_FDS];
	int n = t->stream->poll(t->stream->ctx, fds, MAX_STREAM_FDS);

	if (n < 0)
		return;
	for (int i = 0; i < n; i++) {
		waits[i] = (struct curl_waitfd){.fd = fds[i].fd};
		if (fds[i].events & POLLIN)
			waits[i].events |= CURL_WAIT_POLLIN;
		if (fds[i].events & POLLOUT)
			waits[i].events |= CURL_WAIT_POLLOUT;
	}
	curl_multi_poll(t->client->multi, waits, (unsigned int)n, HTTP_WAIT_MS, NULL);
}
