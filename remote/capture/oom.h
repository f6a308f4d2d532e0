/* Was the JVM killed for memory? By the counter of its cgroup, before and after. */
#ifndef REMOTE_CAPTURE_OOM_H
#define REMOTE_CAPTURE_OOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/procfs.h"

struct oom_watch {
	int fd; /* memory.events (v2) or memory.oom_control (v1), or -1 */
	uint64_t before;
};

#define OOM_WATCH_INIT ((struct oom_watch){.fd = -1})

/* cgroups NULL: /sys/fs/cgroup. Without such a file the answer will be no. */
void oom_watch_open(struct oom_watch *w, const struct procfs *p, pid_t pid, const char *cgroups);

/* Has the kernel killed a process of that cgroup since? The cgroup may be gone soon: ask at once.
 */
bool oom_watch_killed(const struct oom_watch *w);

void oom_watch_close(struct oom_watch *w);

#endif
