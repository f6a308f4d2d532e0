/* From a process to its container: cgroup v1, v2 and hybrid, by the shapes that container runtimes
 * give their paths. */
#ifndef REMOTE_CGROUP_H
#define REMOTE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/procfs.h"

#define CONTAINER_ID_SIZE 128 /* 64 hex digits, or "lxc:NAME", "nspawn:NAME"; with terminator */

/* The container id in one cgroup path: the last delimited run of 64 hex digits (nested docker: the
 * inner one), else a named container (lxc, nspawn), else "" (false). conmon's scopes do not count.
 */
bool cgroup_path_container(const char *path, char id[CONTAINER_ID_SIZE]);

/* Does the path contain the id as a delimited part? */
bool cgroup_path_has(const char *path, const char *id);

/* The path that tells: of v2 ("0::"), name=systemd, memory, pids and any other the first that names
 * a container, else the first. 0 or -errno (-EPROTO: not what a kernel writes). */
int cgroup_pick_path(const char *text, size_t len, char *ret, size_t size) must_check;
int cgroup_read_path(const struct procfs *p, pid_t pid, char *ret, size_t size) must_check;

/* "" when it is in no container. */
int cgroup_container_of(const struct procfs *p, pid_t pid, char id[CONTAINER_ID_SIZE]) must_check;

/* The memory limit that the process meets first (the smallest of its cgroup and all above) and the
 * usage of the cgroup that has it, from /sys/fs/cgroup (root NULL) or a fixture's directory; 0 when
 * there is none or it cannot be read. */
void cgroup_read_memory(const struct procfs *p, pid_t pid, const char *root, uint64_t *limit,
			uint64_t *usage);

/* What is left below the limits of its cgroup and of all above; page cache that nobody uses counts
 * as left. UINT64_MAX: no limit. root as above. */
uint64_t cgroup_memory_left(const struct procfs *p, pid_t pid, const char *root);

/* How many more processes and threads its cgroup and all above allow; UINT64_MAX: no limit. root as
 * above. */
uint64_t cgroup_tasks_left(const struct procfs *p, pid_t pid, const char *root);

/* What the quota of its cgroup and of all above allow, in thousandths of a CPU; 0: no quota. root
 * as above. */
unsigned int cgroup_millicpus(const struct procfs *p, pid_t pid, const char *root);

/* Call fn with each directory (O_PATH) from the process's cgroup up to the root, in the hierarchy
 * of that controller: the one of cgroup v1, or v2's when fn finds nothing of use (returns 0) in the
 * former. Whether it found something. */
bool cgroup_each_level(const struct procfs *p, pid_t pid, const char *root, const char *controller,
		       int (*fn)(void *ctx, int dir, bool v2), void *ctx);

#endif
