/* jdiag: what a JVM says about an agent, told in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/agent/load.h"
#include "jdiag/agent/module.h"
#include "tests/unit/scripted_node.h"

#define SECRET "hunter2"

static const struct agent_request jar = {
	.kind = AGENT_JAR, .path = "/tmp/a.jar", .options = SECRET};
static const struct agent_request library = {
	.kind = AGENT_LIBRARY, .path = "/tmp/a.so", .options = SECRET};
static const struct agent_request management = {
	.kind = AGENT_MODULE, .path = "jdk.management.agent", .options = ""};

static void check(const struct agent_request *r, unsigned int release, int code, const char *text,
		  int sys, const char *says)
{
	struct error err = {0};
	int rc = agent_reply(r, release, code, text, &err);

	if (!says) {
		if (rc != 0)
			fail_msg("%u %d '%s': %s", release, code, text, err.msg);
		return;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_ATTACH);
	if (!strstr(err.msg, says))
		fail_msg("%u %d '%s': no '%s' in '%s'", release, code, text, says, err.msg);
	assert_int_equal(err.sys, sys);
	assert_null(strstr(err.msg, SECRET));
	assert_null(strstr(err.hint, SECRET));
}

/* facts of the releases: 8 says the number, 9 to 20 -1 in front of a reason, 21 and later 0. */
static void test_jar(void **state)
{
	static const unsigned int later[] = {11, 17, 21, 25};

	(void)state;
	check(&jar, 8, 0, "0\n", 0, NULL);
	check(&jar, 8, 0, "0", 0, NULL);
	check(&jar, 8, 0, "100\n", ENOEXEC, "finds no agent in '/tmp/a.jar'");
	check(&jar, 8, 0, "101\n", ENOEXEC, "class path");
	check(&jar, 8, 0, "102\n", ECANCELED, "the agent's own start failed");
	check(&jar, 8, 0, "-4\n", ECANCELED, "code -4");
	check(&jar, 8, -1, "", ENOEXEC, "Java 8 does not say why");
	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		check(&jar, later[i], 0, "return code: 0\n", 0, NULL);
		check(&jar, later[i], 0, "return code: 100\n", ENOEXEC, "finds no agent");
		check(&jar, later[i], 0, "return code: 101\n", ENOEXEC, "class path");
		check(&jar, later[i], 0, "return code: 102\n", ECANCELED, "agentmain threw");
		check(&jar, later[i], 0, "", 0, "does not say whether");
	}
	for (int code = -1; code <= 0; code++) {
		check(&jar, 17, code,
		      "Dynamic agent loading is not enabled. Use "
		      "-XX:+EnableDynamicAgentLoading to launch target VM.\n",
		      ENOEXEC, "lets no agents in");
		check(&jar, 17, code,
		      "java.lang.module.FindException: Module java.instrument not found\n", ENOEXEC,
		      "no module java.instrument");
		check(&jar, 17, code, "instrument was not loaded.\nno such file\n", ENOEXEC,
		      "instrument library: instrument was not loaded.");
	}
}

static void test_library(void **state)
{
	(void)state;
	check(&library, 8, 0, "0\n", 0, NULL);
	check(&library, 17, 0, "return code: 0\n", 0, NULL);
	check(&library, 8, 0, "-1\n", ECANCELED, "Agent_OnAttach returned -1");
	check(&library, 21, 0, "return code: 7\n", ECANCELED, "Agent_OnAttach returned 7");
	check(&library, 8, -1, "", ENOEXEC, "Java 8 does not say why");
	check(&library, 11, -1, "/tmp/a.so was not loaded.\n", ENOEXEC, "was not loaded");
	check(&library, 25, 0, "/tmp/a.so was not loaded.\n/tmp/a.so: cannot open\n", ENOEXEC,
	      "cannot open");
	check(&library, 25, 0, "return codes: 0\n", ENOEXEC, "could not load");
}

static void test_module(void **state)
{
	(void)state;
	check(&management, 8, 0, "", 0, NULL);
	check(&management, 21, 1,
	      "java.lang.RuntimeException: Invalid agent state: Agent already started\n\tat x\n",
	      ENOEXEC, "runs in this JVM already");
	check(&management, 21, 1,
	      "jdk.internal.agent.AgentConfigurationError: Password file not found: /x\n\tat y\n",
	      ENOEXEC, "management agent: Password file not found: /x");
	check(&management, 8, 0,
	      "sun.management.AgentConfigurationError: java.net.UnknownHostException: web: web\n",
	      ENOEXEC, "management agent: web: web");
	check(&management, 21, 0, "java.lang.Exception\n", ENOEXEC, "did not start");
	check(&management, 21, 1,
	      "java.lang.module.FindException: Module jdk.management.agent not found\n", ENOEXEC,
	      "without that module");
}

static void request(const struct agent_request *r, unsigned int release, const char *says)
{
	struct error err = {0};
	int rc = agent_check_request(r, release, &err);

	if (!says) {
		if (rc != 0)
			fail_msg("%s", err.msg);
		return;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, says))
		fail_msg("no '%s' in '%s'", says, err.msg);
}

static void test_lengths(void **state)
{
	static char text[200000];
	struct agent_request r = {.kind = AGENT_JAR, .path = "/tmp/a.jar", .options = text};

	(void)state;
	memset(text, 'x', 1024 - strlen("/tmp/a.jar="));
	request(&r, 8, NULL);
	strncat(text, "x", 2);
	request(&r, 8, "before Java 24 takes 1024 bytes, and with the jar's path these are 1025");
	request(&r, 23, "before Java 24");
	request(&r, 24, NULL);
	request(&r, 0, NULL); /* the helper may know better */
	r = (struct agent_request){.kind = AGENT_LIBRARY, .path = "/tmp/a.so", .options = text};
	request(&r, 8, NULL);
	memset(text, 'x', sizeof(text) - 1);
	request(&r, 25, "a JVM takes 131072 bytes");
	r = (struct agent_request){.kind = AGENT_JAR, .path = "/srv/a=b/a.jar", .options = ""};
	request(&r, 17, "would take what follows '='");
	r.kind = AGENT_LIBRARY;
	request(&r, 17, NULL);
}

static void command(const char *options, const char *wanted, bool open)
{
	struct agent_request r = {
		.kind = AGENT_MODULE, .path = "jdk.management.agent", .options = options};
	char *got;

	request(&r, 17, NULL);
	got = module_command(&r);
	assert_string_equal(got, wanted);
	free(got);
	assert_int_equal(module_is_open(&r), open);
}

static void test_module_options(void **state)
{
	static const struct {
		const char *name, *options, *says;
	} bad[] = {
		{"jdk.management", "", "'jdk.management' is no agent"},
		{"jdk.jdwp.agent", "", "at its start only"},
		{"java.instrument", "", "name the jar"},
		{"jdk.management.agent", "port=1", "no option 'port'"},
		{"jdk.management.agent", "9010", "KEY=VALUE"},
		{"jdk.management.agent", "jmxremote.port=", "empty"},
		{"jdk.management.agent", "jmxremote.port=1\nVM.flags", "control character"},
		{"jdk.management.agent", "jdp.name=\"x", "quote"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct agent_request r = {
			.kind = AGENT_MODULE, .path = bad[i].name, .options = bad[i].options};

		request(&r, 17, bad[i].says);
	}
	command("", "ManagementAgent.start_local", false);
	command(NULL, "ManagementAgent.start_local", false);
	command(" ,", "ManagementAgent.start_local", false);
	command("jmxremote.port=9010,com.sun.management.jmxremote.ssl=false",
		"ManagementAgent.start jmxremote.port=9010 jmxremote.ssl=false", false);
	command("jmxremote.port=9010 jmxremote.authenticate=false",
		"ManagementAgent.start jmxremote.port=9010 jmxremote.authenticate=false", true);
	command("jmxremote.ssl.enabled.cipher.suites=A,B,jdp.ttl=1",
		"ManagementAgent.start jmxremote.ssl.enabled.cipher.suites=A,B jdp.ttl=1", false);
}

/* ---- a JVM that answers by a script ---- */

static int load(struct buf b, const struct agent_request *r, const char *version, struct error *err)
{
	struct jvmref j = {.pid = 7, .start_time = 8};
	struct node n;
	int rc;

	snprintf(j.version, sizeof(j.version), "%s", version);
	*err = (struct error){0};
	node_start(&n, b);
	rc = agent_load(n.helper, &j, r, err);
	node_stop(&n);
	return rc;
}

static void test_end_of_the_jvm(void **state)
{
	struct buf b = script();
	struct error err;

	(void)state;
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"attach\",\"errno\":3,\"message\":\"the JVM ended while it was asked: "
	       "exit status 1\"}");
	assert_int_equal(load(b, &jar, "17.0.1", &err), -1);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, ESRCH);
	assert_string_equal(err.msg, "the JVM has ended while it loaded the agent: exit status 1");
	assert_non_null(strstr(err.hint, "--previous"));
}

static void test_no_answer(void **state)
{
	struct buf b = script();
	struct error err;

	(void)state;
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"attach\",\"errno\":110,\"message\":\"the JVM did not answer within 30 "
	       "s\"}");
	assert_int_equal(load(b, &jar, "17.0.1", &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_non_null(strstr(err.msg, "may still be loading"));

	/* a version that only the node knew */
	b = script();
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"attach\",\"errno\":7,\"message\":\"the arguments are too long\"}");
	assert_int_equal(load(b, &jar, "", &err), -1);
	assert_int_equal(err.sys, ENOEXEC);

	/* anything else is told as it is */
	b = script();
	say_to(&b, 1, FRAME_ERROR, "{\"code\":\"refused\",\"errno\":3,\"message\":\"another\"}");
	assert_int_equal(load(b, &jar, "17.0.1", &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.msg, "another");
	assert_true(agent_is_out(&err));
}

static void test_never_reached(void **state)
{
	struct buf b = script();
	struct error err;

	(void)state;
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"attach\",\"errno\":107,\"message\":\"the JVM did not open its attach "
	       "socket within 10 s\",\"hint\":\"a long pause\"}");
	assert_int_equal(load(b, &jar, "17.0.1", &err), -1);
	assert_int_equal(err.sys, ENOTCONN);
	assert_string_equal(err.msg, "the JVM did not open its attach socket within 10 s");
	assert_true(agent_is_out(&err));

	b = script();
	say_to(&b, 1, FRAME_ERROR,
	       "{\"code\":\"target\",\"errno\":107,\"message\":\"process 7 has ended\"}");
	assert_int_equal(load(b, &jar, "17.0.1", &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_true(agent_is_out(&err));
}

static void out(enum err_code code, int sys, bool is_out)
{
	const struct error err = {.code = code, .sys = sys};

	assert_int_equal(agent_is_out(&err), is_out);
}

static void test_what_is_left(void **state)
{
	(void)state;
	out(ERR_USAGE, 0, true);
	out(ERR_REFUSED, 0, true);
	out(ERR_ATTACH, ENOEXEC, true);
	out(ERR_ATTACH, ENOTCONN, true);
	out(ERR_ATTACH, ECANCELED, false);
	out(ERR_ATTACH, ETIMEDOUT, false);
	out(ERR_ATTACH, ESRCH, false);
	out(ERR_ATTACH, 0, false);
	out(ERR_TARGET, ENOTCONN, true);
	out(ERR_NODE, ENOTCONN, true);
	out(ERR_CAPTURE, ENOTCONN, true);
	out(ERR_FAILED, ENOTCONN, true);
	out(ERR_TARGET, 0, false);
	out(ERR_NODE, EIO, false);
	out(ERR_FAILED, ETIMEDOUT, false);
	out(ERR_SSH, ENOTCONN, false);
	out(ERR_INTERRUPTED, ENOTCONN, false);
	out(ERR_INTERRUPTED, 0, false);
}

/* Nothing is sent that does not fit. */
static void test_nothing_is_asked(void **state)
{
	const struct agent_request r = {.kind = AGENT_JAR, .path = "/x=y/a.jar", .options = ""};
	struct error err;

	(void)state;
	assert_int_equal(load(script(), &r, "17.0.1", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

/* printflag, and on 21 and later all flags. */
static int allowed(const char *version, const char *flag, const char *flags, bool *warns,
		   struct error *err)
{
	struct jvmref j = {.pid = 7, .start_time = 8};
	struct buf b = script();
	struct node n;
	int rc;

	snprintf(j.version, sizeof(j.version), "%s", version);
	*err = (struct error){0};
	say_data(&b, 1, 0, flag);
	say_end(&b, 1, 0, flag);
	if (flags) {
		say_data(&b, 2, 0, flags);
		say_end(&b, 2, 0, flags);
	}
	n.fake = (struct fake){0};
	node_start(&n, b);
	rc = agent_check_allowed(n.helper, &j, warns, err);
	node_stop(&n);
	return rc;
}

#define FLAG_LINE(origin)                                                                        \
	"     bool EnableCompiler = true {product} {command line}\n"                             \
	"     bool EnableDynamicAgentLoading                = true     {product} {" origin "}\n" \
	"     bool Other = true {product} {command line}\n"

static void test_allowed(void **state)
{
	struct error err;
	bool warns = true;

	(void)state;
	assert_int_equal(allowed("1.8.0_1", "no such flag 'EnableDynamicAgentLoading'\n", NULL,
				 &warns, &err),
			 0);
	assert_false(warns);
	warns = true;
	assert_int_equal(allowed("17.0.1", "-XX:+EnableDynamicAgentLoading\n", NULL, &warns, &err),
			 0);
	assert_false(warns);
	assert_int_equal(allowed("17.0.1", "-XX:-EnableDynamicAgentLoading\n", NULL, &warns, &err),
			 -1);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, ENOEXEC);
	assert_int_equal(allowed("21.0.1", "-XX:+EnableDynamicAgentLoading\n", FLAG_LINE("default"),
				 &warns, &err),
			 0);
	assert_true(warns);
	assert_int_equal(allowed("", "-XX:+EnableDynamicAgentLoading\n", FLAG_LINE("command line"),
				 &warns, &err),
			 0);
	assert_false(warns);
	assert_int_equal(allowed("25", "-XX:+EnableDynamicAgentLoading\n", FLAG_LINE("environment"),
				 &warns, &err),
			 0);
	assert_true(warns);
	assert_int_equal(allowed("17.0.1", "rubbish\n", NULL, &warns, &err), -1);
	assert_int_equal(err.code, ERR_ATTACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jar),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_module),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_module_options),
		cmocka_unit_test(test_end_of_the_jvm),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_never_reached),
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_nothing_is_asked),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
