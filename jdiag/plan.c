#include "jdiag/plan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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

static char *size_line(const struct preflight *p)
{
	char size[16], heap[16], stored[16];

	return xasprintf("expected  up to %s (%s of heap in use, from %s), stored %s as %s",
			 str_format_size(size, p->size), str_format_size(heap, p->heap_used),
			 p->heap_source, str_format_size(stored, p->stored),
			 p->format ? p->format : "hprof");
}

static char *pause_line(const struct preflight *p)
{
	char pause[16], gc[16], most[16];
	auto_free char *of_gc = p->live ? xasprintf(" (%s of it for a full collection)",
						    str_format_ms(gc, p->gc_ms))
					: xstrdup("");
	auto_free char *bound = p->liveness_budget_ms
					? xasprintf(", the %s probe allows %s",
						    p->starting ? "startup" : "liveness",
						    str_format_ms(most, p->liveness_budget_ms))
					: xstrdup("");

	return xasprintf("pause     about %s%s%s", str_format_ms(pause, p->pause_ms), of_gc, bound);
}

static char *rate_line(const struct preflight *p)
{
	return xasprintf("rate      %u MB/s: %s", p->rate_mbps, p->rate_source);
}

static char *strategy_line(const struct preflight *p)
{
	char peak[16], room[16], buffer[16];

	if (p->pod_peak)
		return xasprintf("strategy  %s, up to %s in %s (%s free)", p->strategy,
				 str_format_size(peak, p->pod_peak), p->where,
				 str_format_size(room, p->pod_free));
	return xasprintf("strategy  %s, nothing in the container, %s of the node's memory",
			 p->strategy, str_format_size(buffer, p->buffer));
}

static char *node_line(const struct preflight *p)
{
	char peak[16], room[16];

	return xasprintf("node disk up to %s in %s (%s free)", str_format_size(peak, p->node_peak),
			 p->node_base, str_format_size(room, p->node_free));
}

static char *objects_line(const struct preflight *p)
{
	bool plain = !p->redact || strcmp(p->redact, "none") == 0;

	return xasprintf("objects   %s%s%s", p->live ? "live (a full collection first)" : "all",
			 plain ? "" : ", redacted: ", plain ? "" : p->redact);
}

void plan_tell(const struct plan *plan, void (*line)(const char *text))
{
	const struct preflight *p = plan->preflight;
	char *lines[] = {
		target_line(plan->session),
		jvm_line(plan->jvm),
		size_line(p),
		pause_line(p),
		rate_line(p),
		strategy_line(p),
		node_line(p),
		objects_line(p),
		destination_line(plan->url, p->sink_free),
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		line(lines[i]);
		free(lines[i]);
	}
	for (size_t i = 0; i < p->n_notes; i++) {
		auto_free char *text = xasprintf("note      %s", p->notes[i]);

		line(text);
	}
}

void plan_print_json(const struct plan *plan)
{
	const struct preflight *p = plan->preflight;
	auto_json json_t *object = json_pack(
		"{s:O, s:O, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:o, s:o}", "target",
		json_object_get(plan->manifest, "target"), "jvm", plan->jvm, "strategy",
		p->strategy, "where", p->where, "heapUsed", (json_int_t)p->heap_used,
		"expectedSize", (json_int_t)p->size, "expectedPauseMs", (json_int_t)p->pause_ms,
		"nodeFree", (json_int_t)p->node_free, "live", p->live, "format",
		p->format ? p->format : "hprof", "redact", p->redact ? p->redact : "none",
		"expected", preflight_expected(p), "notes", preflight_notes(p));

	if (!object)
		die_oom();
	manifest_set_url(object, plan->url);
	output_json("HeapDumpPlan", object);
}
