/* What the resource limits of a process (setrlimit(2)) leave it. UINT64_MAX: no limit, or it cannot
 * be read. */
#ifndef REMOTE_PROC_LIMITS_H
#define REMOTE_PROC_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "remote/procfs.h"

/* The soft limit of that name ("Max open files") in the text of a limits file. */
uint64_t proc_parse_limit(const char *text, size_t len, const char *name);

/* RLIMIT_NOFILE. */
uint64_t proc_files_limit(const struct procfs *p, pid_t pid);

/* RLIMIT_NPROC, which counts all processes and threads of a user on the node; not for root. Where
 * plenty would be left if all of the node's were this user's: that, which is less than the truth.
 */
uint64_t proc_tasks_left(const struct procfs *p, pid_t pid);

#endif
