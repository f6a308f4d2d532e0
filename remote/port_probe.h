/*
 * Could a JVM listen on a port? Its table of sockets does not tell: also one that only has the port
 * as its own end of a connection, or is bound and does not listen, is in the way, and so may be a
 * rule of the kernel. So it is tried, as Java does it (SO_REUSEADDR, on all addresses), by a child
 * in the JVM's network namespace with the JVM's identity, and undone at once; nothing listens.
 */
#ifndef REMOTE_PORT_PROBE_H
#define REMOTE_PORT_PROBE_H

#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/target.h"

struct port_probe {
	int ns; /* network namespace, by netns_open */
	uid_t uid;
	gid_t gid;
	uint16_t port;
};

/* In a child that does nothing else afterwards: it has the JVM's identity then. *ret_sys: 0, or the
 * errno that the JVM would get. */
int port_probe_here(const struct port_probe *p, int *ret_sys, struct error *err) must_check;

/* The same by a child of its own; some ms. */
int port_probe(const struct target *t, int ns, uint16_t port, int *ret_sys,
	       struct error *err) must_check;

/* Exclude the other helpers of this node from what needs the same port of that namespace, until the
 * descriptor that is returned is closed. -1: ERR_REFUSED with sys EADDRINUSE when one has it. */
int port_claim(int ns, uint16_t port, struct error *err) must_check;

#endif
