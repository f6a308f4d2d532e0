/*
 * A loopback HTTP server inside a test: one thread, a free port, one handler per connection. The
 * handler gets the request's head and writes whatever it likes, also nonsense.
 */
#ifndef TESTS_UNIT_SERVER_H
#define TESTS_UNIT_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	atomic_int requests; /* heads seen so far */
	atomic_bool stopping;
	void (*handle)(struct server *s, int fd, const char *head);
	void *ctx;
	char url[64]; /* http://127.0.0.1:PORT */
};

/* Read up to the empty line, not a byte further; 0 when the peer went away. */
static inline int server_read_head(int fd, char *dst, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && recv(fd, dst + len, 1, 0) == 1) {
		dst[++len] = '\0';
		if (len >= 4 && strcmp(dst + len - 4, "\r\n\r\n") == 0)
			return 1;
	}
	return 0;
}

static inline void server_send(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static inline void server_answer(int fd, const char *status, const char *headers, const char *body)
{
	char head[1024];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
		 headers, strlen(body));
	server_send(fd, head, strlen(head));
	server_send(fd, body, strlen(body));
}

/* Take n bytes of a body; returns how many came. */
static inline size_t server_take(int fd, size_t n)
{
	char chunk[65536];
	size_t got = 0;

	while (got < n) {
		ssize_t r = recv(fd, chunk, n - got < sizeof(chunk) ? n - got : sizeof(chunk), 0);

		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

/* Close so that the peer sees a reset. */
static inline void server_reset(int fd)
{
	const struct linger hard = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static inline void *server_loop(void *arg)
{
	struct server *s = arg;
	char head[65536];
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		/* several requests on one connection, as a real server */
		while (!s->stopping && server_read_head(fd, head, sizeof(head))) {
			s->requests++;
			s->handle(s, fd, head);
		}
		close(fd);
	}
	return NULL;
}

/* A free port of loopback. */
static inline void server_listen(struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(s->listener, 8) != 0 ||
	    getsockname(s->listener, (struct sockaddr *)&a, &len) != 0)
		abort();
	s->port = ntohs(a.sin_port);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);
}

static inline void server_start(struct server *s,
				void (*handle)(struct server *s, int fd, const char *head))
{
	*s = (struct server){.handle = handle};
	server_listen(s);
	if (pthread_create(&s->thread, NULL, server_loop, s) != 0)
		abort();
}

/* The clients' connections are closed by now, so the thread is in accept or about to be. */
static inline void server_stop(struct server *s)
{
	s->stopping = true;
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

#endif
