/*
 * segments: HotSpot 22 and later write the objects into segment files beside the dump, H.p0, H.p1
 * ..., several threads at once, and then append them to it. Each is a FIFO here (facts of the
 * design): the streams are joined by the drain, and there is nothing for the JVM to append.
 */
#include <stdio.h>
#include <string.h>

#include "remote/attach/hotspot.h"
#include "remote/capture/capture.h"

static const char *unsuited(const char *version, const char *help)
{
	unsigned int release = hotspot_release(version);

	if (!release)
		return "the JVM does not say which version it is";
	if (release < 22)
		return "before JDK 22 a dump is one stream";
	if (help && !hotspot_help_lists(help, "-overwrite"))
		return "its GC.heap_dump has no -overwrite";
	if (help && !hotspot_help_lists(help, "-parallel"))
		return "its GC.heap_dump has no -parallel";
	return NULL;
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
	const struct jvm *j = &c->target.jvm;
	char name[24];

	c->fifos.dir = c->node->dump;
	if (fifos_add(&c->fifos, CAPTURE_FILE, j->uid, j->gid, err) < 0)
		return -1;
	for (unsigned int i = 0; i < c->parallel; i++) {
		snprintf(name, sizeof(name), "%s.p%u", CAPTURE_FILE, i);
		if (fifos_add(&c->fifos, name, j->uid, j->gid, err) < 0)
			return -1;
	}
	return mounted_attach(c, err);
}

const struct strategy strategy_segments = {
	.name = "segments",
	.needs_spool = true,
	.fifos = true,
	.unsuited = unsuited,
	.probe = probe,
	.prepare = prepare,
	.settle = mounted_settle,
};
