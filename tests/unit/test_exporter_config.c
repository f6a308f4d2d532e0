/* jdiag */
#include "jdiag/exporter/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define ALL 0xf
#define OF(g) (1u << (g))
#define NEW (OF(EXPORTER_0_20) | OF(EXPORTER_1_0))
#define OLD (OF(EXPORTER_0_3) | OF(EXPORTER_0_12))

static void check(const char *yaml, unsigned int generations)
{
	for (enum exporter_generation g = EXPORTER_0_3; g <= EXPORTER_1_0; g++) {
		struct error err = {0};
		int rc = exporter_config_check(yaml, strlen(yaml), "c", g, &err);

		if ((rc == 0) != (generations >> g & 1))
			fail_msg("generation %d: %d %s\n%s", (int)g, rc, err.msg, yaml);
	}
}

static void good(const char *yaml)
{
	check(yaml, ALL);
}

/* Refused by the generations; why for each of them. */
static void bad_in(unsigned int generations, const char *yaml, const char *why)
{
	check(yaml, ALL & ~generations);
	for (enum exporter_generation g = EXPORTER_0_3; g <= EXPORTER_1_0; g++) {
		struct error err = {0};

		if (!(generations >> g & 1))
			continue;
		assert_int_equal(exporter_config_check(yaml, strlen(yaml), "c", g, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, why) || strncmp(err.msg, "c, line ", 8) != 0)
			fail_msg("'%s' lacks '%s'\n%s", err.msg, why, yaml);
	}
}

static void bad(const char *yaml, const char *why)
{
	bad_in(ALL, yaml, why);
}

static void rule(const char *keys, const char *why)
{
	auto_free char *yaml = xasprintf("rules:\n- %s\n", keys);

	if (why)
		bad(yaml, why);
	else
		good(yaml);
}

static void taken(void **state)
{
	(void)state;
	good(exporter_default_config);
	good("{}");
	good("---\nrules: []\n...\n");
	good("# a comment\twith a tab\nrules:\n- pattern: \".*\" # another\n");
	good("startDelaySeconds: 0\nlowercaseOutputName: yes\nlowercaseOutputLabelNames: Off\n"
	     "ssl: false\nusername: u\npassword: \"5\"\n"
	     "whitelistObjectNames: [\"java.lang:*\", 'a:b=c']\nblacklistObjectNames: []\n");
	good("rules:\n"
	     "- pattern: 'java.lang<type=Memory><HeapMemoryUsage>(\\w+)'\n"
	     "  name: heap_$1\n  type: GAUGE\n  help: The heap's $1\n  valueFactor: 0.001\n"
	     "  labels:\n    pool: \"$1\"\n    \"$1\": x\n  attrNameSnakeCase: true\n"
	     "- pattern: (a)\n  name: b\n  value: $1\n  type: UNTYPED\n"
	     "- pattern: (a)\n  value: 1\n  name: ''\n"
	     "- {}\n");
	good("rules:\n- &a\n  pattern: (x)\n  name: n\n- <<: *a\n  name: m_$1\n- *a\n"
	     "- <<: [*a, {type: GAUGE}]\n");
	check("httpServer:\n  threads: {minimum: 1, maximum: \"10\", keepAliveTime: 120}\n", NEW);
	check("includeObjectNames: []\nexcludeObjectNames: ['java.nio:*']\n"
	      "excludeObjectNameAttributes:\n  java.lang:type=Runtime: [ClassPath, BootClassPath]\n"
	      "autoExcludeObjectNameAttributes: false\n",
	      NEW);
}

static void yaml_of_another_kind(void **state)
{
	(void)state;
	bad("", "there is nothing in it");
	bad("# nothing\n", "there is nothing in it");
	bad("~\n", "no map");
	bad("- a\n", "no map");
	bad("- [a]\n- {b: c}\n", "no map");
	bad("a: [\n", "not YAML");
	bad("rules: [}\n", "not YAML");
	bad("rules: []\n---\nrules: []\n", "second document");
	bad("%YAML 1.1\n---\nrules: []\n", "directive");
	bad("rules: !!seq []\n", "a tag");
	bad("rules: !x {}\n", "a tag");
	bad("username: !!str 5\n", "a tag");
	bad("rules: []\nrules: []\n", "twice");
	bad("5: a\n", "no text");
	bad("? [a]\n: b\n", "no text");
	bad("rules:\t[]\n", "a tab");
	bad("username: a\tb\n", "a tab");
	bad("username: a#b\tc\n", "a tab");
	bad("username: |\n  a\tb\n", "a tab");
	good("username: \"a\tb\"\n");
	bad("\xef\xbb\xbfrules: []\n", "byte order mark");
	bad("# caf\xc3\xa9\nrules: []\n", "not ASCII");
	bad("username: \"a\\/b\"\n", "escape");
	bad("username: \"a\\0b\"\n", "NUL");
	bad("rules: *a\n", "anchor that is not there");
	bad("rules: &a [*a]\n", "or of itself");
	bad("rules: [&a {}, &a {}]\n", "twice");
	bad("whitelistObjectNames: [java.lang:type=Memory]\n", "in quotes");
	bad("rules:\n- <<: 5\n", "takes a map");
	bad("rules:\n- <<: {pattern: a}\n  <<: {name: b}\n", "no text");
	bad("rules:\n- &a\n  <<: {pattern: a}\n- <<: *a\n", "'<<' itself");
}

static void control_characters(void **state)
{
	const char text[] = "username: a\0b\n", bell[] = "# \a\nrules: []\n";
	struct error err = {0};

	(void)state;
	assert_int_equal(exporter_config_check(text, sizeof(text) - 1, "c", EXPORTER_1_0, &err),
			 -1);
	assert_string_equal(err.msg, "c, line 1: a control character, 0x00");
	bad(bell, "line 1: a control character, 0x07");
}

static void too_much(void **state)
{
	auto_buf struct buf b = BUF_INIT(4 * MiB);
	struct error err = {0};

	(void)state;
	buf_adds(&b, "rules: ");
	for (int i = 0; i < 30; i++)
		buf_adds(&b, "[");
	for (int i = 0; i < 30; i++)
		buf_adds(&b, "]");
	bad(buf_str(&b), "nested too deep");
	buf_reset(&b);
	buf_adds(&b, "rules:\n- &a {pattern: x}\n");
	for (int i = 0; i < 50; i++)
		buf_adds(&b, "- *a\n");
	good(buf_str(&b));
	buf_adds(&b, "- *a\n");
	bad(buf_str(&b), "more than 50 aliases");
	buf_reset(&b);
	while (b.len < 2 * MiB)
		buf_adds(&b, "# filler\n");
	assert_int_equal(exporter_config_check(buf_str(&b), b.len, "c", EXPORTER_1_0, &err), -1);
	assert_string_equal(err.msg, "c is larger than 1 MiB");
}

static void keys(void **state)
{
	struct error err = {0};
	const char *typo = "\n\nlowercaseOutputNames: true\n";

	(void)state;
	bad("hostPort: localhost:1\n", "an agent end its JVM");
	bad("jmxUrl: ''\n", "an agent end its JVM");
	bad("rule: []\n", "knows no 'rule'");
	bad_in(OLD, "includeObjectNames: []\n", "does not know");
	bad_in(OLD, "httpServer: {}\n", "does not know");
	bad_in(OLD, "rules: [{cache: true, pattern: a}]\n", "does not know");
	bad_in(ALL, "includeObjectNames: []\nwhitelistObjectNames: []\n", "");
	assert_int_equal(exporter_config_check(typo, strlen(typo), "c", EXPORTER_1_0, &err), -1);
	assert_non_null(strstr(err.msg, "c, line 3: the exporter knows no 'lowercaseOutputNames'"));
	assert_string_equal(err.hint, "did you mean 'lowercaseOutputName'?");
}

static void types(void **state)
{
	(void)state;
	bad("startDelaySeconds: '0'\n", "whole number");
	bad("startDelaySeconds: 1_0\n", "whole number");
	bad("startDelaySeconds: 120\n", "every scrape would fail");
	bad("username: 5\n", "put it in quotes");
	bad("username: 1:30\n", "put it in quotes");
	bad("username: 2001-01-01\n", "put it in quotes");
	bad("username: yes\n", "put it in quotes");
	bad("username: .inf\n", "put it in quotes");
	bad("username: =\n", "put it in quotes");
	bad("username:\n", "has no value");
	bad("username: ~\n", "has no value");
	bad("username: []\n", "not a text");
	bad("lowercaseOutputName: 'true'\n", "not true or false");
	bad("lowercaseOutputName: y\n", "not true or false");
	bad("lowercaseOutputName:\n", "not true or false");
	bad("rules:\n", "no list");
	bad("rules: {}\n", "no list");
	bad("rules:\n-\n", "no map");
	bad("rules:\n- x\n", "no map");
	bad("whitelistObjectNames: 'a:*'\n", "no list");
	bad("whitelistObjectNames: [5]\n", "put it in quotes");
	bad("whitelistObjectNames: ['java.lang']\n", "has no ':'");
	check("excludeObjectNameAttributes: {'a:b=c': []}\n", NEW);
	check("excludeObjectNameAttributes: {'a:b=c': [5]}\n", 0);
	check("excludeObjectNameAttributes: {'a': []}\n", 0);
	check("excludeObjectNameAttributes: []\n", 0);
}

static void rules(void **state)
{
	(void)state;
	rule("{name: a}", "'name' but without 'pattern'");
	rule("{value: 1}", "'value' but without 'pattern'");
	rule("{pattern: a, help: b}", "'help' but without 'name'");
	rule("{pattern: a, labels: {}}", "'labels' but without 'name'");
	rule("pattern: 5", "put it in quotes");
	rule("pattern: '('", "'pattern' is not a regular expression");
	rule("{pattern: a, name: $1}", "'name' has $1");
	rule("{pattern: a, name: b, help: $1}", "'help' has $1");
	rule("{pattern: a, value: $1}", "'value' has $1");
	rule("{pattern: a, name: b, labels: {c: $1}}", "'labels' has $1");
	rule("{pattern: a, name: b, labels: {$1: c}}", "'labels' has $1");
	rule("{pattern: a, name: b, labels: {c: 5}}", "put it in quotes");
	rule("{pattern: a, name: b, labels: {c: }}", "has no value");
	rule("{pattern: a, name: b, labels: []}", "no map");
	rule("{pattern: a, name: b, labels: {no: c}}", "a key that is no text");
	rule("{pattern: a, name: b, labels: {x-y: c, x_y: d}}", "both called 'x_y'");
	rule("{pattern: a, name: b, labels: {'x:y': c}}", "':' in it");
	rule("{pattern: a, name: b, labels: {Xy: c, xy: d}}", NULL);
	bad("lowercaseOutputLabelNames: true\nrules:\n"
	    "- {pattern: a, name: b, labels: {Xy: c, xy: d}}\n",
	    "both called 'xy'");
	rule("{pattern: a, value: x}", "nothing would be exported");
	rule("{pattern: a, value: 010}", "nothing would be exported");
	rule("{pattern: a, value: true}", "nothing would be exported");
	rule("{pattern: a, value: -1.5e-3}", NULL);
	rule("{pattern: a, valueFactor: 0x10}", "no number");
	rule("{pattern: a, valueFactor: [1]}", "no number");
	rule("{pattern: a, valueFactor: '0.5'}", NULL);
	rule("{pattern: a, type: gauge}", "none of COUNTER");
	rule("{pattern: a, type: 5}", "put it in quotes");
	check("rules: [{type: UNKNOWN}]\n", NEW);
	check("rules: [{type: SUMMARY}]\n", ALL & ~OF(EXPORTER_1_0));
	bad_in(OF(EXPORTER_1_0), "rules: [{pattern: a, type: COUNTER, valueFactor: -1}]\n",
	       "negative");
	bad_in(OF(EXPORTER_1_0), "rules: [{pattern: a, name: jvm_threads_started_total}]\n",
	       "that of a metric");
	bad_in(OF(EXPORTER_1_0),
	       "lowercaseOutputName: true\nrules: [{pattern: a, name: JVM--threads_state}]\n",
	       "that of a metric");
	bad_in(OF(EXPORTER_0_3), "rules: [{pattern: a, name: '5xx'}]\n", "begins with");
}

static void http_server(void **state)
{
	(void)state;
	bad_in(NEW | OLD, "httpServer: {ssl: {}}\n", "");
	bad_in(NEW | OLD, "httpServer: {authentication: {}}\n", "");
	bad_in(NEW | OLD, "httpServer: {threads: {}}\n", "");
	bad_in(NEW | OLD, "httpServer: {threads: {minimum: 1, maximum: 2}}\n", "");
	bad_in(NEW | OLD, "httpServer: {threads: {minimum: 2, maximum: 1, keepAliveTime: 1}}\n",
	       "");
	bad_in(NEW | OLD, "httpServer: {threads: {minimum: 0, maximum: 0, keepAliveTime: 1}}\n",
	       "");
	bad_in(NEW | OLD, "httpServer: {threads: {minimum: 0, maximum: x, keepAliveTime: 1}}\n",
	       "");
	bad_in(NEW | OLD, "httpServer: {thread: {}}\n", "");
	check("httpServer: {threads: {minimum: 0, maximum: 1, keepAliveTime: 1}}\n", NEW);
	check("httpServer: {}\n", NEW);
}

/* A value of the file may be a secret. */
static void values_stay_secret(void **state)
{
	static const char *const files[] = {
		"username: u\npassword: 123456789012\n",
		"password: [hunter2, hunter2]\n",
		"password: \"hunter2\\/\"\n",
		"whitelistObjectNames: [hunter2]\n",
		"rules: [{pattern: hunter2(}]\n",
		"rules: [{pattern: a, name: $hunter2}]\n",
		"rules: [{pattern: a, type: hunter2}]\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct error err = {0};

		assert_int_equal(
			exporter_config_check(files[i], strlen(files[i]), "c", EXPORTER_1_0, &err),
			-1);
		if (strstr(err.msg, "hunter2") || strstr(err.msg, "123456"))
			fail_msg("%s", err.msg);
	}
}

static void generation(const char *version, int expected)
{
	enum exporter_generation g = EXPORTER_0_3;
	struct error err = {0};
	int rc = exporter_generation(version, &g, &err);

	if (expected < 0 ? rc == 0 || err.code != ERR_USAGE : rc != 0 || (int)g != expected)
		fail_msg("%s: %d %d %s", version, rc, (int)g, err.msg);
}

static void versions(void **state)
{
	(void)state;
	generation("0.3.1", EXPORTER_0_3);
	generation("0.4", EXPORTER_0_12);
	generation("0.12.0", EXPORTER_0_12);
	generation("0.16.1", EXPORTER_0_12);
	generation("0.17.2", EXPORTER_0_20);
	generation("0.20.0", EXPORTER_0_20);
	generation("1.0.1", EXPORTER_1_0);
	generation("1.0.1-SNAPSHOT", EXPORTER_1_0);
	generation("1.5.0", EXPORTER_1_0);
	generation("0.2.1", -1);
	generation("", -1);
	generation("1", -1);
	generation("v1.0", -1);
	generation("1.0x", -1);
	generation("-1.0", -1);
	generation("99999999999999999999.0", -1);
}

/* What is said on stderr about a version. */
static void says(const char *version, const char *what)
{
	int kept = dup(STDERR_FILENO), ends[2];
	enum exporter_generation g;
	char text[500] = "";
	struct error err = {0};

	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	assert_int_equal(exporter_generation(version, &g, &err), 0);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	assert_true(read(ends[0], text, sizeof(text) - 1) >= 0);
	close(ends[0]);
	if (*what ? !strstr(text, what) : *text)
		fail_msg("'%s'", text);
}

static void newer_ones_are_warned_of(void **state)
{
	(void)state;
	assert_int_equal(log_level, LOG_WARN);
	says("1.0.1", "");
	says("1.1.0", "exporter 1.1.0 is newer than what jdiag knows");
	says("2.0", "exporter 2.0 is newer than what jdiag knows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),
		cmocka_unit_test(yaml_of_another_kind),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(too_much),
		cmocka_unit_test(keys),
		cmocka_unit_test(types),
		cmocka_unit_test(rules),
		cmocka_unit_test(http_server),
		cmocka_unit_test(values_stay_secret),
		cmocka_unit_test(versions),
		cmocka_unit_test(newer_ones_are_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
