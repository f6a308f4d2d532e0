/* jdiag: a mark, where the pod is changed while it is set */
#include "jdiag/exporter/annotate_pod.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "tests/unit/kube_rig.h"

#define POD "/api/v1/namespaces/shop/pods/checkout-17"
#define PATCH "PATCH " POD
#define GET "GET " POD
#define REFUSAL "kube/patch-old-rv-409.json"
#define OLD "1111111111111111111111111111111111111111111111111111111111111111"
#define OURS "2222222222222222222222222222222222222222222222222222222222222222"
#define THEIRS "3333333333333333333333333333333333333333333333333333333333333333"

/* The recorded pod. */
static json_t *recorded(void)
{
	auto_free char *text = fixture("kube/pod.json");
	json_t *object = json_from_text(text, strlen(text), "pod", ERR_FAILED, NULL);

	assert_non_null(object);
	return object;
}

/* Of a JVM of its container app. */
static struct mark mark_of(const json_t *object, const char *config)
{
	struct exporter_jvm j = {.ref = {.ns_pid = 1, .start_time = 77}};
	struct pod pod;

	assert_int_equal(pod_from_json(object, &pod, NULL), 0);
	j.container = pod_pick_container(&pod, "app", NULL);
	assert_non_null(j.container);
	return exporter_mark_new(&j, 9404, "1.0.1", config);
}

static json_t *marked(const struct mark *m)
{
	json_t *object = recorded();
	char told[MARK_TOLD];
	auto_json json_t *patch = mark_set(object, m, told);

	json_object_update(json_at(object, "metadata.annotations"), patch);
	return object;
}

/* Configuration OURS is marked where the mark names `first` (NULL: there is none); meanwhile it
 * gets to name `now`. It has to name `want` then, and is not patched for nothing. */
static int annotate(const char *first, const char *now, const char *want, struct error *err)
{
	auto_json json_t *pod = recorded();
	const struct mark ours = mark_of(pod, OURS); /* the time is in it */
	struct mark was = ours, is = ours, last = ours;
	auto_json json_t *changed = NULL, *ended = NULL;
	auto_free char *again = NULL, *after = NULL;
	struct exporter_work w = {0};
	const struct options o = {.quiet = true};
	static struct script script;
	struct session s = {.o = &o};
	struct server server;
	int rc;

	snprintf(was.config, sizeof(was.config), "%s", first ? first : "");
	snprintf(is.config, sizeof(is.config), "%s", now);
	snprintf(last.config, sizeof(last.config), "%s", want);
	w.pod = first ? marked(&was) : json_incref(pod);
	changed = marked(&is);
	ended = marked(&last);
	again = json_to_line(changed);
	after = json_to_line(ended);
	s.kube = script_start(&server, &script,
			      (const struct step[]){
				      {PATCH, "409 Conflict", .fixture = REFUSAL},
				      {GET, "200 OK", .body = again},
				      {GET, "200 OK", .body = again},
				      {PATCH, "200 OK", .body = after},
			      },
			      strcmp(now, want) == 0 ? 2 : 4);
	assert_int_equal(pod_from_json(w.pod, &s.pod, err), 0);
	w.session = &s;
	w.progress = progress_new(PROGRESS_NONE, true);
	rc = exporter_annotate(&w, &ours, NULL, err);
	progress_end(w.progress, NULL);
	assert_true(script_stop(&server, &script, s.kube));
	exporter_work_release(&w);
	return rc;
}

/* A label, or our own mark by a request whose answer was lost. */
static void test_changed_by_somebody(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(annotate(OLD, OLD, OURS, &err), 0);
	assert_int_equal(annotate(NULL, OURS, OURS, &err), 0);
}

/* Whose file was the last is not known. */
static void test_changed_by_another_run(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(annotate(OLD, THEIRS, "", &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(err.sys, ESTALE);
	assert_non_null(strstr(err.msg, "another run has given the exporter another"));
	assert_int_equal(annotate(NULL, THEIRS, "", &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changed_by_somebody),
		cmocka_unit_test(test_changed_by_another_run),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
