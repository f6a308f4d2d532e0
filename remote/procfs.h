/*
 * Readers of /proc under a movable root, so that they are tested on trees captured from real
 * machines. Everything read is hostile input: bounded, strictly parsed.
 * They return 0 or -errno (-ENOENT, -ESRCH: the process is gone; -EPROTO: not what a kernel
 * writes).
 */
#ifndef REMOTE_PROCFS_H
#define REMOTE_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/compiler.h"

struct procfs {
	int fd; /* the opened /proc (checked to be PROC_SUPER_MAGIC) or a fixture's directory */
};

/* root NULL: the real /proc, which has to be a procfs (CVE-2019-19921). */
int procfs_open(struct procfs *ret, const char *root) must_check;
void procfs_close(struct procfs *p);
#define auto_procfs auto_cleanup(procfs_close)

/* Call fn for each process until it returns nonzero, which is then returned; at most MAX_PROCESSES.
 */
int procfs_each(const struct procfs *p, int (*fn)(void *ctx, pid_t pid), void *ctx) must_check;

struct proc_status {
	uid_t euid, uid, fsuid;
	gid_t egid, gid;
	pid_t ns_pid;		   /* last of NSpid; pid itself on kernels without it */
	unsigned int ns_levels;	   /* number of pid namespaces */
	pid_t ppid;		   /* 0: of another pid namespace, or not said */
	uint64_t sig_blk;	   /* bit n-1: signal n; of the first thread only */
	uint64_t sig_ign, sig_cgt; /* of the whole process */
	uint64_t rss;		   /* bytes, VmRSS */
	char state;		   /* 'R', 'S', 'Z' ... */
	unsigned int cpus;	   /* that its first thread may run on; 0 unknown */
};

int proc_read_status(const struct procfs *p, pid_t pid, struct proc_status *ret) must_check;

/* The text of status alone. A field that is given twice, or not in the kernel's form, is -EPROTO.
 */
int proc_parse_status(const char *text, size_t len, struct proc_status *ret) must_check;

#define SIGNAL_BIT(n) (1ull << ((n)-1)) /* in sig_blk, sig_ign, sig_cgt */

/* 1: every thread blocks the signal, which would only wait; 0: some thread would take it; -errno.
 * (HotSpot blocks SIGQUIT in all threads but its VM thread: when the first thread made the JVM, as
 * with jsvc, its mask alone is misleading.) */
int proc_signal_blocked(const struct procfs *p, pid_t pid, int sig) must_check;

/* Field 22 of stat, clock ticks since boot. The command name may hold anything, ")" too. */
int proc_read_start_time(const struct procfs *p, pid_t pid, uint64_t *ret) must_check;
int proc_parse_start_time(const char *text, size_t len, uint64_t *ret) must_check;

/* The same as seconds since the epoch (btime of /proc/stat). */
int proc_start_to_epoch(const struct procfs *p, uint64_t start_time, uint64_t *ret) must_check;

/* MemAvailable of meminfo, bytes (kernel 3.14). */
int proc_read_available(const struct procfs *p, uint64_t *ret) must_check;

/* cmdline or environ: NUL-separated; b's maximum bounds it (-EFBIG: b holds the beginning). */
int proc_read_strings(const struct procfs *p, pid_t pid, const char *file,
		      struct buf *b) must_check;

/* Lines of maps that map a file executable, one call each, path as the kernel prints it; streamed.
 * fn returning nonzero ends it and is returned. */
int proc_each_executable_map(const struct procfs *p, pid_t pid,
			     int (*fn)(void *ctx, const char *path), void *ctx) must_check;

#endif
