/*
 * What lies in a directory of a container, looked at by a child: where a file server is gone, or
 * nobody serves a FUSE, no system call comes back, and a child can be left behind.
 */
#ifndef REMOTE_SWEEP_LOOK_H
#define REMOTE_SWEEP_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "remote/base/compiler.h"
#include "remote/nodedir.h"
#include "remote/target.h"

#define LOOK_CWD NULL /* for a path: the working directory of the process */
#define MAX_LOOK 1024

struct look_dir {
	char name[JDIAG_NAME_SIZE];
	uid_t uid;
	gid_t gid;
};

struct look {
	size_t n;
	struct look_dir dirs[MAX_LOOK]; /* of such names, and not the node's (nodedir_is_one) */
	bool more;			/* than these */
	bool has_agents;
	struct stat agents; /* PLACE_DIR */
};

/* O_PATH of the directory, with what is in it; -errno, -ETIMEDOUT when it does not answer. */
int look_into(const struct target *t, const char *path, struct look *ret) must_check;

/* The same for one name in it; -ENOENT when there is none. */
int look_for(const struct target *t, const char *path, const char *name,
	     struct stat *ret) must_check;

#endif
