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
#include "jdiag/exporter/inject.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/exporter/status.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "tests/unit/fixture.h"
#include "tests/unit/scripted_node.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The recorded pod: containers app and sidecar. */
static json_t *recorded(void)
{
	auto_free char *text = fixture("kube/pod.json");
	json_t *o = json_from_text(text, strlen(text), "pod", ERR_FAILED, NULL);

	assert_non_null(o);
	return o;
}

/* The pod with a mark of its container app, as inject makes it for that JVM. */
static void inject(json_t *object, unsigned int ns_pid, uint64_t start_time)
{
	auto_json json_t *patch = NULL;
	struct exporter_jvm j = {.ref = {.ns_pid = ns_pid, .start_time = start_time}};
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
	inject(object, 1, 77);
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

/* ---- several JVMs of a container ---- */

static const char *id_of(const json_t *object, const char *container, struct pod *pod)
{
	const struct pod_container *c;

	assert_int_equal(pod_from_json(object, pod, NULL), 0);
	c = pod_pick_container(pod, container, NULL);
	assert_non_null(c);
	return c->id;
}

static void add_jvm(struct exporter_work *w, const char *id, int pid, int start)
{
	json_array_append_new(json_at(w->answer, "jvms"),
			      json_pack("{s:s, s:i, s:i, s:i}", "container", id, "pid", 1000 + pid,
					"ns_pid", pid, "start_time", start));
}

static void remove_first_jvm(struct exporter_work *w)
{
	json_array_remove(json_at(w->answer, "jvms"), 0);
}

/* A JVM of app is injected; the pod's marks are then these. */
static void mark_jvm(struct exporter_work *w, const struct pod *pod, int pid, int start, int port,
		     const char *want)
{
	struct exporter_jvm j = {
		.ref = {.ns_pid = (unsigned int)pid, .start_time = (uint64_t)start},
		.container = pod_pick_container(pod, "app", NULL)};
	const struct mark m = exporter_mark_new(&j, (uint16_t)port, "1.0.1", DIGEST);
	char told[MARK_TOLD], names[MAX_MARKS][MARK_NAME], why[128];
	auto_json json_t *patch = exporter_mark_patch(w, &m, told);
	auto_free char *got = xstrdup("");
	const char *key;
	json_t *v;
	size_t n;

	json_object_foreach (patch, key, v)
		if (json_is_null(v))
			json_object_del(json_at(w->pod, "metadata.annotations"), key);
		else
			json_object_set(json_at(w->pod, "metadata.annotations"), key, v);
	n = mark_names(w->pod, "app", names);
	for (size_t i = 0; i < n; i++) {
		struct mark one;
		char *longer;

		assert_int_equal(mark_read(w->pod, names[i], &one, why), 1);
		assert_true(exporter_mark_runs(w, &one));
		longer = xasprintf("%s%s%s=%d", got, i ? " " : "", names[i], (int)one.port);
		free(got);
		got = longer;
	}
	assert_string_equal(got, want);
}

static void assert_scraped(const json_t *object, const char *port)
{
	const json_t *v =
		json_object_get(json_at(object, "metadata.annotations"), "prometheus.io/port");

	assert_string_equal(json_string_value(v), port);
}

static void test_whose_mark(void **state)
{
	auto_json json_t *object = recorded();
	struct exporter_work w = {.pod = object, .answer = json_pack("{s:[]}", "jvms")};
	struct options o = {0};
	struct pod pod;
	const char *id = id_of(object, "app", &pod);

	(void)state;
	add_jvm(&w, id, 1, 77);
	add_jvm(&w, id, 31, 78);
	mark_jvm(&w, &pod, 1, 77, 9404, "app=9404");
	mark_jvm(&w, &pod, 31, 78, 9405, "app=9404 app.31=9405");
	/* again: the same */
	mark_jvm(&w, &pod, 31, 78, 9405, "app=9404 app.31=9405");
	mark_jvm(&w, &pod, 1, 77, 9404, "app=9404 app.31=9405");
	assert_scraped(object, "9404");
	assert_rows(object, &o, true, "app=injected app=injected sidecar=none");
	/* the first has ended: its mark goes, or is taken by one that comes */
	remove_first_jvm(&w);
	add_jvm(&w, id, 40, 99);
	mark_jvm(&w, &pod, 40, 99, 9406, "app=9406 app.31=9405");
	assert_scraped(object, "9406");
	/* the same pid, another JVM */
	remove_first_jvm(&w);
	add_jvm(&w, id, 31, 100);
	mark_jvm(&w, &pod, 31, 100, 9407, "app=9406 app.31=9407");
	remove_first_jvm(&w);
	mark_jvm(&w, &pod, 31, 100, 9407, "app.31=9407");
	assert_scraped(object, "9407");
	/* a further one that has ended goes, too */
	remove_first_jvm(&w);
	add_jvm(&w, id, 55, 200);
	mark_jvm(&w, &pod, 55, 200, 9407, "app=9407");
	json_decref(w.answer);
}

/* ---- several JVMs, of which one is not as it was ---- */

#define NOTHING_SEEN                                                       \
	"{\"listening\":[],\"own\":[],\"jars\":[],\"agents\":[],"          \
	"\"security_manager\":false,\"memory\":{\"limit\":0,\"usage\":0}," \
	"\"truncated\":"
#define NOTHING_THERE NOTHING_SEEN "false}"
#define NOTHING_ALL NOTHING_SEEN "true}"
#define ENDED "{\"code\":\"target\",\"errno\":0,\"message\":\"process 1031 has ended\"}"
#define BROKEN "{\"code\":\"node\",\"errno\":5,\"message\":\"cannot read\",\"hint\":\"ask\"}"

typedef int work_fn(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err);

/* Two JVMs of app in that pod, which is taken, and what the node says about the first and the
 * second. The states. */
static int work_on_two_of(json_t *object, work_fn *work, const char *first, const char *second,
			  json_t **ret, struct error *err)
{
	struct exporter_work w = {.pod = object, .answer = json_pack("{s:[]}", "jvms")};
	const struct options o = {.all = true, .quiet = true};
	const struct target t = {.kind = TARGET_SSH};
	struct exporter_settings settings = {.o = &o, .ports = {9404, 9499}};
	struct session s = {.o = &o, .has_pod = true};
	auto_free char *answer = NULL;
	struct buf b = script();
	struct node n;
	int rc;

	add_jvm(&w, id_of(object, "app", &s.pod), 1, 77);
	add_jvm(&w, id_of(object, "app", &s.pod), 31, 78);
	answer = json_to_line(w.answer);
	say_to(&b, 1, FRAME_RESULT, answer);
	say_to(&b, 2, *first == '{' && first[2] == 'l' ? FRAME_RESULT : FRAME_ERROR, first);
	say_to(&b, 3, *second == '{' && second[2] == 'l' ? FRAME_RESULT : FRAME_ERROR, second);
	n.fake = (struct fake){0};
	node_start(&n, b);
	s.helper = n.helper;
	w.session = &s;
	w.settings = &settings;
	w.progress = progress_new(PROGRESS_NONE, true);
	rc = work(&w, &t, true, err);
	progress_end(w.progress, NULL);
	node_stop(&n);
	*ret = json_incref(w.results);
	exporter_work_release(&w);
	return rc;
}

static int work_on_two(work_fn *work, const char *first, const char *second, json_t **ret,
		       struct error *err)
{
	return work_on_two_of(recorded(), work, first, second, ret, err);
}

static void assert_result(const json_t *results, size_t i, int pid, const char *state,
			  const char *reason)
{
	const json_t *r = json_array_get(results, i);

	assert_int_equal(json_u64_at(r, "pid", 0), pid);
	assert_string_equal(json_str_at(r, "container", ""), "app");
	assert_string_equal(json_str_at(r, "state", ""), state);
	assert_string_equal(json_str_at(r, "reason", ""), reason);
}

#define SHUT NOTHING_SEEN "false,\"shut\":true}"
#define NOT_SEEN "no exporter is seen from outside (one in a jar of another name would not be)"

/* What a status says is no more than was looked at. */
static void test_status_of_what_was_seen(void **state)
{
	auto_json json_t *results = NULL;
	struct error err = {0};

	(void)state;
	assert_int_equal(work_on_two(exporter_status, NOTHING_ALL, NOTHING_THERE, &results, &err),
			 0);
	assert_result(results, 0, 1, "none",
		      "no exporter is seen from outside, where not all could be looked at");
	assert_result(results, 1, 31, "none", NOT_SEEN);
}

static void test_status_says_why_not(void **state)
{
	auto_json json_t *results = NULL;
	struct error err = {0};

	(void)state;
	assert_int_equal(work_on_two(exporter_status, SHUT, NOTHING_THERE, &results, &err), 0);
	assert_result(results, 0, 1, "none",
		      "no exporter is seen from outside, and inject cannot load one: agents are "
		      "not allowed in (-XX:-EnableDynamicAgentLoading)");
	assert_result(results, 1, 31, "none", NOT_SEEN);
}

static void test_one_that_ends_stops_no_status(void **state)
{
	auto_json json_t *ended = NULL, *broken = NULL;
	struct error err = {0};

	(void)state;
	assert_int_equal(work_on_two(exporter_status, ENDED, NOTHING_THERE, &ended, &err), 0);
	assert_int_equal(json_array_size(ended), 2);
	assert_result(ended, 0, 1, "no-jvm", "process 1031 has ended");
	assert_result(ended, 1, 31, "none", NOT_SEEN);
	assert_int_equal(work_on_two(exporter_status, NOTHING_THERE, BROKEN, &broken, &err), 0);
	assert_int_equal(json_array_size(broken), 2);
	assert_result(broken, 0, 1, "none", NOT_SEEN);
	assert_result(broken, 1, 31, "failed", "cannot read");
	assert_int_equal(json_u64_at(json_array_get(broken, 1), "code", 0), ERR_NODE);
}

static void assert_states(unsigned int mark_pid, uint64_t mark_start, const char *first)
{
	auto_json json_t *results = NULL;
	json_t *object = recorded();
	struct error err = {0};

	inject(object, mark_pid, mark_start);
	assert_int_equal(work_on_two_of(object, exporter_status, NOTHING_THERE, NOTHING_THERE,
					&results, &err),
			 0);
	assert_string_equal(json_str_at(json_array_get(results, 0), "state", ""), first);
	assert_string_equal(json_str_at(json_array_get(results, 1), "state", ""), "none");
}

/* The mark is of one that has ended: the one with its pid is in its place, and nobody else. */
static void test_which_was_restarted(void **state)
{
	(void)state;
	assert_states(1, 70, "restarted");
	assert_states(9, 70, "none");
}

static void test_each_failure_is_told_once(void **state)
{
	auto_json json_t *results = NULL;
	struct error err = {0};

	(void)state;
	assert_int_equal(work_on_two(exporter_inject, BROKEN, ENDED, &results, &err), 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(json_array_size(results), 2);
	assert_result(results, 0, 1, "failed", "cannot read");
	assert_string_equal(json_str_at(json_array_get(results, 0), "hint", ""), "ask");
	assert_result(results, 1, 31, "failed", "process 1031 has ended");
	assert_int_equal(json_u64_at(json_array_get(results, 1), "code", 0), ERR_TARGET);
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
		cmocka_unit_test(test_whose_mark),
		cmocka_unit_test(test_status_says_why_not),
		cmocka_unit_test(test_status_of_what_was_seen),
		cmocka_unit_test(test_one_that_ends_stops_no_status),
		cmocka_unit_test(test_which_was_restarted),
		cmocka_unit_test(test_each_failure_is_told_once),
		cmocka_unit_test(test_pods_that_do_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
