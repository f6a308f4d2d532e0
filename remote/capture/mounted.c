/* The spool's dump/, mounted into the container below /tmp: kernel 5.2 or later. Nothing of the
 * dump touches the container's own storage. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/capture/capture.h"
#include "remote/mount.h"

void mounted_probe(const char *node_dir, struct strategy_info *ret)
{
	struct nodedir_base base = {0};
	struct error e = {0};
	auto_fd int dir = -1, mount = -1;

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

int mounted_attach(struct capture *c, struct error *err)
{
	c->mount = mount_clone(c->node->dump, err);
	if (c->mount < 0 || mount_attach(&c->target, c->mount, c->place, err) < 0)
		return -1;
	c->attached = true;
	snprintf(c->path, sizeof(c->path), "/tmp/%s/%s", c->node->name, CAPTURE_FILE);
	return 0;
}

int mounted_settle(struct capture *c, struct error *err)
{
	int rc = c->attached ? mount_detach(&c->target, c->mount, err) : 0;

	c->attached = false;
	fd_close(&c->mount);
	return rc;
}
