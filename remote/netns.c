#include "remote/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"

#define ENTER_MS 5000
#define MAX_INTERFACES 65536 /* addresses; a container may have made them */

/* ---- addresses ---- */

static struct sockaddr_in *as_v4(struct netns_way *w)
{
	return (struct sockaddr_in *)&w->to;
}

static bool is_v4(const struct netns_way *w)
{
	return w->to.sin6_family == AF_INET;
}

socklen_t netns_length(const struct netns_way *w)
{
	return is_v4(w) ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

const char *netns_text(const struct netns_way *w, char ret[INET6_ADDRSTRLEN])
{
	const void *bytes = is_v4(w) ? (const void *)&((const struct sockaddr_in *)&w->to)->sin_addr
				     : (const void *)&w->to.sin6_addr;

	if (!inet_ntop(w->to.sin6_family, bytes, ret, INET6_ADDRSTRLEN))
		ret[0] = '\0';
	return ret;
}

static bool way_to(struct netns_way *w, const char *address, uint16_t port)
{
	*w = (struct netns_way){.fd = -1};
	if (inet_pton(AF_INET, address, &as_v4(w)->sin_addr) == 1) {
		w->to.sin6_family = AF_INET;
		as_v4(w)->sin_port = htons(port);
		return true;
	}
	w->to = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
	return inet_pton(AF_INET6, address, &w->to.sin6_addr) == 1 &&
	       !IN6_IS_ADDR_V4MAPPED(&w->to.sin6_addr);
}

static bool is_loopback(struct netns_way *w)
{
	return is_v4(w) ? ntohl(as_v4(w)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
			: IN6_IS_ADDR_LOOPBACK(&w->to.sin6_addr);
}

/* A link-local address is one only together with its interface. */
static bool same_address(struct netns_way *w, const struct sockaddr *a)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

	if (!a || a->sa_family != w->to.sin6_family)
		return false;
	if (is_v4(w))
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       as_v4(w)->sin_addr.s_addr;
	if (memcmp(&v6->sin6_addr, &w->to.sin6_addr, sizeof(v6->sin6_addr)) != 0)
		return false;
	w->to.sin6_scope_id = v6->sin6_scope_id;
	return true;
}

/* ---- in the child ---- */

struct joining {
	int ns, channel;
	size_t n;
	struct netns_way ways[NETNS_SOCKETS];
};

/* By netlink: nothing of a file system is asked. */
static int check_own(struct netns_way *w, struct error *err)
{
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *all = NULL;
	bool found = is_loopback(w);
	unsigned int n = 0;

	if (found)
		return 0;
	if (getifaddrs(&all) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot list the addresses of the pod");
	for (struct ifaddrs *i = all; i && !found && n < MAX_INTERFACES; i = i->ifa_next, n++)
		found = i->ifa_flags & IFF_UP && same_address(w, i->ifa_addr);
	freeifaddrs(all);
	return found ? 0
		     : error_sys(err, ERR_FAILED, EADDRNOTAVAIL, "cannot connect to '%s'",
				 netns_text(w, text));
}

static int make_socket(struct netns_way *w, struct error *err)
{
	w->fd = socket(w->to.sin6_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd >= 0 || errno == EAFNOSUPPORT)
		return 0;
	return error_sys(err, ERR_NODE, errno, "cannot make a socket");
}

/* The sockets that there are, in their order. */
static int pass(const struct joining *j, struct error *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * NETNS_SOCKETS)];
		struct cmsghdr align;
	} control = {0};
	char one = 0;
	struct iovec byte = {.iov_base = &one, .iov_len = 1};
	struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes};
	struct cmsghdr *c = &control.align;
	int fds[NETNS_SOCKETS];
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		if (j->ways[i].fd >= 0)
			fds[n++] = j->ways[i].fd;
	if (!n)
		return error_sys(err, ERR_FAILED, EAFNOSUPPORT, "cannot make a socket");
	m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	if (sendmsg(j->channel, &m, MSG_NOSIGNAL) != 1)
		return error_sys(err, ERR_FAILED, errno, "cannot pass a socket");
	return 0;
}

static int join_run(void *ctx, struct buf *answer, struct error *err)
{
	struct joining *j = ctx;

	if (setns(j->ns, CLONE_NEWNET) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot join the network namespace");
	for (size_t i = 0; i < j->n; i++)
		if (check_own(&j->ways[i], err) < 0 || make_socket(&j->ways[i], err) < 0)
			return -1;
	if (pass(j, err) < 0)
		return -1;
	buf_add(answer, j->ways, sizeof(j->ways));
	return 0;
}

/* ---- in the helper ---- */

int netns_open(const struct procfs *p, const struct procref *ref, struct error *err)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%d/ns/net", (int)ref->pid);
	fd = openat(p->fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno == ENOENT ? ERR_TARGET : ERR_NODE, errno,
				 "cannot open the network namespace of process %d", (int)ref->pid);
	/* It was opened by pid: it counts only if it was the same process all the time. */
	if (procref_alive(p, ref))
		return fd;
	close(fd);
	return error_set(err, ERR_TARGET, "process %d has ended", (int)ref->pid);
}

int netns_start(struct netns *n, const struct procfs *p, const struct procref *ref,
		const char *address, uint16_t port, struct error *err)
{
	static const char *const loopback[] = {"127.0.0.1", "::1"};
	struct joining j = {.n = address && *address ? 1 : ARRAY_SIZE(loopback),
			    .ways = {{.fd = -1}, {.fd = -1}}};
	struct enter_request e = {.run = join_run, .ctx = &j, .timeout_ms = ENTER_MS, .n_fds = 2};
	auto_fd int ns = -1, theirs = -1;
	int pair[2];

	for (size_t i = 0; i < j.n; i++)
		if (!way_to(&j.ways[i], j.n == 1 ? address : loopback[i], port))
			return error_set(err, ERR_USAGE, "'%s' is not an IP address", address);
	ns = netns_open(p, ref, err);
	if (ns < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pair of sockets");
	n->channel = pair[0];
	j.channel = theirs = pair[1];
	j.ns = ns;
	e.fds[0] = ns;
	e.fds[1] = theirs;
	n->n = j.n;
	return enter_start(p, &e, sizeof(j.ways), &n->child, err);
}

/* As many as the answer says that there are. */
static int receive(struct netns *n, struct error *err)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * NETNS_SOCKETS)];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec v = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t got = recvmsg(n->channel, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = got == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	size_t count, next = 0;
	int fds[NETNS_SOCKETS];

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return error_set(err, ERR_FAILED, "the helper's child passed no socket");
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	for (size_t i = 0; i < NETNS_SOCKETS; i++)
		n->ways[i].fd = i < n->n && n->ways[i].fd >= 0 && next < count ? fds[next++] : -1;
	return 1;
}

int netns_collect(struct netns *n, struct error *err)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(n->ways));
	int rc = enter_collect(&n->child, &answer, err);

	if (rc <= 0)
		return rc;
	if (answer.len != sizeof(n->ways))
		return error_set(err, ERR_FAILED, "the answer of the helper's child is too short");
	memcpy(n->ways, answer.data, sizeof(n->ways));
	rc = receive(n, err);
	if (rc < 0) /* the numbers are the child's */
		for (size_t i = 0; i < NETNS_SOCKETS; i++)
			n->ways[i].fd = -1;
	return rc;
}

void netns_stop(struct netns *n)
{
	enter_stop(&n->child);
	fd_close(&n->channel);
	for (size_t i = 0; i < NETNS_SOCKETS; i++)
		fd_close(&n->ways[i].fd);
}
