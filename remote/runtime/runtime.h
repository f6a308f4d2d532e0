/*
 * What a container is called, without an API: from what its runtime keeps on the node's disk.
 *
 * | runtime    | file, below / | |
 * |---|---|---|
 * | containerd | run/containerd/io.containerd.runtime.v2.task/NS/ID/config.json (k3s, rke2, k0s:
 * their own |            | directory; else the working directory of the shim) | annotations of CRI
 * and nerdctl | | docker     | DATA-ROOT/containers/ID/config.v2.json | "Name", labels of the
 * kubelet | | CRI-O      | STORAGE/overlay-containers/ID/userdata/config.json | annotations | |
 * podman     | STORAGE/overlay-containers/{,volatile-}containers.json | "names" | | lxc, nspawn |
 * nothing: the cgroup has the name | |
 *
 * DATA-ROOT and STORAGE: the defaults, and what the container's own mounts name (the upper
 * directory of its overlay); for podman, with root and without, and CRI-O also the bundle that
 * conmon was started with.
 *
 * The files are root's or of the user who owns the container's user namespace (others are not
 * read), bounded, found without following links below the node's root, and parsed as hostile: a
 * name is only a name. Nothing is executed.
 */
#ifndef REMOTE_RUNTIME_RUNTIME_H
#define REMOTE_RUNTIME_RUNTIME_H

#include <sys/types.h>

#include "remote/procfs.h"

struct runtime_names {
	char runtime[16]; /* "containerd", "docker", "cri-o", "podman", "lxc", "nspawn"; "" unknown
			   */
	char name[256];	  /* of the container */
	char pod[256], ns[256];
};

/* All "" when nothing is known. rootfd: the node's root directory (or a fixture's); id: as
 * keeper_container_of gives it. */
void runtime_names_of(int rootfd, const struct procfs *p, pid_t pid, const char *id,
		      struct runtime_names *ret);

#endif
