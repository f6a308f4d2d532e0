/* jdiag */
#include "jdiag/kube/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "jdiag/json.h"
#include "remote/base/io.h"
#include "tests/unit/kube_rig.h"

#define POD "/api/v1/namespaces/shop/pods/checkout-17"
#define PATCH "PATCH " POD
#define GET "GET " POD
#define WHO "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"

/* The pod before, after a patch (version 1894: scrape and port), and after they were removed. */
#define BEFORE "kube/pod.json"
#define AFTER "kube/patch-merge.json"
#define UNDONE "kube/patch-undo.json"

static json_t *wanted(void)
{
	return json_pack("{s:s, s:s}", "prometheus.io/scrape", "true", "prometheus.io/port",
			 "9404");
}

static json_t *pod(const char *name)
{
	auto_free char *text = fixture(name);
	json_t *o = json_from_text(text, strlen(text), name, ERR_FAILED, NULL);

	assert_non_null(o);
	return o;
}

/* One patch of BEFORE by a script; *ret_script may be NULL. */
static int run(const struct step *steps, int n, json_t *annotations, json_t **ret,
	       struct script *ret_script, struct error *err)
{
	auto_json json_t *object = pod(BEFORE);
	static struct script script;
	struct server s;
	struct kube *k = script_start(&s, &script, steps, n);
	int rc;

	*err = (struct error){0};
	rc = kube_annotate_pod(k, object, annotations, ret, err);
	assert_true(script_stop(&s, &script, k));
	json_decref(annotations);
	if (ret_script)
		*ret_script = script;
	assert_null(strstr(err->msg, "canary"));
	assert_null(strstr(err->hint, "canary"));
	return rc;
}

static void expect(const struct error *err, enum err_code code, int sys, const char *msg,
		   const char *hint)
{
	if (err->code != code || err->sys != sys || !strstr(err->msg, msg) ||
	    !strstr(err->hint, hint))
		fail_msg("code %d, errno %d\nmsg  '%s'\nhint '%s'", err->code, err->sys, err->msg,
			 err->hint);
}

static void preconditions_are_sent(void **state)
{
	static const struct step steps[] = {{PATCH, "200 OK", .fixture = AFTER}};
	auto_json json_t *now = NULL, *object = pod(BEFORE), *body = NULL, *want = wanted();
	static struct script script;
	struct error err;

	(void)state;
	assert_int_equal(run(steps, 1, wanted(), &now, &script, &err), 0);
	assert_non_null(
		strstr(script.heads[0], "\r\nContent-Type: application/merge-patch+json\r\n"));
	body = json_from_text(script.bodies[0], strlen(script.bodies[0]), "body", ERR_FAILED, NULL);
	assert_int_equal(json_object_size(body), 1);
	assert_int_equal(json_object_size(json_at(body, "metadata")), 3);
	assert_string_equal(json_str_at(body, "metadata.uid", ""),
			    json_str_at(object, "metadata.uid", "-"));
	assert_string_equal(json_str_at(body, "metadata.resourceVersion", ""),
			    json_str_at(object, "metadata.resourceVersion", "-"));
	assert_true(json_equal(json_at(body, "metadata.annotations"), want));
	assert_string_equal(json_str_at(now, "metadata.resourceVersion", ""), "1894");
}

static void nulls_remove(void **state)
{
	static const struct step good[] = {{PATCH, "200 OK", .fixture = UNDONE}},
				 bad[] = {{PATCH, "200 OK", .fixture = AFTER}};
	static struct script script;
	struct error err;

	(void)state;
	assert_int_equal(
		run(good, 1, json_pack("{s:n}", "prometheus.io/scrape"), NULL, &script, &err), 0);
	assert_non_null(strstr(script.bodies[0], "{\"prometheus.io/scrape\":null}"));
	/* a server, or a webhook in it, that does something else */
	assert_int_equal(run(bad, 1, json_pack("{s:n}", "prometheus.io/scrape"), NULL, NULL, &err),
			 -1);
	expect(&err, ERR_API, 0, "but 'prometheus.io/scrape' is not as it was sent", "webhook");
	assert_int_equal(run(good, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "but 'prometheus.io/", "webhook");
}

static void changed_meanwhile(void **state)
{
	static const struct step conflict[] = {
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "200 OK", .fixture = BEFORE}};
	static const struct step unreadable[] = {
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "403 Forbidden", .body = "{}"}};
	json_t *now = NULL;
	struct error err;

	(void)state;
	assert_int_equal(run(conflict, 2, wanted(), &now, NULL, &err), -1);
	expect(&err, ERR_API, EAGAIN, "pod 'checkout-17' in namespace 'shop' was changed",
	       "try again");
	assert_int_equal(run(unreadable, 2, wanted(), &now, NULL, &err), -1);
	expect(&err, ERR_API, EAGAIN, "was changed by somebody else", "try again");
	assert_null(now);
}

#define OTHER_POD                                                               \
	"{\"kind\": \"Pod\", \"metadata\": {\"name\": \"checkout-17\", "        \
	"\"namespace\": \"shop\", \"uid\": \"other\", \"annotations\": "        \
	"{\"prometheus.io/scrape\": \"true\", \"prometheus.io/port\": \"9404\"" \
	"}}}"

/* A new pod of the name has another version, too: a server says that first. */
static void replaced_meanwhile(void **state)
{
	static const struct step by_uid[] = {
		{PATCH, "422 Unprocessable Entity", .fixture = "kube/patch-wrong-uid-422.json"}};
	static const struct step by_version[] = {
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "200 OK", .body = OTHER_POD}};
	static const struct step lost[] = {{PATCH, .status = NULL},
					   {PATCH, .status = NULL},
					   {GET, "200 OK", .body = OTHER_POD}};
	struct error err;

	(void)state;
	assert_int_equal(run(by_uid, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_TARGET, ESTALE, "it is another pod of the same name", "start over");
	assert_int_equal(run(by_version, 2, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_TARGET, ESTALE, "it is another pod of the same name", "start over");
	assert_int_equal(run(lost, 3, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_TARGET, ESTALE, "it is another pod of the same name", "start over");
}

static void deleted_meanwhile(void **state)
{
	static const struct step at_once[] = {
		{PATCH, "404 Not Found", .fixture = "kube/pod-404.json"}};
	static const struct step after[] = {
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "404 Not Found", .fixture = "kube/pod-404.json"},
		{"GET /api/v1/namespaces/shop", "200 OK", .body = "{}"}};
	static const struct step not_an_api[] = {{PATCH, "404 Not Found", .body = "404 page"}};
	struct error err;

	(void)state;
	assert_int_equal(run(at_once, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_TARGET, ESTALE, "it was deleted", "start over");
	assert_int_equal(run(after, 3, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_TARGET, ESTALE, "it was deleted", "start over");
	assert_int_equal(run(not_an_api, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "does not answer like a cluster API (404)", "");
}

#define FORBIDDEN                                                                       \
	"{\"kind\": \"Status\", \"message\": \"pods \\\"checkout-17\\\" is forbidden: " \
	"User \\\"ci\\\" cannot patch resource \\\"pods\\\" in API group \\\"\\\" in "  \
	"the namespace \\\"shop\\\"\", \"code\": 403}"

static void missing_rule_is_shown(void **state)
{
	static const struct step known[] = {{PATCH, "403 Forbidden", .body = FORBIDDEN},
					    {WHO, "201 Created",
					     .body = "{\"status\": {\"userInfo\": {\"username\": "
						     "\"ci\"}}}"}};
	static const struct step unknown[] = {{PATCH, "403 Forbidden", .body = FORBIDDEN},
					      {WHO, "403 Forbidden", .body = "{}"}};
	static const struct step policy[] = {
		{PATCH, "403 Forbidden",
		 .body = "{\"kind\": \"Status\", \"message\": \"admission webhook says no\"}"}};
	struct error err;

	(void)state;
	assert_int_equal(run(known, 2, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, EACCES, "not allowed to patch pods in namespace 'shop': ",
	       "- {apiGroups: [\"\"], resources: [pods], verbs: [patch]}\n"
	       "kubectl create role jdiag-patch-pods -n shop --verb=patch --resource=pods\n"
	       "kubectl create rolebinding jdiag-patch-pods -n shop --role=jdiag-patch-pods "
	       "--user=ci");
	assert_int_equal(run(unknown, 2, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, EACCES, "not allowed to patch pods", "--user=USER");
	assert_int_equal(run(policy, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, EACCES, "admission webhook says no", "it is not RBAC");
}

/* The second of two alike is a 409, if the first took effect. */
static void lost_answer_is_looked_up(void **state)
{
	static const struct step took_effect[] = {
		{PATCH, .status = NULL},
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "200 OK", .fixture = AFTER}};
	static const struct step had_none[] = {{PATCH, .status = NULL},
					       {PATCH, "200 OK", .fixture = AFTER}};
	static const struct step somebody_else[] = {
		{PATCH, .status = NULL},
		{PATCH, "409 Conflict", .fixture = "kube/patch-old-rv-409.json"},
		{GET, "200 OK", .fixture = UNDONE}};
	static const struct step broken_twice[] = {{PATCH, .status = NULL},
						   {PATCH, .status = NULL},
						   {GET, "200 OK", .fixture = AFTER}};
	static const struct step by_proxy[] = {{PATCH, "502 Bad Gateway", .body = "<html>"},
					       {GET, "200 OK", .fixture = AFTER}};
	auto_json json_t *now = NULL;
	struct error err;

	(void)state;
	assert_int_equal(run(took_effect, 3, wanted(), &now, NULL, &err), 0);
	assert_string_equal(json_str_at(now, "metadata.resourceVersion", ""), "1894");
	assert_int_equal(run(had_none, 2, wanted(), NULL, NULL, &err), 0);
	assert_int_equal(run(somebody_else, 3, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, EAGAIN, "was changed by somebody else", "");
	assert_int_equal(run(broken_twice, 3, wanted(), NULL, NULL, &err), 0);
	assert_int_equal(run(by_proxy, 2, wanted(), NULL, NULL, &err), 0);
}

static void not_known_is_said(void **state)
{
	static const struct step broken[] = {{PATCH, .status = NULL},
					     {PATCH, .status = NULL},
					     {GET, "200 OK", .fixture = BEFORE}};
	static const struct step silent[] = {{PATCH, .status = NULL},
					     {PATCH, .status = NULL},
					     {GET, .status = NULL},
					     {GET, .status = NULL}};
	static const struct step by_proxy[] = {{PATCH, "504 Gateway Timeout", .body = ""},
					       {GET, "200 OK", .fixture = BEFORE}};
	struct error err;

	(void)state;
	assert_int_equal(run(broken, 3, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, ECONNRESET,
	       "annotations of pod 'checkout-17': ", "whether they were set is not known");
	assert_int_equal(run(silent, 4, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, ECONNRESET, "annotations of pod 'checkout-17': ",
	       "kubectl get pod checkout-17 -n shop -o jsonpath=");
	assert_int_equal(run(by_proxy, 2, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "answers 504", "whether they were set is not known");
}

static void other_refusals_are_the_servers_words(void **state)
{
	static const struct step too_long[] = {
		{PATCH, "422 Unprocessable Entity",
		 .body = "{\"kind\": \"Status\", \"message\": \"metadata.annotations: Too long\", "
			 "\"details\": {\"causes\": [{\"field\": \"metadata.annotations\"}]}}"}};
	static const struct step another[] = {{PATCH, "200 OK", .body = OTHER_POD}};
	static const struct step no_patch[] = {{PATCH, "405 Method Not Allowed", .body = ""}};
	struct error err;

	(void)state;
	assert_int_equal(run(too_long, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "cannot patch pods: metadata.annotations: Too long (422)", "");
	assert_int_equal(run(another, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "sent another object than 'checkout-17'", "");
	assert_int_equal(run(no_patch, 1, wanted(), NULL, NULL, &err), -1);
	expect(&err, ERR_API, 0, "answers 405", "");
}

/* Nothing is sent for what is no pod. */
static void hostile_objects_are_refused(void **state)
{
	static const char *const objects[] = {
		"{}",
		"{\"metadata\": {\"name\": \"../x\", \"namespace\": \"shop\", \"uid\": \"u\", "
		"\"resourceVersion\": \"1\"}}",
		"{\"metadata\": {\"name\": \"x\", \"namespace\": \"a/b\", \"uid\": \"u\", "
		"\"resourceVersion\": \"1\"}}",
		"{\"metadata\": {\"name\": \"x\", \"namespace\": \"shop\", "
		"\"resourceVersion\": \"1\"}}",
		"{\"metadata\": {\"name\": \"x\", \"namespace\": \"shop\", \"uid\": \"u\"}}",
		"{\"metadata\": {\"name\": \"x\", \"namespace\": \"shop\", \"uid\": \"u\", "
		"\"resourceVersion\": 1}}",
	};
	auto_json json_t *want = wanted();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		auto_json json_t *o =
			json_from_text(objects[i], strlen(objects[i]), "pod", ERR_FAILED, NULL);
		struct error err = {0};

		assert_int_equal(kube_annotate_pod(NULL, o, want, NULL, &err), -1);
		expect(&err, ERR_API, 0, "without name, uid or resourceVersion", "");
	}
}

static void lists_keep_annotations_when_asked(void **state)
{
	static const struct step steps[] = {
		{"GET /api/v1/namespaces/shop/pods?limit=500&labelSelector=tier%3Djava", "200 OK",
		 .body = "{\"items\": [{\"metadata\": {\"annotations\": {\"a\": \"b\"}, "
			 "\"managedFields\": []}}]}"},
		{"GET /api/v1/pods?limit=500", "200 OK",
		 .body = "{\"items\": [{\"metadata\": {\"annotations\": {\"a\": \"b\"}, "
			 "\"managedFields\": []}}]}"}};
	static struct script script;
	auto_json json_t *whole = NULL, *bare = NULL;
	struct error err = {0};
	struct server s;
	struct kube *k;

	(void)state;
	k = script_start(&s, &script, steps, 2);
	assert_int_equal(kube_list_pods_whole(k, "shop", "tier=java", NULL, &whole, &err), 0);
	assert_int_equal(kube_list_pods(k, NULL, NULL, NULL, &bare, &err), 0);
	assert_true(script_stop(&s, &script, k));
	assert_string_equal(json_str_at(json_array_get(whole, 0), "metadata.annotations.a", ""),
			    "b");
	assert_null(json_at(json_array_get(whole, 0), "metadata.managedFields"));
	assert_null(json_at(json_array_get(bare, 0), "metadata.annotations"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preconditions_are_sent),
		cmocka_unit_test(nulls_remove),
		cmocka_unit_test(changed_meanwhile),
		cmocka_unit_test(replaced_meanwhile),
		cmocka_unit_test(deleted_meanwhile),
		cmocka_unit_test(missing_rule_is_shown),
		cmocka_unit_test(lost_answer_is_looked_up),
		cmocka_unit_test(not_known_is_said),
		cmocka_unit_test(other_refusals_are_the_servers_words),
		cmocka_unit_test(hostile_objects_are_refused),
		cmocka_unit_test(lists_keep_annotations_when_asked),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests_name("patch", tests, tempdir_make, tempdir_remove);
}
