/*
 * The process outside that keeps a container: containerd's shim or conmon, an ancestor of all that
 * runs in it. It names the container where the cgroup does not (podman without root on cgroup v1,
 * `ctr run` with a name), and says where its runtime keeps what it knows.
 *
 * Only a process of this node's own pid namespace counts, started from a program of that name, that
 * is root's or belongs to who owns the container's user namespace. Without one a user can tell lies
 * about processes of his own, and about nothing else: what his keepers keep has ids that no other
 * container can have.
 */
#ifndef REMOTE_KEEPER_H
#define REMOTE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "remote/cgroup.h"
#include "remote/procfs.h"

enum keeper_kind { KEEPER_NONE, KEEPER_SHIM, KEEPER_CONMON };

#define KEEPER_USER "user:"

struct keeper {
	enum keeper_kind kind;
	uid_t uid;		    /* whose it is */
	char id[CONTAINER_ID_SIZE]; /* SHIM: of the first container that it keeps */
	char ns[64];		    /* SHIM: containerd's namespace */
	char dir[512];		    /* the bundle; "" unknown */
};

/* The nearest one. False when there is none. */
bool keeper_find(const struct procfs *p, pid_t pid, struct keeper *ret);

/* What keeps a container, by its command line (NUL-separated): false when it names none (conmon:
 * anything but 64 hexadecimal digits). dir is conmon's, "" for a shim; uid is not set. */
bool keeper_parse(enum keeper_kind kind, const char *cmdline, size_t len, struct keeper *ret);

/* The id of what it keeps. conmon: the id; a shim: "containerd:NAMESPACE/ID"; of a user's, not
 * root's, "user:UID/" before it. False and "": too long. */
bool keeper_name(const struct keeper *k, char id[CONTAINER_ID_SIZE]);

/* The container of a process: by its cgroup, else by its keeper, else "". 0 or -errno. */
int keeper_container_of(const struct procfs *p, pid_t pid, char id[CONTAINER_ID_SIZE]) must_check;

/* Who made the process's user namespace, in the host's view; -1 unknown. */
uid_t keeper_ns_owner(const struct procfs *p, pid_t pid);

#endif
