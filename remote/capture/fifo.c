/*
 * fifo: the JVM writes the dump into a FIFO (HotSpot 11.0.14 to 21, -overwrite): no disk at all but
 * for the spool, and nothing between the JVM's writer and our memory.
 */
#include <string.h>

#include "remote/attach/hotspot.h"
#include "remote/capture/capture.h"

static const char *unsuited(const char *version, const char *help)
{
	unsigned int release = hotspot_release(version);

	if (!release)
		return "the JVM does not say which version it is";
	if (release >= 22)
		return "JDK 22 and later write segments besides";
	if (hotspot_patches_dump(version))
		return "this JDK goes back in the file that it writes";
	if (!help) /* -overwrite came in 17 and was taken back to 11.0.14, and to 16 perhaps */
		return release > 11 && release < 17 ? "not known before the JVM was asked" : NULL;
	return hotspot_help_lists(help, "-overwrite") ? NULL : "its GC.heap_dump has no -overwrite";
}

static void probe(const struct target *t, const char *node_dir, struct strategy_info *ret)
{
	const char *why = unsuited(t->jvm.version, NULL);

	if (why)
		strncpy(ret->reason, why, sizeof(ret->reason) - 1);
	else
		mounted_probe(node_dir, ret);
}

static int prepare(struct capture *c, struct error *err)
{
	c->fifos.dir = c->node->dump;
	if (fifos_add(&c->fifos, CAPTURE_FILE, c->target.jvm.uid, c->target.jvm.gid, err) < 0)
		return -1;
	return mounted_attach(c, err);
}

const struct strategy strategy_fifo = {
	.name = "fifo",
	.fifos = true,
	.unsuited = unsuited,
	.probe = probe,
	.prepare = prepare,
	.settle = mounted_settle,
};
