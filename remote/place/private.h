/*
 * Which file systems of a container are its alone. The volumes of a pod, its /dev/shm too, are
 * mounted on the node first: so what other mount namespaces have may be a neighbour's as well.
 */
#ifndef REMOTE_PLACE_PRIVATE_H
#define REMOTE_PLACE_PRIVATE_H

#include <stddef.h>
#include <sys/types.h>

#include "remote/base/compiler.h"
#include "remote/procfs.h"

/* Each tmpfs but ours that is mounted in the mount namespace of the process and in no other of the
 * node. The number of them; none when it cannot be told. */
size_t private_tmpfs(const struct procfs *p, pid_t pid, dev_t *ret, size_t max) must_check;

#endif
