/* What is expected, compared with what there is. */
#include <stdio.h>
#include <string.h>

#include "jdiag/preflight.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

/* Stays free where a file of the container lies on the node's disk: others write there, too. */
#define POD_RESERVE_BYTES (512 * MiB)

/* The kubelet evicts pods where less is free (nodefs.available, its default). */
#define EVICTION_PERCENT 10

/* Each: 0, or -1 with the reason. */
typedef int check(const struct preflight *p, struct error *err);

static int refuse_space(const struct preflight *p, uint64_t bytes, const char *where,
			uint64_t free_bytes, struct error *err)
{
	char need[16], have[16];

	error_set(
		err, ERR_REFUSED,
		"a dump of up to %s (heap in use, from %s, and a margin) does not fit %s: %s free",
		str_format_size(need, bytes), p->heap_source, where,
		str_format_size(have, free_bytes));
	return error_hint(err, "make room");
}

static int check_destination(const struct preflight *p, struct error *err)
{
	if (p->stored <= p->sink_free)
		return 0;
	return refuse_space(p, p->stored, "at the destination", p->sink_free, err);
}

static int check_container(const struct preflight *p, struct error *err)
{
	uint64_t reserve = p->in_memory ? 0 : POD_RESERVE_BYTES;
	auto_free char *where =
		xasprintf("in '%s'%s", p->where, reserve ? " with 512 MiB left over" : "");

	if (!p->pod_peak || p->pod_peak + reserve <= p->pod_free)
		return 0;
	return refuse_space(p, p->pod_peak, where, p->pod_free, err);
}

static int check_memory(const struct preflight *p, struct error *err)
{
	if (!p->in_memory || p->pod_peak <= p->memory_free)
		return 0;
	return refuse_space(p, p->pod_peak,
			    "below the container's memory limit (the file would lie in memory)",
			    p->memory_free, err);
}

static int check_storage_limit(const struct preflight *p, struct error *err)
{
	char need[16], limit[16];

	if (p->in_memory || !p->storage_limit || p->pod_peak <= p->storage_limit)
		return 0;
	error_set(err, ERR_REFUSED,
		  "a dump of up to %s in the container would be over its limit of "
		  "ephemeral-storage, %s: the kubelet would evict the pod",
		  str_format_size(need, p->pod_peak), str_format_size(limit, p->storage_limit));
	return error_hint(err, "take another --strategy");
}

static int check_node(const struct preflight *p, struct error *err)
{
	auto_free char *where =
		xasprintf("in '%s' of the node with 512 MiB left over", p->node_base);

	if (p->node_peak <= p->node_max)
		return 0;
	return refuse_space(p, p->node_peak, where, p->node_free, err);
}

/* A disk that is fuller than that already is somebody else's doing. */
static int check_eviction(const struct preflight *p, struct error *err)
{
	uint64_t floor = p->node_size / 100 * EVICTION_PERCENT;
	char need[16], have[16], left[16];

	if (!p->kubelet || p->node_peak > p->node_max || p->node_free < floor ||
	    p->node_free - p->node_peak >= floor)
		return 0;
	error_set(err, ERR_REFUSED,
		  "up to %s in '%s' of the node, where %s are free, could leave less than 10 %% of "
		  "the disk (%s): the kubelet would evict pods",
		  str_format_size(need, p->node_peak), p->node_base,
		  str_format_size(have, p->node_free), str_format_size(left, floor));
	return error_hint(err, "make room");
}

static int check_liveness(const struct preflight *p, struct error *err)
{
	char pause[16], budget[16], size[16];

	if (!p->liveness_budget_ms || p->pause_ms < p->liveness_budget_ms)
		return 0;
	error_set(err, ERR_REFUSED,
		  "the JVM would stand still for about %s (%s of heap), its %s probe restarts it "
		  "after %s",
		  str_format_ms(pause, p->pause_ms), str_format_size(size, p->heap_used),
		  p->starting ? "startup" : "liveness",
		  str_format_ms(budget, p->liveness_budget_ms));
	return error_hint(err, "raise failureThreshold x periodSeconds of the probe");
}

static const struct {
	check *check;
	enum preflight_topic topic;
} checks[] = {
	{check_destination, PREFLIGHT_DESTINATION},
	{check_container, PREFLIGHT_POD},
	{check_memory, PREFLIGHT_POD},
	{check_storage_limit, PREFLIGHT_POD},
	{check_node, PREFLIGHT_NODE},
	{check_eviction, PREFLIGHT_NODE},
	{check_liveness, PREFLIGHT_PAUSE},
};

int preflight_check_topic(const struct preflight *p, enum preflight_topic topic, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].topic == topic && checks[i].check(p, err) < 0)
			return -1;
	return 0;
}

size_t preflight_each_refusal(const struct preflight *p,
			      void (*fn)(void *ctx, const struct error *refusal), void *ctx)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct error e = {0};

		if (checks[i].check(p, &e) == 0)
			continue;
		fn(ctx, &e);
		n++;
	}
	return n;
}

struct gathered {
	struct error first;
	struct buf also;
};

static void gather(void *ctx, const struct error *refusal)
{
	struct gathered *g = ctx;

	if (g->first.code == ERR_NONE)
		g->first = *refusal;
	else
		buf_addf(&g->also, "also: %s\n", refusal->msg);
}

int preflight_check(const struct preflight *p, struct error *err)
{
	struct gathered g = {.also = BUF_INIT(8192)};

	if (preflight_each_refusal(p, gather, &g) > 0) {
		error_set(err, ERR_REFUSED, "%s", g.first.msg);
		error_hint(err, "%s%s, or go on with --force", buf_str(&g.also), g.first.hint);
	}
	buf_release(&g.also);
	return g.first.code == ERR_NONE ? 0 : -1;
}

int preflight_check_limit(const struct preflight *p, struct error *err)
{
	char pause[16], most[16];

	if (!p->max_pause_ms || p->pause_ms <= p->max_pause_ms)
		return 0;
	error_set(err, ERR_REFUSED, "the JVM would stand still for about %s, --max-pause allows %s",
		  str_format_ms(pause, p->pause_ms), str_format_ms(most, p->max_pause_ms));
	return error_hint(err, "at %u MB/s (%s)\n--force does not override --max-pause: raise it",
			  p->rate_mbps, p->rate_source);
}
