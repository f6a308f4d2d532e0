/* jdiag */
#include "jdiag/kube/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "remote/base/io.h"
#include "tests/unit/kube_rig.h"

#define ASK "GET /api/v1/namespaces/shop/configmaps/jmx"
#define WHO "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"
#define MAP(rest)                                                                     \
	"{\"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"jmx\", \"namespace\": " \
	"\"shop\"}" rest "}"

static int run(const struct step *steps, int n, const char *key, char **ret, size_t *len,
	       struct error *err)
{
	static struct script script;
	struct server s;
	struct kube *k = script_start(&s, &script, steps, n);
	int rc;

	*err = (struct error){0};
	rc = kube_read_configmap(k, "shop", "jmx", key, ret, len, err);
	assert_true(script_stop(&s, &script, k));
	return rc;
}

/* One answer with that body. */
static int read_map(const char *body, const char *key, char **ret, size_t *len, struct error *err)
{
	const struct step steps[] = {{ASK, "200 OK", .body = body}};

	return run(steps, 1, key, ret, len, err);
}

static void values(void **state)
{
	static const struct {
		const char *body, *key, *want;
		size_t len;
	} cases[] = {
		{MAP(", \"data\": {\"a\": \"rules: []\\n\"}"), NULL, "rules: []\n", 10},
		{MAP(", \"data\": {\"a\": \"x\", \"b.yaml\": \"y\"}"), "b.yaml", "y", 1},
		{MAP(", \"data\": {\"a\": \"\"}"), "a", "", 0},
		{MAP(", \"data\": null, \"binaryData\": {\"b\": \"AGEA/w==\"}"), NULL, "\0a\0\xff",
		 4},
		{MAP(", \"data\": {\"a\": \"x\"}, \"binaryData\": {\"b\": \"\"}"), "b", "", 0},
		{MAP(", \"data\": {\"a\": \"gr\xc3\xbc\xc3\x9f\"}"), "a", "gr\xc3\xbc\xc3\x9f", 6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = NULL;
		struct error err;
		size_t len = 99;

		if (read_map(cases[i].body, cases[i].key, &text, &len, &err) != 0)
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(len, cases[i].len);
		assert_memory_equal(text, cases[i].want, len + 1);
	}
}

static void what_is_not_there(void **state)
{
	static const struct {
		const char *body, *key;
		enum err_code code;
		const char *msg, *hint;
	} cases[] = {
		{MAP(", \"data\": {\"a\": \"x\", \"b\": \"y\"}"), "c", ERR_TARGET,
		 "configmap 'jmx' has no key 'c'", "its keys: a, b"},
		{MAP(", \"data\": {\"a\": \"x\"}, \"binaryData\": {\"b\": \"\"}"), NULL, ERR_TARGET,
		 "configmap 'jmx' has 2 keys", "its keys: a, b"},
		{MAP(""), NULL, ERR_TARGET, "configmap 'jmx' has no keys", ""},
		{MAP(""), "a", ERR_TARGET, "configmap 'jmx' has no keys", ""},
		{MAP(", \"data\": {}"), NULL, ERR_TARGET, "configmap 'jmx' has no keys", ""},
		/* no API server sends these */
		{MAP(", \"data\": \"a\""), NULL, ERR_TARGET, "has no keys", ""},
		{MAP(", \"data\": {\"a\": 7}"), NULL, ERR_API, "whose 'a' is no text", ""},
		{MAP(", \"binaryData\": {\"a\": \"canary\"}"), NULL, ERR_API,
		 "whose 'a' is not base64", ""},
		{MAP(", \"binaryData\": {\"a\": null}"), NULL, ERR_API, "whose 'a' is no text", ""},
		{MAP(", \"data\": {\"a\\u001b[2J\": 7}"), NULL, ERR_API, "whose 'a\\x1b[2J' is no",
		 ""},
		{"{\"metadata\": {\"name\": \"other\"}, \"data\": {\"a\": \"x\"}}", NULL, ERR_API,
		 "sent another object than 'jmx' of its configmaps", ""},
		{"[]", NULL, ERR_API, "is not an object", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = NULL;
		struct error err;
		size_t len = 99;

		assert_int_equal(read_map(cases[i].body, cases[i].key, &text, &len, &err), -1);
		if (err.code != cases[i].code || !strstr(err.msg, cases[i].msg) ||
		    !strstr(err.hint, cases[i].hint) || strstr(err.msg, "canary"))
			fail_msg("%zu: %d '%s' '%s'", i, err.code, err.msg, err.hint);
		assert_null(text);
		assert_int_equal(len, 99);
	}
}

static void many_keys_are_cut(void **state)
{
	auto_json json_t *map = json_object(), *data = json_object();
	struct error err = {0};
	char *text = NULL;
	size_t len;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		char key[32];

		snprintf(key, sizeof(key), "key-%d.yaml", i);
		json_object_set_new(data, key, json_string(""));
	}
	json_object_set(map, "data", data);
	assert_int_equal(kube_configmap_value(map, "jmx", "none", &text, &len, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_non_null(strstr(err.hint, "key-0.yaml, key-1.yaml"));
	assert_true(strlen(err.hint) < 700);
	assert_non_null(strstr(err.hint, " ..."));
}

static void no_such_configmap(void **state)
{
	static const struct step steps[] = {
		{ASK, "404 Not Found", .fixture = "kube/configmap-404.json"}};
	struct error err;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(run(steps, 1, NULL, &text, &len, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_string_equal(err.msg, "no configmap 'jmx' in namespace 'shop'");
	assert_non_null(strstr(err.hint, "kubectl get configmaps -n shop"));
}

static void missing_rule_is_shown(void **state)
{
	static const struct step steps[] = {
		{ASK, "403 Forbidden",
		 .body = "{\"kind\": \"Status\", \"message\": \"configmaps \\\"jmx\\\" is "
			 "forbidden: User \\\"ci\\\" cannot get resource\", \"code\": 403}"},
		{WHO, "201 Created",
		 .body = "{\"status\": {\"userInfo\": {\"username\": "
			 "\"system:serviceaccount:ops:ci\"}}}"}};
	struct error err;
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(run(steps, 2, NULL, &text, &len, &err), -1);
	assert_int_equal(err.code, ERR_API);
	assert_int_equal(err.sys, EACCES);
	assert_non_null(strstr(err.msg, "not allowed to get configmaps in namespace 'shop'"));
	assert_string_equal(err.hint,
			    "- {apiGroups: [\"\"], resources: [configmaps], verbs: [get]}\n"
			    "kubectl create role jdiag-get-configmaps -n shop --verb=get "
			    "--resource=configmaps\n"
			    "kubectl create rolebinding jdiag-get-configmaps -n shop "
			    "--role=jdiag-get-configmaps --serviceaccount=ops:ci");
}

/* Nothing is asked for. */
static void names_are_checked(void **state)
{
	static const char *const names[] = {"", "..", "a/b", "A", "x?y", "a#b"};
	struct error err = {0};
	char *text = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(
			kube_read_configmap(NULL, "shop", names[i], NULL, &text, &len, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.msg, "cannot be the name of a configmap"));
		assert_int_equal(
			kube_read_configmap(NULL, names[i], "jmx", NULL, &text, &len, &err), -1);
		assert_non_null(strstr(err.msg, "cannot be the name of a namespace"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(many_keys_are_cut),
		cmocka_unit_test(no_such_configmap),
		cmocka_unit_test(missing_rule_is_shown),
		cmocka_unit_test(names_are_checked),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests_name("configmap", tests, tempdir_make, tempdir_remove);
}
