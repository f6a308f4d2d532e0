/*
 * Mounts in a container's mount namespace, made and undone by descriptor: a child joins the
 * namespace, changes to the directory that a descriptor names, and mounts on ".". No path of the
 * container is looked up after the check. Kernel 5.2 (open_tree, move_mount, fsmount) or later.
 */
#ifndef REMOTE_MOUNT_H
#define REMOTE_MOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/target.h"

/* Of every tmpfs that we put over a /tmp, in mountinfo. (The helper itself is started from a tmpfs
 * "jdiag" in a namespace of its own, which is none of our business.) */
#define MOUNT_SOURCE "jdiag-tmp"

/* A detached copy of the mount at dirfd, nosuid, nodev and noexec where the kernel can (5.12). */
int mount_clone(int dirfd, struct error *err) must_check;

/* Attach a detached mount on the directory `at` (O_PATH, of the container). The descriptor of the
 * mount then names its place, for mount_detach. */
int mount_attach(const struct target *t, int mount, int at, struct error *err) must_check;

/* Unmount lazily the mount whose root is mount. Gone already: fine. */
int mount_detach(const struct target *t, int mount, struct error *err) must_check;

/* Nobody can change anything below the mount whose root is mount, or everybody who may. That is
 * the mount's own, not its file system's. Kernel 5.12. */
int mount_read_only(const struct target *t, int mount, bool read_only,
		    struct error *err) must_check;

/* O_PATH of the container's "/tmp", which may be a link inside its root. */
int mount_open_tmp(int rootfd, struct error *err) must_check;

/* Put a private tmpfs (1 MiB, mode 1777) over the directory `at`; its root's descriptor. */
int mount_tmpfs(const struct target *t, int at, struct error *err) must_check;

/*
 * A directory of the JVM's user, mode 0700, made with its credentials below parent (O_PATH); an
 * O_PATH descriptor of it. ERR_CAPTURE with err->sys when it cannot be made there.
 */
int private_dir_create(const struct target *t, int parent, const char *name,
		       struct error *err) must_check;

/* Would that work? Asked of the kernel with those credentials; nothing is changed. */
bool private_dir_possible(const struct target *t, int parent);

/* Remove it with the files in it, with those credentials. Gone already: fine. */
int private_dir_remove(const struct target *t, int parent, const char *name,
		       struct error *err) must_check;

/* The same for one file. */
int private_file_remove(const struct target *t, int parent, const char *name,
			struct error *err) must_check;

#endif
