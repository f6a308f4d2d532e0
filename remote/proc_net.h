/* Lines of /proc/PID/net/tcp and tcp6, and what a process has open. Streamed, bounded. */
#ifndef REMOTE_PROC_NET_H
#define REMOTE_PROC_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/procfs.h"

struct net_socket {
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	bool listens;
	uint64_t inode;
};

/* One line, without its newline, as the kernel writes it on this machine; false: another one (the
 * head). */
bool proc_net_parse(const char *line, size_t len, struct net_socket *ret);

/* Call fn for each TCP socket that listens in the network namespace of the process until it returns
 * nonzero, which is then returned. file: "tcp", "tcp6". A kernel without IPv6 has no tcp6: 0.
 * Otherwise 0 or -errno; -EFBIG: the table is too long to be read to its end. */
int proc_each_listening(const struct procfs *p, pid_t pid, const char *file,
			int (*fn)(void *ctx, const struct net_socket *s), void *ctx) must_check;

/* The inode in "socket:[N]"; false: it is something else. */
bool proc_fd_socket(const char *link, uint64_t *ret);

/* Call fn with the target of each link in the process's fd directory until it returns nonzero,
 * which is then returned; -EFBIG after MAX_DESCRIPTORS. */
int proc_each_fd(const struct procfs *p, pid_t pid, int (*fn)(void *ctx, const char *link),
		 void *ctx) must_check;

#endif
