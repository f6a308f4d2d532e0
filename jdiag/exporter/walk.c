#include "jdiag/exporter/walk.h"

#include <jansson.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "jdiag/preflight.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "remote/base/str.h"

#define INSPECT_MS 30000

void exporter_walk_estimate(const json_t *inspect, const char *version, struct exporter_walk *ret)
{
	uint64_t used = json_u64_at(inspect, "heap.used", 0);
	uint64_t capacity = json_u64_at(inspect, "heap.capacity", 0);
	const struct preflight_speed speed = {
		.version = version,
		.serial = true,
		.jvm_cpus = 1,
		.millicpus = (unsigned int)json_u64_at(inspect, "budget.jvm_millicpus", 0),
		.cpu_mbps = (unsigned int)json_u64_at(inspect, "rate.cpu_mbps", 0),
	};
	char source[256];

	/* "used" is as of the last collection; garbage is walked through as well */
	ret->heap = capacity > used ? capacity : used;
	ret->ms = ret->heap / 1000 / preflight_rate(&speed, source, sizeof(source));
}

int exporter_walk_check(const struct exporter_walk *walk, struct error *err)
{
	char heap[16], pause[16], budget[16];

	if (!walk->budget_ms || walk->ms < walk->budget_ms)
		return 0;
	error_set(err, ERR_REFUSED,
		  "Java 8 tells its classes only by a walk through its heap: it could stand still "
		  "for %s (%s), its %s probe restarts it after %s",
		  str_format_ms(pause, walk->ms), str_format_size(heap, walk->heap),
		  walk->starting ? "startup" : "liveness", str_format_ms(budget, walk->budget_ms));
	return error_hint(err, "raise failureThreshold x periodSeconds of the probe, or go on with "
			       "--force");
}

int exporter_walk_allowed(struct exporter_work *w, const struct exporter_jvm *j, struct error *err)
{
	auto_json json_t *params = jvmref_params(&j->ref), *answer = NULL;
	struct exporter_walk walk = {0};
	char pause[16], heap[16];

	json_object_set_new(params, "attach", json_false());
	if (helper_call(w->session->helper, "inspect", params, INSPECT_MS, &answer, err) < 0)
		return -1;
	if (j->container && j->container->has_liveness) {
		walk.budget_ms = j->container->liveness_budget_ms;
		walk.starting = j->container->starting;
	}
	exporter_walk_estimate(answer, j->ref.version, &walk);
	if (!w->session->o->force && exporter_walk_check(&walk, err) < 0)
		return -1;
	progress_note(w->progress,
		      "Java 8 tells its classes by a walk through its heap (%s): it stands still "
		      "for up to %s",
		      str_format_size(heap, walk.heap), str_format_ms(pause, walk.ms));
	return 0;
}
