/*
 * Which ports the kernel gives to connections (and to who binds to none) by itself: those of
 * net.ipv4.ip_local_port_range that are not in net.ipv4.ip_local_reserved_ports, IPv6 has the same.
 * One of them may be free now, and somebody's in the next moment.
 */
#ifndef REMOTE_LOCAL_PORTS_H
#define REMOTE_LOCAL_PORTS_H

#include <stdint.h>

/* The first from port on that it gives to nobody, by the texts of both files; 0: there is none. A
 * range that is none counts as the kernel's default. */
uint16_t local_ports_next(const char *range, const char *reserved, uint16_t port);

/* The same in the network namespace that the caller is in. proc: a descriptor of /proc. */
uint16_t local_ports_next_here(int proc, uint16_t port);

#endif
