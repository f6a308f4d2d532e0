/* jdiag: how a JVM has ended, by the cluster */
#include "jdiag/agent/ended.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/exporter/ended.h"
#include "jdiag/json.h"
#include "jdiag/session.h"
#include "tests/unit/kube_rig.h"

#define GET "GET /api/v1/namespaces/shop/pods/web"
#define POD_OF(uid, status) "{\"metadata\": {\"uid\": \"" uid "\"}, \"status\": " status "}"
#define RUNS POD_OF("u1", "{\"containerStatuses\": [{\"state\": {\"running\": {}}}]}")
#define EXITED                                                                                  \
	POD_OF("u1", "{\"containerStatuses\": [{\"name\": \"app\", \"restartCount\": 1,"        \
		     "\"state\": {\"running\": {}}, \"lastState\": {\"terminated\": {"          \
		     "\"exitCode\": 1, \"reason\": \"Error\", \"containerID\": "                \
		     "\"containerd://aa\"}}}],"                                                 \
		     "\"initContainerStatuses\": [{\"state\": {\"terminated\": {\"exitCode\": " \
		     "137, \"signal\": 9, \"reason\": \"OOMKilled\", \"containerID\": "         \
		     "\"docker://bb\"}}}]}")
#define REPLACED POD_OF("u2", "{}")

static void test_status(void **state)
{
	auto_json json_t *pod = json_from_text(EXITED, strlen(EXITED), "pod", ERR_FAILED, NULL);
	char how[128];

	(void)state;
	assert_int_equal(agent_ended_status(pod, "aa", how), 1);
	assert_string_equal(how, "exit status 1 (Error)");
	assert_int_equal(agent_ended_status(pod, "bb", how), 1);
	assert_string_equal(how, "signal 9 (OOMKilled)");
	assert_int_equal(agent_ended_status(pod, "cc", how), 0);
	assert_int_equal(agent_ended_status(NULL, "aa", how), 0);
}

/* The error about a JVM of that container when the cluster answers by these steps. */
static struct error tell(bool exporter, const char *how, const char *id, const struct step *steps,
			 int n)
{
	struct pod_container c = {.name = "app"};
	struct session s = {.has_pod = true};
	struct exporter_jvm j = {.container = &c};
	struct exporter_work w = {.session = &s, .pod = json_object()};
	static struct script script;
	struct error err = {0};
	struct server server;

	snprintf(c.id, sizeof(c.id), "%s", id);
	snprintf(s.pod.ns, sizeof(s.pod.ns), "shop");
	snprintf(s.pod.name, sizeof(s.pod.name), "web");
	snprintf(s.pod.uid, sizeof(s.pod.uid), "u1");
	s.kube = script_start(&server, &script, steps, n);
	error_set(&err, ERR_ATTACH, "it has ended: %s", how);
	err.sys = ESRCH;
	error_hint(&err, "a hint");
	if (exporter)
		assert_int_equal(exporter_tell_end(&w, &j, &err), -1);
	else
		assert_int_equal(agent_tell_end(&s, &c, &err), -1);
	assert_true(script_stop(&server, &script, s.kube));
	json_decref(w.pod);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, ESRCH);
	return err;
}

/* The kubelet needs a moment. */
static void test_told_by_the_cluster(void **state)
{
	static const struct step late[] = {{GET, "200 OK", RUNS, NULL},
					   {GET, "200 OK", EXITED, NULL}};
	static const struct step replaced[] = {{GET, "200 OK", REPLACED, NULL}};
	static const struct step none[] = {{GET, "404 Not Found", "{}", NULL}};
	struct error e;

	(void)state;
	e = tell(false, AGENT_END_UNKNOWN, "aa", late, 2);
	assert_string_equal(e.msg, "it has ended: exit status 1 (Error)");
	assert_string_equal(e.hint, "a hint");
	e = tell(false, AGENT_END_UNKNOWN, "bb", late + 1, 1);
	assert_string_equal(e.msg, "it has ended: signal 9 (OOMKilled)");
	e = tell(false, AGENT_END_UNKNOWN, "aa", replaced, 1);
	assert_string_equal(e.msg, "it has ended: " AGENT_END_UNKNOWN);
	e = tell(false, AGENT_END_UNKNOWN, "aa", none, 1);
	assert_string_equal(e.msg, "it has ended: " AGENT_END_UNKNOWN);
	e = tell(false, "exit status 7", "aa", NULL, 0);
	assert_string_equal(e.msg, "it has ended: exit status 7");
}

/* Who is killed says nothing. */
static void test_what_the_exporter_said(void **state)
{
	static const struct step ended[] = {{GET, "200 OK", EXITED, NULL}};
	struct error e;

	(void)state;
	e = tell(true, "exit status 1", "aa", NULL, 0);
	assert_non_null(strstr(e.hint, "the exporter said why"));
	assert_non_null(strstr(e.hint, "kubectl logs --previous web -n shop -c app"));
	assert_non_null(strstr(e.hint, "what was placed stays where a volume"));
	e = tell(true, AGENT_END_UNKNOWN, "bb", ended, 1);
	assert_null(strstr(e.hint, "said why"));
	e = tell(true, "exit status 137 (OOMKilled)", "aa", NULL, 0);
	assert_null(strstr(e.hint, "said why"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_told_by_the_cluster),
		cmocka_unit_test(test_what_the_exporter_said),
	};

	return cmocka_run_group_tests(tests, tempdir_make, tempdir_remove);
}
