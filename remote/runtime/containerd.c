/* containerd: the bundle of each task (containerd 1.3 and later, shim v2). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/rootpath.h"
#include "remote/runtime/inside.h"

#define TASKS "io.containerd.runtime.v2.task"
#define MAX_NAMESPACES 64

static const char *const states[] = {
	"/run/containerd/" TASKS,
	"/run/k3s/containerd/" TASKS, /* and rke2 */
	"/run/k0s/containerd/" TASKS,
	"/var/snap/microk8s/common/run/containerd/" TASKS,
	"/run/docker/containerd/daemon/" TASKS,
};

bool runtime_parse_bundle(const struct jsonr *doc, struct runtime_names *ret)
{
	struct error ignored;
	struct jsonr a;

	if (jsonr_object(doc, "annotations", &a, &ignored) < 0)
		return false;
	runtime_text(&a, "io.kubernetes.cri.container-name", ret->name, sizeof(ret->name));
	runtime_text(&a, "io.kubernetes.cri.sandbox-name", ret->pod, sizeof(ret->pod));
	runtime_text(&a, "io.kubernetes.cri.sandbox-namespace", ret->ns, sizeof(ret->ns));
	if (!*ret->name)
		runtime_text(&a, "nerdctl/name", ret->name, sizeof(ret->name));
	return true;
}

/* DIR is of one namespace of containerd. */
static bool look_in(const struct runtime_look *l, const char *dir, const char *ns,
		    struct runtime_names *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_RUNTIME_FILE);
	char rest[CONTAINER_ID_SIZE + 16];
	struct jsonr doc;

	snprintf(rest, sizeof(rest), "%s/config.json", l->id);
	/* docker knows its own containers better */
	if (strcmp(ns, "moby") == 0 || !runtime_read(l, dir, rest, &b, &doc) ||
	    !runtime_parse_bundle(&doc, ret))
		return false;
	if (!*ret->name && l->ns) /* `ctr run`: the id is the name */
		snprintf(ret->name, sizeof(ret->name), "%s", l->id);
	snprintf(ret->runtime, sizeof(ret->runtime), "containerd");
	return true;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool look_in_each(const struct runtime_look *l, const char *state, struct runtime_names *ret)
{
	auto_fd int fd = rootpath_open(l->s->root, state, O_RDONLY | O_DIRECTORY);
	auto_cleanup(close_dir) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d)
		return false;
	(void)STEAL_FD(fd); /* d's */
	for (int i = 0; i < MAX_NAMESPACES && (e = readdir(d)) != NULL; i++) {
		char dir[PLACE_SIZE + 256];

		if (e->d_name[0] == '.' || (l->ns && strcmp(l->ns, e->d_name) != 0))
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", state, e->d_name);
		if (look_in(l, dir, e->d_name, ret))
			return true;
	}
	return false;
}

/* The shim works in the bundle of its first container; that of another one is beside it. */
bool runtime_shim(const struct runtime_look *l, struct runtime_names *ret)
{
	char dir[sizeof(l->keeper.dir)];
	char *slash;

	if (l->keeper.kind != KEEPER_SHIM || !str_copy(dir, sizeof(dir), l->keeper.dir))
		return false;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return false;
	*slash = '\0';
	return look_in(l, dir, l->keeper.ns, ret);
}

bool runtime_containerd(const struct runtime_look *l, struct runtime_names *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (look_in_each(l, states[i], ret))
			return true;
	return false;
}
