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
#include "remote/base/limits.h"
#include "remote/procfs.h"

#define BUDGET_PERCENT 25		/* of MemAvailable, unless the user says */
#define BUDGET_MEMORY_LEFT (1024 * MiB) /* stays available: the kubelet shall see no pressure */
#define BUDGET_MIN_BUFFER (16 * MiB)	/* below that it is not worth it: raw to disk */
#define BUDGET_UNKNOWN (1024 * MiB)	/* for a dump whose size is not known */
#define BUDGET_RING (64 * MiB)		/* at least, also where memory is short */
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
	uint64_t ring;	       /* size of the ring; 0: no ring. Buffer and ring share the memory */
	char why[128];	       /* why buffer is less than expected; "" when it is not */
	char base[256];	       /* directory of the spool */
	uint64_t disk_free;    /* there */
	uint64_t disk_size;    /* of that file system */
	uint64_t max_bytes;    /* that the spool may take there; never 0 */
	unsigned int cpus;     /* online, that the helper may use */
	unsigned int jvm_cpus; /* that the JVM's cgroup may use (quota and cpuset), rounded up */
	unsigned int jvm_millicpus; /* its quota in thousandths of a CPU; 0: none */
};

/* pid: the JVM's, for jvm_cpus; 0: none (then it is cpus). ERR_NODE when there is no place for a
 * spool at all. */
int budget_plan(const struct procfs *p, pid_t pid, const struct budget_request *r,
		struct budget *ret, struct error *err) must_check;

/* The three questions of it that look at the node, with the directory that stands for
 * /sys/fs/cgroup (NULL: itself). Bytes available to process `self`; 0 when that cannot be read. */
uint64_t budget_available(const struct procfs *p, pid_t self, const char *cgroups);

/* available is set: the share of it, into buffer, ring and why. */
void budget_share(const struct budget_request *r, struct budget *ret);

/* jvm_cpus, at least 1, and jvm_millicpus; cpus is set: so many when its cpuset cannot be read. */
void budget_jvm_cpus(const struct procfs *p, pid_t pid, const char *cgroups, struct budget *ret);

/* How fast a CPU of this node is, in MB/s of a loop like the one in which HotSpot writes objects
 * (one thread, in its cache). Takes a few ms. Only compares with the same figure of another
 * machine. */
unsigned int budget_cpu_mbps(void);

#endif
