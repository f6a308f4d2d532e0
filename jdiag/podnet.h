/*
 * A TCP connection inside a pod's network namespace (the helper's `connect`) that podnet_pump joins
 * with a socket of this side: a library's, or one that was accepted. One at a time on a helper.
 */
#ifndef JDIAG_PODNET_H
#define JDIAG_PODNET_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;
struct podnet;
struct pollfd;

/* address NULL: loopback. ERR_FAILED with err->sys ECONNREFUSED, ETIMEDOUT ... */
int podnet_open(struct podnet **ret, struct helper *h, const struct jvmref *j, const char *address,
		uint16_t port, struct error *err) must_check;

/* The bytes of this stream socket go to the pod, and what comes from there goes to it; the end of
 * what comes is told by shutdown. Owned from now on; becomes non-blocking. */
void podnet_attach(struct podnet *p, int fd);

const char *podnet_address(const struct podnet *p); /* that answered */

/* Move what there is, without waiting. A connection that broke is its end for
 * the socket. */
int podnet_pump(struct podnet *p, struct error *err) must_check;

/* When to pump: what to poll, at most max; returns how many; -1: at once. */
int podnet_poll(struct podnet *p, struct pollfd *fds, unsigned int max);

void podnet_close(struct podnet *p); /* NULL is fine */

#endif
