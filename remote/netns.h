/*
 * TCP sockets that belong to another process's network namespace: a child joins it, makes them
 * there and passes them back. Only to its own loopback and to the addresses of its own interfaces
 * that are up: what routes there is the namespace itself. (With the node's network that is the node
 * and all that its rules redirect; kube-proxy's kube-ipvs0 has the addresses of all services, and
 * is down.)
 */
#ifndef REMOTE_NETNS_H
#define REMOTE_NETNS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/enter.h"
#include "remote/procref.h"

#define NETNS_SOCKETS 2

/* Where to, and by which socket. */
struct netns_way {
	struct sockaddr_in6 to; /* or a sockaddr_in */
	int fd;			/* non-blocking, not connected; -1: the kernel has no such family */
};

struct netns {
	struct enter_child child;
	int channel; /* what the child passes comes here */
	size_t n;
	struct netns_way ways[NETNS_SOCKETS];
};

#define NETNS_INIT \
	((struct netns){.child = ENTER_CHILD_INIT, .channel = -1, .ways = {{.fd = -1}, {.fd = -1}}})

/* The namespace of a process, as a descriptor; -1. */
int netns_open(const struct procfs *p, const struct procref *ref, struct error *err) must_check;

/* address NULL or "": 127.0.0.1, then ::1. ERR_USAGE when it is none; ERR_TARGET when the process
 * has ended. Then poll n->child.fd and call netns_collect. */
int netns_start(struct netns *n, const struct procfs *p, const struct procref *ref,
		const char *address, uint16_t port, struct error *err) must_check;

/* 1: the sockets of ways[0] to ways[n-1] are there (-1: its family is not), 0: not yet, -1.
 * ERR_FAILED with sys EADDRNOTAVAIL: the address is nobody's there. */
int netns_collect(struct netns *n, struct error *err) must_check;

/* NETNS_INIT and what was stopped before is fine. */
void netns_stop(struct netns *n);

/* "127.0.0.1" of a way. Returns ret. */
const char *netns_text(const struct netns_way *w, char ret[INET6_ADDRSTRLEN]);
socklen_t netns_length(const struct netns_way *w);

#endif
