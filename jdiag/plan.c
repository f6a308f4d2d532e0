#include "jdiag/plan.h"

#include <jansson.h>
#include <stdlib.h>

#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/preflight.h"
#include "jdiag/session.h"
#include "remote/base/str.h"

static char *target_line(const struct session *s)
{
	if (!s->has_pod)
		return xasprintf("target    node %s", s->node);
	return xasprintf("target    pod %s/%s, container %s, node %s (%s)", s->pod.ns, s->pod.name,
			 s->container->name, s->node, s->address);
}

static char *jvm_line(const json_t *jvm)
{
	return xasprintf("jvm       pid %llu (host %llu), %s, %s",
			 (unsigned long long)json_u64_at(jvm, "ns_pid", 0),
			 (unsigned long long)json_u64_at(jvm, "pid", 0),
			 json_str_at(jvm, "version", "version unknown"),
			 json_str_at(jvm, "main", "main class unknown"));
}

static char *destination_line(const char *url, uint64_t free_bytes)
{
	char size[16];

	if (free_bytes == UINT64_MAX)
		return xasprintf("to        %s", url);
	return xasprintf("to        %s (%s free)", url, str_format_size(size, free_bytes));
}

void plan_tell(const struct plan *plan, void (*line)(const char *text))
{
	const struct preflight *p = plan->preflight;
	char size[16], heap[16], pause[16], room[16];
	char *lines[] = {
		target_line(plan->session),
		jvm_line(plan->jvm),
		xasprintf("expected  up to %s (%s of heap in use, from %s), pause about %s",
			  str_format_size(size, p->size), str_format_size(heap, p->heap_used),
			  p->heap_source, str_format_ms(pause, p->pause_ms)),
		xasprintf("strategy  %s, in %s (%s free)", p->strategy, p->where,
			  str_format_size(room, p->node_free)),
		xasprintf("objects   %s", p->live ? "live (a full collection first)" : "all"),
		destination_line(plan->url, p->sink_free),
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		line(lines[i]);
		free(lines[i]);
	}
}

void plan_print_json(const struct plan *plan)
{
	const struct preflight *p = plan->preflight;
	auto_json json_t *object = json_pack(
		"{s:O, s:O, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "target",
		json_object_get(plan->manifest, "target"), "jvm", plan->jvm, "strategy",
		p->strategy, "where", p->where, "heapUsed", (json_int_t)p->heap_used,
		"expectedSize", (json_int_t)p->size, "expectedPauseMs", (json_int_t)p->pause_ms,
		"nodeFree", (json_int_t)p->node_free, "live", p->live);

	manifest_set_url(object, plan->url);
	output_json("HeapDumpPlan", object);
}
