#include "remote/port_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/creds.h"
#include "remote/enter.h"

#define PROBE_MS 5000

/* ---- in the child ---- */

static int try_bind(int family, const void *address, socklen_t len)
{
	auto_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
	    bind(fd, address, len) < 0)
		return errno;
	return 0;
}

static int try_both(uint16_t port)
{
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int sys = try_bind(AF_INET6, &v6, sizeof(v6));

	/* where there is no IPv6, Java takes IPv4 alone */
	if (sys && sys != EAFNOSUPPORT && sys != EADDRNOTAVAIL)
		return sys;
	return try_bind(AF_INET, &v4, sizeof(v4));
}

int port_probe_here(const struct port_probe *p, int *ret_sys, struct error *err)
{
	if (setns(p->ns, CLONE_NEWNET) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot join the network namespace");
	if (creds_drop(p->uid, p->gid, err) < 0)
		return -1;
	*ret_sys = try_both(p->port);
	return 0;
}

static int probe_run(void *ctx, struct buf *answer, struct error *err)
{
	int sys;

	if (port_probe_here(ctx, &sys, err) < 0)
		return -1;
	buf_add(answer, &sys, sizeof(sys));
	return 0;
}

/* ---- in the helper ---- */

int port_probe(const struct target *t, int ns, uint16_t port, int *ret_sys, struct error *err)
{
	struct port_probe p = {.ns = ns, .uid = t->jvm.uid, .gid = t->jvm.gid, .port = port};
	const struct enter_request e = {
		.fds = {ns},
		.n_fds = 1,
		.run = probe_run,
		.ctx = &p,
		.timeout_ms = PROBE_MS,
	};
	auto_buf struct buf answer = BUF_INIT(sizeof(*ret_sys));

	if (enter_run(t->proc, &e, &answer, err) < 0)
		return error_prefix(err, "cannot try port %u", port);
	if (answer.len != sizeof(*ret_sys))
		return error_set(err, ERR_FAILED, "the answer of the helper's child is too short");
	memcpy(ret_sys, answer.data, sizeof(*ret_sys));
	return 0;
}

/* An abstract socket: it is gone with its holder, and leaves no file behind. All helpers of a node
 * are in the node's own network namespace. */
int port_claim(int ns, uint16_t port, struct error *err)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	int n;

	if (fd < 0 || fstat(ns, &st) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot claim port %u", port);
	n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "jdiag-port-%llu-%u",
		     (unsigned long long)st.st_ino, port);
	if (bind(fd, (const struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
		return STEAL_FD(fd);
	if (errno != EADDRINUSE)
		return error_sys(err, ERR_NODE, errno, "cannot claim port %u", port);
	error_set(err, ERR_REFUSED,
		  "port %u is about to be another JVM's: it is being told so, or was and has not "
		  "answered",
		  port);
	err->sys = EADDRINUSE;
	return -1;
}
