/*
 * What a container is called, without an API: from what its runtime keeps on the node's disk.
 *
 * containerd: run/containerd/io.containerd.runtime.v2.task/NS/ID/config.json, annotations of CRI
 * and nerdctl (k3s, rke2, k0s: a directory of their own; else beside the shim's working directory).
 * docker: DATA-ROOT/containers/ID/config.v2.json, "Name", labels of the kubelet. CRI-O:
 * STORAGE/overlay-containers/ID/userdata/config.json, annotations. podman:
 * STORAGE/overlay-containers/{,volatile-}containers.json, "names". lxc, nspawn: nothing, the cgroup
 * has the name.
 *
 * DATA-ROOT and STORAGE: of the bundle that conmon was started with; the defaults; what the mounts
 * of the container's root and of its /etc/hostname name, volumes of a kubelet never. Other places
 * than the defaults count only on a local file system, below local ones only, with no mount between
 * (kernel 5.6): nobody's FUSE or NFS is asked for anything. That excludes a data root on NFS,
 * CephFS or fuse-overlayfs, and before 5.6 all but the defaults.
 *
 * The files are root's or of the user who owns the container's user namespace (others are not
 * read), bounded one by one and together, found without following links below the node's root, and
 * parsed as hostile: a name is only a name. Nothing is executed.
 */
#ifndef REMOTE_RUNTIME_RUNTIME_H
#define REMOTE_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <sys/types.h>

#include "remote/base/compiler.h"
#include "remote/procfs.h"

struct runtime_search;

struct runtime_names {
	char runtime[16]; /* "containerd", "docker", "cri-o", "podman", "lxc", "nspawn"; "" unknown
			   */
	char name[256];	  /* of the container */
	char pod[256], ns[256];
};

/* Looks for the names of many containers, with one budget of bytes and time for all of them.
 * rootfd: the node's root directory (or a fixture's); both are borrowed. */
struct runtime_search *runtime_search_new(int rootfd, const struct procfs *p) must_check;
void runtime_search_free(struct runtime_search *s); /* or NULL */

/* The budget is spent: names are missing. */
bool runtime_search_spent(const struct runtime_search *s);

/* All "" when nothing is known. id: as keeper_container_of gives it. */
void runtime_names_of(struct runtime_search *s, pid_t pid, const char *id,
		      struct runtime_names *ret);

#endif
