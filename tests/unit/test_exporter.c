/* jdiag: ports, names of jars, whose exporter it is, how a container has ended */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "jdiag/exporter/before.h"
#include "jdiag/exporter/find.h"
#include "jdiag/exporter/page.h"
#include "jdiag/exporter/port.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/json.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct error err;

static json_t *object(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

/* ---- ports ---- */

static void test_ranges(void **state)
{
	struct port_range r;

	(void)state;
	assert_int_equal(port_range_parse(NULL, &r, &err), 0);
	assert_true(r.first == 9404 && r.last == 9404);
	assert_int_equal(port_range_parse("1024", &r, &err), 0);
	assert_true(r.first == 1024 && r.last == 1024);
	assert_int_equal(port_range_parse("9404-65535", &r, &err), 0);
	assert_true(r.first == 9404 && r.last == 65535);
}

static void assert_bad_range(const char *text, const char *why)
{
	struct port_range r = {1, 2};

	err = (struct error){0};
	assert_int_equal(port_range_parse(text, &r, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, why));
	assert_string_equal(err.hint, "a port from 1024 to 65535, or a range like 9404-9499");
	assert_int_equal(r.first, 1);
}

static void test_bad_ranges(void **state)
{
	(void)state;
	assert_bad_range("80", "privileged");
	assert_bad_range("1023-9404", "privileged");
	assert_bad_range("0", "no such port");
	assert_bad_range("65536", "no such port");
	assert_bad_range("9404-65536", "no such port");
	assert_bad_range("9499-9404", "ends before it begins");
	assert_bad_range("http", "not a number");
	assert_bad_range("9404-", "not a number");
	assert_bad_range("-9404", "not a number");
	assert_bad_range("9404-9410-9420", "not a number");
	assert_bad_range(" 9404", "not a number");
	assert_bad_range("000000000000000000000000000009404", "not a number");
}

static void test_free_ports(void **state)
{
	auto_json json_t *survey = object("{\"listening\": [{\"address\": \"::\", \"port\": 9404},"
					  "{\"address\": \"0.0.0.0\", \"port\": 9405}],"
					  "\"own\": [9405]}");
	auto_json json_t *pod = object(
		"{\"spec\": {\"containers\": [{\"name\": \"app\", \"ports\": ["
		"{\"containerPort\": 9406}, {\"containerPort\": 9407, \"protocol\": \"UDP\"}]}],"
		"\"initContainers\": [{\"name\": \"mesh\", \"ports\": [{\"containerPort\": "
		"9408, \"protocol\": \"TCP\"}]}]}}");
	uint16_t port;

	(void)state;
	assert_int_equal(port_check(9404, survey, pod, &err), -1);
	assert_string_equal(err.msg, "port 9404 is in use: somebody else listens there");
	assert_int_equal(err.sys, EADDRINUSE);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(port_check(9405, survey, pod, &err), -1);
	assert_string_equal(err.msg, "port 9405 is in use: the JVM itself listens there");
	assert_int_equal(port_check(9406, survey, pod, &err), -1);
	assert_string_equal(err.msg, "port 9406 is a containerPort of 'app'");
	assert_int_equal(port_check(9407, survey, pod, &err), 0);
	assert_int_equal(port_check(9408, survey, pod, &err), -1);
	assert_string_equal(err.msg, "port 9408 is a containerPort of 'mesh'");
	assert_int_equal(port_check(9406, survey, NULL, &err), 0);

	assert_int_equal(port_choose(&(struct port_range){9404, 9499}, survey, pod, &port, &err),
			 0);
	assert_int_equal(port, 9407);
	assert_int_equal(port_choose(&(struct port_range){9404, 9406}, survey, pod, &port, &err),
			 -1);
	assert_string_equal(err.msg, "no port from 9404 to 9406 is free");
	assert_int_equal(port_choose(&(struct port_range){9404, 9404}, survey, pod, &port, &err),
			 -1);
	assert_non_null(strstr(err.msg, "9404 is in use"));
	assert_int_equal(port_choose(&(struct port_range){65535, 65535}, survey, pod, &port, &err),
			 0);
	assert_int_equal(port, 65535);
}

static void test_ports_that_cannot_be_had(void **state)
{
	auto_json json_t *free_one = object("{\"bind\": 0}"), *old = object("{}");
	auto_json json_t *given = object("{\"next\": 61000}"), *last = object("{\"next\": 0}");
	auto_json json_t *used = object("{\"bind\": 98}"), *kept = object("{\"bind\": 13}");

	(void)state;
	assert_int_equal(port_check_bind(9404, free_one, &err), 0);
	assert_int_equal(port_check_bind(9404, old, &err), 0);
	assert_int_equal(port_check_bind(9404, used, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_non_null(strstr(err.msg, "port 9404 is in use: nobody listens there"));
	assert_int_equal(port_check_bind(9404, kept, &err), -1);
	assert_int_equal(err.sys, EACCES);
	assert_int_equal(port_check_kept(40000, given, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, "that the kernel gives to connections"));
	assert_int_equal(port_check_kept(61000, given, &err), 0);
	assert_int_equal(port_check_kept(65535, last, &err), -1);
	assert_int_equal(port_check_bind(9404, kept, &err), -1);
	assert_non_null(strstr(err.msg, "the JVM cannot listen on port 9404"));
	assert_non_null(strstr(err.hint, "--port"));
}

/* ---- whose it is ---- */

static void test_names_of_jars(void **state)
{
	char name[101], version[64];

	(void)state;
	assert_true(exporter_jar_name(name, "1.0.1", SHA));
	assert_string_equal(name, "jmx_prometheus_javaagent-1.0.1-0123456789ab.jar");
	assert_true(exporter_jar_version("/tmp/.jdiag-agents/jmx_prometheus_javaagent-0.20.0-"
					 "0123456789ab.jar",
					 version));
	assert_string_equal(version, "0.20.0");
	assert_false(exporter_jar_name(name, "", SHA));
	assert_false(exporter_jar_name(name, "../1", SHA));
	assert_false(exporter_jar_name(name, "1-0", SHA));
	assert_false(exporter_jar_name(name,
				       "11111111111111111111111111111111111111111111111111111111111"
				       "111111111111111111",
				       SHA));
	assert_false(exporter_jar_version("/opt/jmx_prometheus_javaagent-1.0.1.jar", version));
	assert_false(exporter_jar_version("/jmx_prometheus_javaagent--0123456789ab.jar", version));
	assert_false(
		exporter_jar_version("/jmx_prometheus_javaagent-1 0-0123456789ab.jar", version));
	assert_false(
		exporter_jar_version("/jmx_prometheus_javaagent-1.0-0123456789ag.jar", version));
	assert_false(exporter_jar_version("/a.jar", version));
	assert_false(exporter_jar_version("", version));
}

static void assert_seen(const char *survey, enum exporter_owner owner, const char *what)
{
	auto_json json_t *s = object(survey);
	struct exporter_found f;

	exporter_find_seen(s, &f);
	assert_int_equal(f.owner, owner);
	assert_string_equal(f.what, what);
}

static void test_what_is_seen(void **state)
{
	(void)state;
	assert_seen("{\"jars\": [\"/app.jar\"], \"agents\": [\"/opt/apm.jar\"]}", EXPORTER_NONE,
		    "");
	assert_seen("{\"jars\": [], \"agents\": [\"/opt/jmx_prometheus_javaagent-0.3.1.jar\"]}",
		    EXPORTER_AT_START, "/opt/jmx_prometheus_javaagent-0.3.1.jar");
	assert_seen("{\"jars\": [\"/opt/jmx_prometheus_javaagent_java6-0.16.1.jar\"]}",
		    EXPORTER_SOMEBODY, "/opt/jmx_prometheus_javaagent_java6-0.16.1.jar");
	assert_seen("{\"jars\": [\"/a.jar\", \"/t/jmx_prometheus_javaagent-1.0.1-0123456789ab.jar"
		    "\"], \"agents\": []}",
		    EXPORTER_OURS, "/t/jmx_prometheus_javaagent-1.0.1-0123456789ab.jar");
	/* an option of another agent that only has such a directory */
	assert_seen("{\"jars\": [\"/jmx_prometheus_javaagent/a.jar\"]}", EXPORTER_NONE, "");
}

static bool has_class(const char *text)
{
	char name[256];

	return exporter_class_in(text, strlen(text), name);
}

static void test_classes(void **state)
{
	char name[256];

	(void)state;
	assert_true(has_class("|--io.prometheus.jmx.JavaAgent/0x000055d2\n"));
	assert_true(has_class("io.prometheus.jmx.JavaAgent"));
	assert_true(has_class(" 812:  1  16  io.prometheus.jmx.BuildInfoCollector\n"));
	assert_true(has_class(" 812:  1  16  io.prometheus.jmx.BuildInfoMetrics (app)\n"));
	assert_true(exporter_class_in("a\nx.y.io.prometheus.jmx.JavaAgent/null\n", 38, name));
	assert_string_equal(name, "x.y.io.prometheus.jmx.JavaAgent");
	assert_false(has_class("|--io.prometheus.jmx.JavaAgentOfMine/0x1\n"));
	assert_false(has_class("|--myio.prometheus.jmx.JavaAgent/0x1\n"));
	assert_false(has_class("|--io.prometheus.jmx.JmxCollector/0x1\n"));
	assert_false(has_class("|--io.prometheus.jmx.JavaAgent$1/0x1\n"));
	assert_true(has_class(" 9:  1  16  io.prometheus.jmx.shaded.org.yaml.snakeyaml.Yaml\n"));
	assert_false(has_class(""));
	/* not behind its end */
	assert_false(exporter_class_in("io.prometheus.jmx.JavaAgent", 26, name));
}

static void test_library(void **state)
{
	char name[256];

	(void)state;
	assert_true(
		exporter_library_in("|--io.prometheus.metrics.core.metrics.Gauge/0x1\n", 46, name));
	assert_string_equal(name, "io.prometheus.metrics.core.metrics.Gauge");
	assert_false(
		exporter_library_in("|--my.io.prometheus.metrics.core.metrics.Gauge\n", 46, name));
	assert_false(exporter_library_in("|--io.prometheus.metricsofmine.Gauge\n", 36, name));
	assert_false(exporter_library_in("io.prometheus.metrics.", 22, name));
	assert_false(exporter_library_in("|--io.prometheus.client.Gauge\n", 29, name));
}

static void test_place_of_the_configuration(void **state)
{
	auto_free char *path = exporter_config_path("/tmp/.jdiag-agents/a-1.0.jar", 9404, 17);
	auto_free char *root = exporter_config_path("/a.jar", 65535, UINT64_MAX);
	auto_free char *end = exporter_config_like("/tmp/.jdiag-agents/a-1.0.jar", 17);

	(void)state;
	assert_string_equal(path, "/tmp/.jdiag-agents/jmx-9404-17.yaml");
	assert_string_equal(root, "/jmx-65535-18446744073709551615.yaml");
	assert_string_equal(end, "/tmp/.jdiag-agents/-17.yaml");
	assert_int_equal(exporter_config_port("jmx-9500-17.yaml"), 9500);
	assert_int_equal(exporter_config_port("jmx-65536-17.yaml"), 0);
	assert_int_equal(exporter_config_port("jmx--17.yaml"), 0);
	assert_int_equal(exporter_config_port(""), 0);
}

/* ---- pages ---- */

static int page(const char *text)
{
	struct prom_summary s;

	err = (struct error){0};
	if (prom_parse(text, strlen(text), "text/plain; version=0.0.4", &s, &err) < 0)
		fail_msg("%s", err.msg);
	return exporter_page_check(&s, &err);
}

/* Other libraries have jvm_*, too, and programs a jmx_*. */
static void test_whose_page(void **state)
{
	(void)state;
	assert_int_equal(page("jmx_scrape_error 0.0\njvm_threads_current 12.0\n"), 0);
	assert_int_equal(page("jmx_scrape_error 0.0\n"), 0);
	assert_int_equal(page("jmx_scrape_error 1.0\njvm_threads_current 12.0\n"), -1);
	assert_non_null(strstr(err.msg, "could not read the MBeans"));
	assert_int_equal(page("jvm_threads_live_threads 12.0\njmx_connections 1\n"), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_non_null(strstr(err.msg, "no jmx_scrape_error in it"));
	assert_int_equal(page("a 1\n"), -1);
	assert_int_equal(page("# nothing\n"), -1);
	assert_non_null(strstr(err.msg, "no samples"));
}

/* Counters of a page, as they come, and what is made of each: "." wait, "+" done, "-" refused. */
struct page {
	double reloads, failures;
};

static void assert_reload(const struct page *pages, size_t n, const char *want)
{
	struct exporter_reload r;
	struct prom_summary s = {.reloads = pages[0].reloads, .reload_failures = pages[0].failures};

	exporter_reload_begin(&r, &s);
	assert_int_equal(strlen(want), n - 1);
	for (size_t i = 1; i < n; i++) {
		s.reloads = pages[i].reloads;
		s.reload_failures = pages[i].failures;
		assert_int_equal(exporter_reload_see(&r, &s), want[i - 1] == '.' ? RELOAD_WAIT
							      : want[i - 1] == '+'
								      ? RELOAD_DONE
								      : RELOAD_REFUSED);
	}
}

#define ASSERT_RELOAD(want, ...)                          \
	assert_reload((const struct page[]){__VA_ARGS__}, \
		      sizeof((const struct page[]){__VA_ARGS__}) / sizeof(struct page), want)

static void test_reloads(void **state)
{
	(void)state;
	/* 0.20: at once; 1.0: a page later */
	ASSERT_RELOAD("+", {0, 0}, {1, 0});
	ASSERT_RELOAD(".+", {0, 0}, {0, 0}, {1, 0});
	ASSERT_RELOAD(".+", {NAN, NAN}, {NAN, NAN}, {1, NAN});
	/* refused: each page tries again */
	ASSERT_RELOAD(".-", {0, 0}, {0, 1}, {0, 2});
	ASSERT_RELOAD("..-", {0, 0}, {0, 0}, {0, 0}, {0, 1});
	ASSERT_RELOAD("..-", {NAN, NAN}, {NAN, NAN}, {NAN, NAN}, {NAN, 1});
	/* an earlier one was refused: what has grown by that is none of this one's */
	ASSERT_RELOAD(".+", {3, 7}, {3, 8}, {4, 8});
	ASSERT_RELOAD("+", {3, 7}, {4, 8});
	ASSERT_RELOAD(".-", {3, 7}, {3, 8}, {3, 9});
	ASSERT_RELOAD("...", {3, 7}, {3, 7}, {3, 7}, {3, 7});
}

static void assert_hint(int sys, bool named)
{
	struct error e = {.code = ERR_FAILED, .sys = sys, .hint = "look there"};

	assert_int_equal(exporter_page_hint(&e), -1);
	assert_int_equal(strstr(e.hint, "includeObjectNames") != NULL, named);
	assert_int_equal(strcmp(e.hint, "look there") == 0, !named);
}

static void test_large_pages(void **state)
{
	(void)state;
	assert_hint(EFBIG, true);
	assert_hint(ETIMEDOUT, true);
	assert_hint(EPROTO, false);
	assert_hint(ECONNREFUSED, false);
}

/* ---- versions, options ---- */

static void test_versions(void **state)
{
	(void)state;
	assert_true(exporter_version_less("0.3.1", "0.20.0"));
	assert_true(exporter_version_less("0.20.0", "1.0.1"));
	assert_true(exporter_version_less("1.0.1", "1.0.1-SNAPSHOT") ||
		    exporter_version_less("1.0.1-SNAPSHOT", "1.0.1"));
	assert_false(exporter_version_less("1.0.1", "1.0.1"));
	assert_false(exporter_version_less("1.0.10", "1.0.9"));
	assert_true(exporter_version_less("1.0", "1.0.1"));
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(exporter_check_options("9404:/tmp/.jdiag-agents/jmx-9404.yaml", &err), 0);
	assert_int_equal(exporter_check_options("9404:/a b:c=d", &err), 0);
	assert_int_equal(exporter_check_options("9404:relative", &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(exporter_check_options("/a", &err), -1);
	assert_int_equal(exporter_check_options("9404:/a\nb", &err), -1);
	assert_int_equal(exporter_check_options("9404:/a\xc2\x85", &err), -1);
	assert_int_equal(exporter_check_options("123456:/a", &err), -1);
}

/* ---- the end of a container ---- */

static void test_ended(void **state)
{
	const struct error gone = {.code = ERR_TARGET},
			   attached = {.code = ERR_ATTACH, .sys = ESRCH},
			   refused = {.code = ERR_REFUSED}, link = {.code = ERR_SSH};

	(void)state;
	assert_true(exporter_jvm_ended(&gone));
	assert_true(exporter_jvm_ended(&attached));
	assert_false(exporter_jvm_ended(&refused));
	assert_false(exporter_jvm_ended(&link));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_free_ports),
		cmocka_unit_test(test_ports_that_cannot_be_had),
		cmocka_unit_test(test_names_of_jars),
		cmocka_unit_test(test_what_is_seen),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_whose_page),
		cmocka_unit_test(test_reloads),
		cmocka_unit_test(test_large_pages),
		cmocka_unit_test(test_place_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
