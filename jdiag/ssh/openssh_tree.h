/*
 * What the ssh client has started: the clients of jump hosts, a ProxyCommand. On a terminal they
 * are in our own process group, and one that asks for a passphrase there does not notice that the
 * client it works for has ended.
 */
#ifndef JDIAG_SSH_OPENSSH_TREE_H
#define JDIAG_SSH_OPENSSH_TREE_H

#include <stddef.h>
#include <sys/types.h>

#define TREE_MAX 64

/* Processes, held by their descriptors: a number may become another's. */
struct process_tree {
	pid_t pids[TREE_MAX];
	int fds[TREE_MAX];
	size_t n;
};

/* The descendants of a child of ours that is not reaped yet, at most TREE_MAX; none where the
 * kernel cannot say (/proc/PID/task/TID/children, pidfd_open: Linux 5.3). */
void tree_find(struct process_tree *t, pid_t root);

/* SIGTERM to those that still live, and half a second for them to end. Releases t. */
void tree_end(struct process_tree *t);

#endif
