/*
 * What a helper that was killed left in containers: mounts of ours, found by their marks in
 * mountinfo, our directories in /tmp, /var/tmp and the JVMs' working directories, and attach
 * triggers. What `place` put there stays (place/place.h). (Directories on the node: nodedir.h.)
 * A directory that does not answer is left; then it is told that there may be more.
 * What belongs to a capture that is under way is kept: its helper holds a lock on the JVM's
 * directory in /proc.
 */
#ifndef REMOTE_SWEEP_H
#define REMOTE_SWEEP_H

#include <stdbool.h>
#include <sys/types.h>

#include "remote/procfs.h"

/* Told for each thing found: what, and why it is kept (NULL: removed, or would be if dry). */
typedef void sweep_fn(void *ctx, const char *what, const char *kept);

/* Why agents are kept that were placed in a container: they are meant to. */
extern const char sweep_stays[];

/* Every mount namespace of the node. */
void sweep_all(const struct procfs *p, bool dry, sweep_fn *fn, void *ctx);

/* The mount namespace of one process, which the caller has locked (target_lock). */
void sweep_process(const struct procfs *p, pid_t pid, bool dry, sweep_fn *fn, void *ctx);

/* One line of mountinfo. */
struct mount_line {
	unsigned long id;
	dev_t dev;					  /* of its file system */
	char root[512], point[512], type[32], source[64]; /* unescaped; cut: the line is refused */
};

/* False when it is not a line of mountinfo, or longer than ours can be. */
bool mount_line_parse(const char *line, struct mount_line *ret);

/* The file system of a line alone, however long the rest is. */
bool mount_line_dev(const char *line, dev_t *ret);

/* A mount that only we make, for the time of a command? */
bool mount_line_is_ours(const struct mount_line *m);

/* The one for agents, which is to stay (place/mounted.h)? */
bool mount_line_is_agents(const struct mount_line *m);

/* The number of the mount that a descriptor is on; 0: unknown. */
unsigned long mount_id(const struct procfs *p, int fd);

#endif
