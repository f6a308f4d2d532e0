/* A TCP connection to a node. */
#ifndef JDIAG_SSH_TCP_H
#define JDIAG_SSH_TCP_H

#include <stdint.h>

#include "remote/base/error.h"

/* Connect to the first address of host that answers, until deadline (of now_ms). The descriptor is
 * non-blocking and close-on-exec, without Nagle's delay, and notices a peer that is gone within a
 * minute. ERR_SSH with the reason of each address and EHOSTUNREACH in err->sys, ERR_INTERRUPTED. */
int tcp_connect(const char *host, uint16_t port, uint64_t deadline, struct error *err) must_check;

/* Put that EHOSTUNREACH into an error that is filled already (err may be NULL). Returns -1. */
int tcp_unreachable(struct error *err);

#endif
