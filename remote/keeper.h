/*
 * The process outside that keeps a container: containerd's shim or conmon, an ancestor of all that
 * runs in it. It names the container where the cgroup does not (podman without root on cgroup v1,
 * `ctr run` with a name), and says where its runtime keeps what it knows.
 *
 * Only a process of this node's own pid namespace counts, started from a program of that name, that
 * is root's or belongs to who owns the container's user namespace. Without one a user can tell lies
 * about processes of his own, and about nothing else.
 */
#ifndef REMOTE_KEEPER_H
#define REMOTE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "remote/cgroup.h"
#include "remote/procfs.h"

enum keeper_kind { KEEPER_NONE, KEEPER_SHIM, KEEPER_CONMON };

struct keeper {
	enum keeper_kind kind;
	char id[CONTAINER_ID_SIZE]; /* SHIM: of the first container that it keeps */
	char ns[64];		    /* SHIM: containerd's namespace */
	char dir[512];		    /* the bundle; "" unknown */
};

/* The nearest one. False when there is none. */
bool keeper_find(const struct procfs *p, pid_t pid, struct keeper *ret);

/* What keeps a container, by its command line (NUL-separated): false when it names none. dir is
 * conmon's, "" for a shim. */
bool keeper_parse(enum keeper_kind kind, const char *cmdline, size_t len, struct keeper *ret);

/* The container of a process: by its cgroup, else by its keeper (conmon: the id; a shim:
 * "containerd:NAMESPACE/ID"), else "". 0 or -errno. */
int keeper_container_of(const struct procfs *p, pid_t pid, char id[CONTAINER_ID_SIZE]) must_check;

/* Who made the process's user namespace, in the host's view; -1 unknown. */
uid_t keeper_ns_owner(const struct procfs *p, pid_t pid);

#endif
