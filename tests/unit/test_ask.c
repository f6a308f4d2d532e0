/* jdiag: commands of the attach protocol, against a node that answers by a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "jdiag/ask.h"
#include "tests/unit/scripted_node.h"

static const struct jvmref jvm = {
	.pid = 77, .start_time = 5, .container = "c", .version = "17.0.9"};

static void test_reply(void **state)
{
	const char *args[] = {"instrument", "false", "/tmp/a.jar=x\n\"y"};
	struct ask_reply r = {0};
	struct buf b = script();
	struct error err = {0};
	struct node n;

	(void)state;
	say_data(&b, 1, 0, "return ");
	say_data(&b, 1, 7, "code: 0\n");
	say_end(&b, 1, -1, "return code: 0\n");
	node_start(&n, b);
	assert_int_equal(jvm_ask(n.helper, &jvm, "load", args, 3, 0, &r, &err), 0);
	assert_int_equal(r.code, -1);
	assert_string_equal(buf_str(&r.text), "return code: 0\n");
	ask_reply_release(&r);
	assert_non_null(memmem(n.fake.in.data, n.fake.in.len,
			       "\"args\":[\"instrument\",\"false\",\"/tmp/a.jar=x\\n\\\"y\"]", 49));
	assert_non_null(memmem(n.fake.in.data, n.fake.in.len, "\"pid\":77,\"start_time\":5", 23));
	node_stop(&n);
}

static void test_conditions(void **state)
{
	const struct ask_request q = {.command = "load",
				      .unless_port = 9404,
				      .unless_jar = "jmx_prometheus_javaagent",
				      .needs = "/x.yaml"};
	struct ask_reply r = {0};
	struct buf b = script();
	struct error err = {0};
	struct node n;

	(void)state;
	say_to(&b, 1, FRAME_ERROR, "{\"code\":\"refused\",\"errno\":98,\"message\":\"in use\"}");
	node_start(&n, b);
	assert_int_equal(jvm_ask_if(n.helper, &jvm, &q, &r, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(err.sys, 98);
	assert_non_null(memmem(n.fake.in.data, n.fake.in.len, "\"unless_port\":9404", 18));
	assert_non_null(memmem(n.fake.in.data, n.fake.in.len,
			       "\"unless_jar\":\"jmx_prometheus_javaagent\"", 39));
	assert_non_null(memmem(n.fake.in.data, n.fake.in.len, "\"needs\":\"/x.yaml\"", 17));
	node_stop(&n);
}

static void test_errors(void **state)
{
	struct ask_reply r = {0};
	struct buf b = script();
	struct error err = {0};
	struct node n;

	(void)state;
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"attach\",\"errno\":3,\"message\":\"the JVM ended while it was asked: "
	       "exit "
	       "status 1\",\"hint\":\"\"}");
	node_start(&n, b);
	assert_int_equal(jvm_ask(n.helper, &jvm, "load", NULL, 0, 0, &r, &err), -1);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, 3);
	assert_non_null(strstr(err.msg, "exit status 1"));
	assert_null(r.text.data);
	node_stop(&n);
}

static void refused(struct buf b, const char *says)
{
	struct ask_reply r = {0};
	struct error err = {0};
	struct node n;

	node_start(&n, b);
	assert_int_equal(jvm_ask(n.helper, &jvm, "jcmd", NULL, 0, 0, &r, &err), -1);
	if (!strstr(err.msg, says))
		fail_msg("'%s' is not in '%s'", says, err.msg);
	assert_null(r.text.data);
	node_stop(&n);
}

/* A node that lies. */
static void test_lies(void **state)
{
	struct buf b = script();

	(void)state;
	say_data(&b, 1, 1, "x");
	refused(b, "do not follow each other");

	b = script();
	say_data(&b, 1, 0, "x");
	say_end(&b, 1, 0, "y");
	refused(b, "length or digest");

	b = script();
	say_to(&b, 1, FRAME_END,
	       "{\"length\":0,\"sha256\":"
	       "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}");
	refused(b, "it has no code");

	b = script();
	say_to(&b, 1, FRAME_RESULT, "{}");
	refused(b, "it has no end");
}

/* The JSON of a request holds UTF-8 only. */
static void test_bytes(void **state)
{
	const char *args[] = {"x\xff"};
	struct ask_reply r = {0};
	struct error err = {0};
	struct node n;

	(void)state;
	node_start(&n, script());
	assert_int_equal(jvm_ask(n.helper, &jvm, "load", args, 1, 0, &r, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_null(strstr(err.msg, "x\xff"));
	node_stop(&n);
}

static int flag(const char *text, struct error *err)
{
	struct buf b = script();
	struct node n;
	int rc;

	if (*text)
		say_data(&b, 1, 0, text);
	say_end(&b, 1, 0, text);
	node_start(&n, b);
	*err = (struct error){0};
	rc = jvm_flag(n.helper, &jvm, "EnableDynamicAgentLoading", err);
	node_stop(&n);
	return rc;
}

static void test_flag(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(flag("-XX:+EnableDynamicAgentLoading\n", &err), 1);
	assert_int_equal(flag("-XX:-EnableDynamicAgentLoading\n", &err), 0);
	assert_int_equal(flag("-XX:-EnableDynamicAgentLoading", &err), 0);
	assert_int_equal(flag("no such flag 'EnableDynamicAgentLoading'\n", &err), -1);
	assert_int_equal(err.code, 0);
	assert_int_equal(flag("-XX:+EnableDynamicAgentLoadingNot\n", &err), -2);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(flag("-XX:", &err), -2);
	assert_int_equal(flag("", &err), -2);
}

static void test_release(void **state)
{
	static const struct {
		const char *version;
		unsigned int release;
	} cases[] = {{"1.8.0_504", 8}, {"17.0.15", 17}, {"25-ea", 25},
		     {"", 0},	       {"x", 0},	{"9999", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct jvmref j = {0};

		snprintf(j.version, sizeof(j.version), "%s", cases[i].version);
		assert_int_equal(jvmref_release(&j), cases[i].release);
	}
}

static void test_reference(void **state)
{
	json_t *object =
		json_pack("{s:i, s:i, s:s, s:s, s:s, s:i}", "pid", 9, "start_time", 8, "container",
			  "abc", "version", "21.0.1", "main", "Main", "uid", 7);
	struct jvmref j;
	json_t *params;

	(void)state;
	jvmref_from_json(object, &j);
	assert_int_equal(j.pid, 9);
	assert_int_equal(j.uid, 7);
	assert_int_equal(j.ns_pid, 0);
	assert_string_equal(j.main, "Main");
	params = jvmref_params(&j);
	assert_int_equal(json_integer_value(json_object_get(params, "start_time")), 8);
	assert_string_equal(json_string_value(json_object_get(params, "container")), "abc");
	json_decref(params);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply),	   cmocka_unit_test(test_errors),
		cmocka_unit_test(test_conditions), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_bytes),	   cmocka_unit_test(test_flag),
		cmocka_unit_test(test_release),	   cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
