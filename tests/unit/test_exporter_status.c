/* jdiag: what of an exporter's status the cluster alone knows; how a mark is made */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/exporter/annotate_pod.h"
#include "jdiag/exporter/status.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "tests/unit/fixture.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The recorded pod: containers app and sidecar. */
static json_t *recorded(void)
{
	auto_free char *text = fixture("kube/pod.json");
	json_t *o = json_from_text(text, strlen(text), "pod", ERR_FAILED, NULL);

	assert_non_null(o);
	return o;
}

/* The pod with a mark of its container app, as inject makes it. */
static void inject(json_t *object)
{
	auto_json json_t *patch = NULL;
	struct exporter_jvm j = {.ref = {.ns_pid = 1, .start_time = 77}};
	struct error err = {0};
	char told[MARK_TOLD];
	struct pod pod;
	struct mark m;

	assert_int_equal(pod_from_json(object, &pod, &err), 0);
	j.container = pod_pick_container(&pod, "app", &err);
	assert_non_null(j.container);
	m = exporter_mark_new(&j, 9404, "1.0.1", DIGEST);
	assert_string_equal(m.container, "app");
	assert_string_equal(m.path, "/metrics");
	assert_int_equal(strlen(m.scraped), strlen("2026-11-21T16:00:00Z"));
	assert_true(mark_is_current(&m, object));
	patch = mark_set(object, &m, told);
	assert_non_null(patch);
	json_object_update(json_at(object, "metadata.annotations"), patch);
}

static void assert_rows(const json_t *object, const struct options *o, bool all, const char *states)
{
	auto_json json_t *rows = json_array();
	auto_free char *got = xstrdup("");
	const json_t *r;
	size_t i;

	assert_int_equal(exporter_status_known(object, o, all, rows), *states != '\0');
	json_array_foreach (rows, i, r) {
		char *longer =
			xasprintf("%s%s%s=%s", got, i ? " " : "", json_str_at(r, "container", "-"),
				  json_str_at(r, "state", ""));

		free(got);
		got = longer;
		assert_string_equal(json_str_at(r, "pod", ""),
				    json_str_at(object, "metadata.name", "?"));
		assert_true(strcmp(json_str_at(r, "state", ""), "injected") == 0 ||
			    *json_str_at(r, "reason", ""));
	}
	assert_string_equal(got, states);
}

static void test_known_states(void **state)
{
	auto_json json_t *object = recorded();
	struct options o = {0}, app = {.container = "app"};
	json_t *status = json_array_get(json_at(object, "status.containerStatuses"), 0);

	(void)state;
	assert_rows(object, &o, false, ""); /* the node has to be asked */
	assert_rows(object, &o, true, "app=none sidecar=none");
	inject(object);
	assert_rows(object, &o, true, "app=injected sidecar=none");
	assert_rows(object, &app, true, "app=injected");
	if (strcmp(json_str_at(status, "name", ""), "app") != 0)
		status = json_array_get(json_at(object, "status.containerStatuses"), 1);
	json_object_set_new(status, "restartCount", json_integer(99));
	assert_rows(object, &app, true, "app=restarted");
	json_object_set_new(json_at(object, "metadata.annotations"), "exporter.jdiag.dev/app",
			    json_string("{\"v\":2}"));
	assert_rows(object, &app, true, "app=none");
}

static void test_pods_that_do_not_run(void **state)
{
	auto_json json_t *object = recorded();
	struct options o = {0};

	(void)state;
	json_object_set_new(json_at(object, "status"), "phase", json_string("Pending"));
	assert_rows(object, &o, false, "-=not-running");
	json_object_set_new(json_at(object, "status"), "phase", json_string("Running"));
	json_object_set_new(json_at(object, "spec"), "runtimeClassName", json_string("gvisor"));
	/* it runs: what is in the way is told with the others */
	assert_rows(object, &o, false, "");
	assert_rows(object, &o, true, "-=not-running");
	json_object_set_new(json_at(object, "metadata"), "deletionTimestamp",
			    json_string("2026-11-21T16:00:00Z"));
	assert_rows(object, &o, false, "-=not-running");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_states),
		cmocka_unit_test(test_pods_that_do_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
