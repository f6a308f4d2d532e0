/*
 * Files below the root of a container, which plants links, FIFOs and devices and exchanges them
 * while we look (docker cp CVE-2018-15664). Nothing here creates anything or can be led out of the
 * root, and but for /tmp itself no symbolic link is followed.
 */
#ifndef REMOTE_ROOTPATH_H
#define REMOTE_ROOTPATH_H

#include <sys/stat.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/compiler.h"
#include "remote/procfs.h"

/* O_PATH descriptor of the process's root directory. -errno when it cannot be opened. */
int rootpath_root(const struct procfs *p, pid_t pid) must_check;

/*
 * Open a path below rootfd, absolute or relative, with open flags; O_CLOEXEC, O_NOFOLLOW and
 * O_NOCTTY are added. -ELOOP: a symbolic link anywhere in it, -EXDEV: "..", -EINVAL: flags that
 * create, else -errno. One openat2, or on kernels before 5.6 a walk component by component.
 */
int rootpath_open(int rootfd, const char *path, int flags) must_check;

/* O_PATH descriptor of what is on the same mount as rootfd, links and mounts on the way refused
 * before their file system is asked for anything. -ENOSYS before kernel 5.6; -EXDEV: a mount; else
 * -errno. */
int rootpath_open_here(int rootfd, const char *path) must_check;

/* O_PATH descriptor of "/tmp", which images make a link now and then: it is followed, inside the
 * root (kernels before 5.6: not, -ELOOP). -errno. */
int rootpath_tmp(int rootfd) must_check;

/*
 * Read a regular file (anything else: -EINVAL, and it is not opened, so that no driver and no FIFO
 * notices) into b, whose maximum is the limit (-EFBIG: b holds the beginning). ret_stat may be
 * NULL. 0 or -errno. Goes through /proc/self/fd: not after setns.
 */
int rootpath_read(int rootfd, const char *path, struct buf *b, struct stat *ret_stat) must_check;
int rootpath_read_opened(int fd, struct buf *b, struct stat *ret_stat) must_check; /* by O_PATH */

#endif
