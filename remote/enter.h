/*
 * Work inside a container: a forked, single-threaded child that is not dumpable, holds nothing but
 * the descriptors that it needs, joins the mount namespace (optional) and takes the target's
 * identity (optional), runs one function and hands its answer back through a pipe.
 *
 * After setns nothing under /proc is opened and no library is loaded (runc CVE-2025-31133, docker
 * CVE-2019-14271); everything the function needs is an open descriptor or a value in ctx.
 */
#ifndef REMOTE_ENTER_H
#define REMOTE_ENTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/procref.h"

#define ENTER_MAX_FDS 8

/* The child starts with default signals (SIGPIPE ignored), umask 077, no core dump and "/" (the
 * container's, or the helper's own without join_mnt) as its directory, and dies with its parent. */

struct enter_request {
	const struct procref *target;
	int ns, root;	 /* a way in that was opened before (enter_open_ns, rootpath_root) and stays
			  * when the target ends; -1 or both 0: opened now, and the target has to live
			  */
	bool join_mnt;	 /* setns into its mount namespace (root and cwd become the container's) */
	bool take_creds; /* after that: its host-view euid and egid, no groups, no capabilities */
	uid_t uid;
	gid_t gid;
	int fds[ENTER_MAX_FDS]; /* above 2, under their own numbers: the only descriptors that stay
				 * open besides 0, 1, 2 (/dev/null) and the answer's pipe */
	unsigned int n_fds;

	/* Runs in the child. Writes its answer (at most the maximum of answer) and returns 0, or
	 * fills err and returns -1. */
	int (*run)(void *ctx, struct buf *answer, struct error *err);
	void *ctx;
	uint64_t timeout_ms; /* the child is killed when it passes */
};

/* For children of any kind: 0, 1 and 2 on the node's /dev/null, proved to be that. */
int enter_null_stdio(struct error *err) must_check;

/* Close all descriptors but 0, 1, 2 and these (all above 2; they are sorted). */
int enter_keep_only(int *keep, unsigned int n, struct error *err) must_check;

/* Its mount namespace. -errno when it cannot be opened. */
int enter_open_ns(const struct procfs *p, pid_t pid) must_check;

/* Run it to its end. answer (NULL: none wanted) is appended to. err is what run filled, or ERR_NODE
 * (not permitted), ERR_TARGET (the target has ended), ERR_FAILED with sys ETIMEDOUT (too late). */
int enter_run(const struct procfs *p, const struct enter_request *r, struct buf *answer,
	      struct error *err) must_check;

/* The same without waiting: poll fd for reading, call enter_collect when it is readable. */
struct enter_child {
	pid_t pid;
	int fd; /* non-blocking */
	struct buf raw;
	uint64_t deadline;
};

#define ENTER_CHILD_INIT ((struct enter_child){.fd = -1})

int enter_start(const struct procfs *p, const struct enter_request *r, size_t max_answer,
		struct enter_child *ret, struct error *err) must_check;

/* 1: ended well, answer appended; 0: not yet; -1: failed. After 1 and -1 it is stopped. Call it at
 * the latest at deadline. SIGCHLD must not be ignored. */
int enter_collect(struct enter_child *c, struct buf *answer, struct error *err) must_check;

/* Kill and reap it if it still runs. ENTER_CHILD_INIT and what was stopped before is fine. */
void enter_stop(struct enter_child *c);

#endif
