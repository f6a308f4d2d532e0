#include "jdiag/ssh/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"

#define GONE_MS 60000 /* unacknowledged bytes for so long: the peer is gone */
#define PROBE_SECONDS 15
#define SLICE_MS 200 /* the interrupt flag is asked at least this often */

static void addresses_free(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* Options that a connection can do without: failure is no reason to give up. */
static void tune(int fd)
{
	const int on = 1, probe = PROBE_SECONDS, gone = GONE_MS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &probe, sizeof(probe));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe, sizeof(probe));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof(gone));
}

/* 0 when connected, -errno, -EINTR for a signal. After the deadline it looks once more. */
static int wait_connected(int fd, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		uint64_t now = now_ms();
		uint64_t left = now < deadline ? deadline - now : 0;
		int failure = 0;
		socklen_t len = sizeof(failure);

		if (interrupted())
			return -EINTR;
		if (poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS) > 0)
			return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 ? -errno
											: -failure;
		if (!left)
			return -ETIMEDOUT;
	}
}

static int connect_one(const struct addrinfo *a, uint64_t deadline)
{
	auto_fd int fd =
		socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	int rc;

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		rc = wait_connected(fd, deadline);
		if (rc < 0)
			return rc;
	}
	tune(fd);
	return STEAL_FD(fd);
}

static void note_failure(struct buf *why, const struct addrinfo *a, int errnum)
{
	char name[NI_MAXHOST] = "?";

	(void)getnameinfo(a->ai_addr, a->ai_addrlen, name, sizeof(name), NULL, 0, NI_NUMERICHOST);
	buf_addf(why, "%s%s (%s)", why->len ? ", " : "",
		 errnum == ETIMEDOUT ? "no answer" : strerror(errnum), name);
}

/* Each address gets its share of the time that is left, so that a dead one cannot eat it all. */
static int connect_any(const struct addrinfo *list, uint64_t deadline, struct buf *why)
{
	unsigned int left = 0;
	const struct addrinfo *a;

	for (a = list; a; a = a->ai_next)
		left++;
	for (a = list; a; a = a->ai_next, left--) {
		uint64_t now = now_ms();
		uint64_t share = deadline > now ? (deadline - now) / left : 0;
		int fd = connect_one(a, now + share);

		if (fd >= 0 || fd == -EINTR)
			return fd;
		note_failure(why, a, -fd);
	}
	return -ETIMEDOUT;
}

int tcp_unreachable(struct error *err)
{
	if (err)
		err->sys = EHOSTUNREACH;
	return -1;
}

int tcp_connect(const char *host, uint16_t port, uint64_t deadline, struct error *err)
{
	const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	auto_cleanup(addresses_free) struct addrinfo *list = NULL;
	auto_buf struct buf why = BUF_INIT(400);
	char service[8];
	int rc, fd;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &wanted, &list);
	if (rc) {
		error_set(err, ERR_SSH, "cannot find the address of '%s': %s", host,
			  rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return tcp_unreachable(err);
	}
	fd = connect_any(list, deadline, &why);
	if (fd == -EINTR)
		return interrupt_check(err);
	if (fd < 0) {
		error_set(err, ERR_SSH, "cannot connect to '%s' port %u: %s", host, port,
			  buf_str(&why));
		(void)tcp_unreachable(err);
		return error_hint(err,
				  "check the address and that port %u of the node can be "
				  "reached from here (firewall, bastion, VPN)",
				  port);
	}
	return fd;
}
