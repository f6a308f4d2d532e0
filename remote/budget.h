/*
 * What a capture may take of the node: memory for the buffer, disk for the spool (design.md,
 * "Drain, spool, forward"; issue: nothing may hurt the node, too). The same answer for `inspect`,
 * which only tells it, and `begin`, which acts on it.
 */
#ifndef REMOTE_BUDGET_H
#define REMOTE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/procfs.h"

#define BUDGET_PERCENT 25		/* of MemAvailable, unless the user says */
#define BUDGET_MEMORY_LEFT (1024 * MiB) /* stays available, so that the kubelet sees no pressure \
					 */
#define BUDGET_DISK_LEFT (512 * MiB)	/* stays free where the spool is */

struct budget_request {
	uint64_t expected;    /* bytes of the dump; 0 unknown */
	uint64_t buffer;      /* --buffer SIZE, or 0 */
	unsigned int percent; /* --buffer PERCENT, or 0 */
	char dir[256];	      /* where on the node, or "" */
	bool ring;	      /* --no-spool: base is /run, the ring is the buffer */
};

struct budget {
	uint64_t available;    /* MemAvailable, or less: what the helper's own cgroup has left */
	uint64_t buffer;       /* bytes to touch; 0: raw to disk */
	char why[128];	       /* why buffer is less than expected; "" when it is not */
	char base[256];	       /* directory of the spool */
	uint64_t disk_free;    /* there */
	uint64_t max_bytes;    /* that the spool may take there */
	unsigned int cpus;     /* online, that the helper may use */
	unsigned int jvm_cpus; /* that the JVM's cgroup may use (quota and cpuset), rounded up */
};

/* pid: the JVM's, for jvm_cpus; 0: none. ERR_NODE when there is no place for a spool at all. */
int budget_plan(const struct procfs *p, pid_t pid, const struct budget_request *r,
		struct budget *ret, struct error *err) must_check;

#endif
