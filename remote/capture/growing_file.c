/*
 * growing-file: a directory on the node's disk, mounted into the container below /tmp. The JVM
 * writes a plain file there, which is read here while it grows. Every JDK; kernel 5.2 or later;
 * nothing of the dump touches the container's own storage.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/capture/capture.h"
#include "remote/mount.h"

struct growing {
	struct nodedir node;
	int mount;
	bool attached;
};

static void probe(const struct target *t, const char *node_dir, struct strategy_info *ret)
{
	struct nodedir_base base = {0};
	struct error e = {0};
	auto_fd int dir = -1, mount = -1;

	(void)t;
	if (nodedir_choose(node_dir, &base, &e) == 0) {
		snprintf(ret->where, sizeof(ret->where), "%s", base.path);
		ret->free = base.free;
		dir = open(base.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		mount = dir < 0 ? -1 : mount_clone(dir, &e);
	}
	ret->usable = mount >= 0;
	if (!ret->usable)
		snprintf(ret->reason, sizeof(ret->reason), "%.250s", e.msg);
}

static int set_up(struct capture *c, struct growing *g, struct error *err)
{
	struct nodedir_base base;

	if (nodedir_choose(c->node_dir, &base, err) < 0 ||
	    nodedir_create(&g->node, &base, c->name, c->target.jvm.uid, c->target.jvm.gid, err) < 0)
		return -1;
	g->mount = mount_clone(g->node.dump, err);
	if (g->mount < 0 || mount_attach(&c->target, g->mount, c->place, err) < 0)
		return -1;
	g->attached = true;
	c->dir = g->node.dump;
	snprintf(c->jvm_path, sizeof(c->jvm_path), "/tmp/%s/%s", c->name, CAPTURE_FILE);
	snprintf(c->where, sizeof(c->where), "%s", g->node.path);
	return 0;
}

static int settle(struct capture *c, struct error *err)
{
	struct growing *g = c->state;
	int rc = 0;

	c->state = NULL;
	if (g->attached && mount_detach(&c->target, g->mount, err) < 0)
		rc = -1;
	fd_close(&g->mount);
	if (nodedir_remove(&g->node, rc < 0 ? NULL : err) < 0)
		rc = -1;
	free(g);
	return rc;
}

static int prepare(struct capture *c, struct error *err)
{
	struct growing *g = xcalloc(1, sizeof(*g));
	struct error ignored = {0};

	*g = (struct growing){.node = NODEDIR_INIT, .mount = -1};
	c->state = g;
	if (set_up(c, g, err) == 0)
		return 0;
	if (settle(c, &ignored) < 0)
		error_hint(err, "left behind: %s", ignored.msg);
	return -1;
}

const struct strategy strategy_growing_file = {
	.name = "growing-file",
	.probe = probe,
	.prepare = prepare,
	.settle = settle,
};
