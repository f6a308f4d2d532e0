/*
 * A TCP connection inside a pod's network namespace (the helper's `connect`), as a descriptor that
 * a library reads and writes: one end of a socket pair, which podnet_pump feeds. One at a time on a
 * helper.
 */
#ifndef JDIAG_PODNET_H
#define JDIAG_PODNET_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;
struct podnet;

/* address NULL: loopback. ERR_FAILED with err->sys ECONNREFUSED, ETIMEDOUT ... */
int podnet_open(struct podnet **ret, struct helper *h, const struct jvmref *j, const char *address,
		uint16_t port, struct error *err) must_check;

int podnet_fd(const struct podnet *p);	    /* ours; borrowed */
int podnet_wait_fd(const struct podnet *p); /* readable: podnet_pump has something to do */

/* Move what there is, without waiting. */
int podnet_pump(struct podnet *p, struct error *err) must_check;

void podnet_close(struct podnet *p); /* NULL is fine */

#endif
