#include "jdiag/preflight.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

/* A dump is about as large as the objects in it: identifiers and record headers outweigh what the
 * heap's padding and free space take. The margin covers classes and strings tables. */
#define SIZE_MARGIN_PERCENT 25
#define SIZE_MARGIN_BYTES (16 * MiB)

/* Free space that stays free on the node: the kubelet evicts below 10 % or so of its file system,
 * and other writers go on. */
#define NODE_RESERVE_BYTES (512 * MiB)

/* Rates of the JVM's own writer to a file, bytes a ms, the slower of two measured machines with 2
 * cores: 283 MB/s on JDK 17, 820 MB/s on 25 (22 brought the parallel writer, JDK-8306441). */
#define RATE_BEFORE_22 (250 * 1000ul)
#define RATE_SINCE_22 (700 * 1000ul)
#define RATE_FULL_GC (1000 * 1000ul) /* marking and compacting, bytes of used heap a ms */

static const json_t *strategy_entry(const json_t *inspect, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_at(inspect, "strategies"), i, entry)
		if (strcmp(json_str_at(entry, "name", ""), name) == 0)
			return entry;
	return NULL;
}

static int no_strategy(const json_t *inspect, struct error *err)
{
	auto_buf struct buf why = BUF_INIT(900);
	const json_t *entry;
	size_t i;

	error_set(err, ERR_CAPTURE, "no way to capture a dump works here");
	json_array_foreach (json_at(inspect, "strategies"), i, entry)
		buf_addf(&why, "%s%s: %.200s", i ? "\n" : "", json_str_at(entry, "name", "?"),
			 json_str_at(entry, "reason", "?"));
	return error_hint(err, "%s", buf_str(&why));
}

/* Below the limit of the container's cgroup. */
static uint64_t memory_left(const json_t *inspect)
{
	uint64_t limit = json_u64_at(inspect, "memory.limit", 0);
	uint64_t usage = json_u64_at(inspect, "memory.usage", 0);

	if (!limit)
		return UINT64_MAX;
	return usage < limit ? limit - usage : 0;
}

int preflight_estimate(struct preflight *p, const json_t *inspect, struct error *err)
{
	const char *version = json_str_at(inspect, "jvm.version", "");
	const json_t *entry;
	bool since_22 = strtoul(version, NULL, 10) >= 22;
	uint64_t rate = since_22 ? RATE_SINCE_22 : RATE_BEFORE_22;

	p->strategy = json_str_at(inspect, "strategy", "");
	entry = strategy_entry(inspect, p->strategy);
	if (!entry || !json_bool_at(entry, "usable", false))
		return no_strategy(inspect, err);
	p->where = json_str_at(entry, "where", "");
	p->node_free = json_u64_at(entry, "free", 0);
	p->in_memory = json_bool_at(entry, "memory", false);
	p->memory_free = memory_left(inspect);
	p->heap_used = json_u64_at(inspect, "heap.used", 0);
	p->heap_source = json_str_at(inspect, "heap.source", "");
	p->size = p->heap_used / 100 * (100 + SIZE_MARGIN_PERCENT) + SIZE_MARGIN_BYTES;
	/* 22 and later write a segment file of full size first, and merge it into the dump. */
	p->peak = since_22 ? 2 * p->size : p->size;
	p->pause_ms = p->heap_used / rate + (p->live ? p->heap_used / RATE_FULL_GC : 0) + 1;
	return 0;
}

static int refuse_space(const struct preflight *p, uint64_t bytes, const char *where,
			uint64_t free_bytes, struct error *err)
{
	char need[16], have[16];

	error_set(
		err, ERR_REFUSED,
		"a dump of up to %s (heap in use, from %s, and a margin) does not fit %s: %s free",
		str_format_size(need, bytes), p->heap_source, where,
		str_format_size(have, free_bytes));
	return error_hint(err, "make room, or go on with --force");
}

int preflight_check(const struct preflight *p, struct error *err)
{
	uint64_t reserve = p->in_memory ? 0 : NODE_RESERVE_BYTES;
	char pause[16], budget[16], size[16];

	if (p->size > p->sink_free)
		return refuse_space(p, p->size, "at the destination", p->sink_free, err);
	if (p->node_free < reserve || p->peak > p->node_free - reserve) {
		auto_free char *where =
			xasprintf("in '%s'%s", p->where, reserve ? " with 512 MiB left over" : "");

		return refuse_space(p, p->peak, where, p->node_free, err);
	}
	if (p->in_memory && p->peak > p->memory_free)
		return refuse_space(p, p->peak,
				    "below the container's memory limit (the file would lie in "
				    "memory)",
				    p->memory_free, err);
	if (p->liveness_budget_ms && p->pause_ms >= p->liveness_budget_ms) {
		error_set(err, ERR_REFUSED,
			  "the JVM would stand still for about %s (%s of heap), its %s probe "
			  "restarts it after %s",
			  str_format_ms(pause, p->pause_ms), str_format_size(size, p->heap_used),
			  p->starting ? "startup" : "liveness",
			  str_format_ms(budget, p->liveness_budget_ms));
		return error_hint(err, "raise failureThreshold x periodSeconds of the probe, or go "
				       "on with --force");
	}
	return 0;
}
