/*
 * growing-file: the JVM writes a plain file into a directory on the node's disk, which is read here
 * while it grows. Every JDK.
 */
#include "remote/capture/capture.h"

static void probe(const struct target *t, const char *node_dir, struct strategy_info *ret)
{
	(void)t;
	mounted_probe(node_dir, ret);
}

static int prepare(struct capture *c, struct error *err)
{
	c->dir = c->node->dump;
	return mounted_attach(c, err);
}

const struct strategy strategy_growing_file = {
	.name = "growing-file",
	.needs_spool = true,
	.probe = probe,
	.prepare = prepare,
	.settle = mounted_settle,
};
