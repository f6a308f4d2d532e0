#include "jdiag/httpd/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"

#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int bad_address(const char *text, const char *why, struct error *err)
{
	error_set(err, ERR_USAGE, "cannot listen on '%s': %s", text, why);
	return error_hint(err, "as 127.0.0.1:9405, [::1]:9405, or 0.0.0.0:9405 for every address "
			       "of this machine; port 0: one that is free");
}

/* What stands before the port: without its brackets; "" and localhost are loopback. */
static bool take_host(const char *text, size_t len, char dst[INET6_ADDRSTRLEN])
{
	bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';

	if (brackets) {
		text++;
		len -= 2;
	}
	if (len == 0 || (len == strlen("localhost") && strncmp(text, "localhost", len) == 0)) {
		text = "127.0.0.1";
		len = strlen(text);
	}
	if (len >= INET6_ADDRSTRLEN || (memchr(text, ':', len) && !brackets))
		return false;
	memcpy(dst, text, len);
	dst[len] = '\0';
	return true;
}

static int parse(const char *text, union address *ret, struct error *err)
{
	const char *colon = strrchr(text, ':');
	const char *port_text = colon ? colon + 1 : text;
	char host[INET6_ADDRSTRLEN];
	union address a = {.any.sa_family = AF_UNSPEC};
	uint64_t port;

	if (!str_to_u64(port_text, UINT16_MAX, &port))
		return bad_address(text, "there is no port at its end", err);
	if (!take_host(text, colon ? (size_t)(colon - text) : 0, host))
		return bad_address(text, "that is no address", err);
	if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons((uint16_t)port);
	} else {
		return bad_address(text, "that is no address", err);
	}
	*ret = a;
	return 0;
}

static int listen_error(const char *text, int errnum, struct error *err)
{
	bool users = errnum == EADDRINUSE || errnum == EADDRNOTAVAIL || errnum == EACCES;

	error_sys(err, users ? ERR_USAGE : ERR_FAILED, errnum, "cannot listen on '%s'", text);
	if (errnum == EADDRINUSE)
		return error_hint(err, "another program has that port; port 0 takes one that is "
				       "free");
	if (errnum == EADDRNOTAVAIL)
		return error_hint(err, "give an address of this machine, or 0.0.0.0 for all of "
				       "them");
	if (errnum == EACCES)
		return error_hint(err, "ports below 1024 are for root");
	return -1;
}

static void write_address(int fd, char dst[HTTPD_ADDRESS_SIZE])
{
	union address a = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "";

	getsockname(fd, &a.any, &len);
	if (a.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
		snprintf(dst, HTTPD_ADDRESS_SIZE, "[%s]:%u", host, ntohs(a.v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
		snprintf(dst, HTTPD_ADDRESS_SIZE, "%s:%u", host, ntohs(a.v4.sin_port));
	}
}

int httpd_listen(const char *text, char address[HTTPD_ADDRESS_SIZE], struct error *err)
{
	union address a;
	auto_fd int fd = -1;
	const int on = 1;
	socklen_t len;

	if (parse(text, &a, err) < 0)
		return -1;
	len = a.any.sa_family == AF_INET6 ? sizeof(a.v6) : sizeof(a.v4);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* a server that is started again must not wait for its last connections */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &a.any, len) < 0 || listen(fd, BACKLOG) < 0)
		return listen_error(text, errno, err);
	write_address(fd, address);
	return STEAL_FD(fd);
}
