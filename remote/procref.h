/* A process that stays the same process: a pidfd, opened first, and the start time checked through
 * /proc afterwards (apport CVE-2025-5054: a pid alone is reused between look and act). */
#ifndef REMOTE_PROCREF_H
#define REMOTE_PROCREF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/procfs.h"

struct procref {
	pid_t pid;
	uint64_t start_time;
	int pidfd; /* -1 on kernels before 5.3: then the start time is checked before each use */
};

#define PROCREF_INIT ((struct procref){.pidfd = -1})

/* start_time 0: take what is there now. ERR_TARGET when it is gone or another one. */
int procref_open(const struct procfs *p, pid_t pid, uint64_t start_time, struct procref *ret,
		 struct error *err) must_check;
void procref_close(struct procref *r);

/* Still that process, and alive? */
bool procref_alive(const struct procfs *p, const struct procref *r);

/* By pidfd_send_signal. 0 or -errno. */
int procref_signal(const struct procfs *p, const struct procref *r, int sig) must_check;

#endif
