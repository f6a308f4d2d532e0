/* jdiag: what of a program is in the exporter's way, in the words of JVMs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "jdiag/exporter/find.h"
#include "jdiag/exporter/program.h"
#include "jdiag/exporter/properties.h"
#include "jdiag/exporter/walk.h"
#include "jdiag/json.h"
#include "tests/unit/scripted_node.h"

#define HEAD "#Sat Nov 21 17:00:00 UTC 2026\n"
#define ALL "java.base java.desktop java.instrument java.logging java.management jdk.httpserver"
#define ADDED "--add-modules=jdk.httpserver,java.management,java.logging"

static struct error err;

static int refused(int rc, const char *text)
{
	if (rc == 0)
		return 0;
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_REFUSED);
	if (!strstr(err.msg, text))
		fail_msg("'%s' does not say '%s'", err.msg, text);
	assert_true(err.hint[0]);
	return 1;
}

/* ---- properties ---- */

static void assert_property(const char *text, const char *name, const char *value)
{
	char *found = java_property(text, name);

	if (value)
		assert_string_equal(found, value);
	else
		assert_null(found);
	free(found);
}

static void test_properties(void **state)
{
	char name[256];

	(void)state;
	assert_property(HEAD "a=1\njava.class.path=/app\\:/b\\=c.jar\nz=\n", "java.class.path",
			"/app:/b=c.jar");
	assert_property(HEAD "a=1\nz=\n", "z", "");
	assert_property(HEAD "a\\=b=1\n", "a=b", "1");
	assert_property(HEAD "a=\\u00e4\\n\\\\\n", "a", "\\u00e4\n\\");
	assert_property(HEAD "ab=1\n", "a", NULL);
	assert_property(HEAD "b=a\\=1\n", "a", NULL);
	assert_property(HEAD "b=x\\na=1\n", "a", NULL);
	assert_property("", "a", NULL);
	assert_property("a", "a", "");
	assert_property("a=\\", "a", "\\");
	assert_true(java_property_begins(HEAD "a=io.prometheus\nio.prometheus.x=1\n",
					 "io.prometheus", name));
	assert_string_equal(name, "io.prometheus.x");
	assert_false(java_property_begins(HEAD "a=io.prometheus\n", "io.prometheus", name));
}

static void test_managers_by_property(void **state)
{
	(void)state;
	assert_false(refused(program_check_manager(HEAD "a=1\n", &err), ""));
	assert_false(refused(program_check_manager("java.security.manager=disallow\n", &err), ""));
	assert_true(refused(program_check_manager("java.security.manager=\n", &err),
			    "has a security manager"));
	assert_true(refused(program_check_manager("java.security.manager=a.B\n", &err),
			    "has a security manager"));
	assert_true(refused(program_check_manager("java.security.manager=allow\n", &err),
			    "may have set"));
}

static int settings(const char *properties, enum exporter_generation g)
{
	return refused(program_check_settings(properties, g, &err), "which exporter 1.0 takes");
}

static void test_settings(void **state)
{
	(void)state;
	assert_false(settings("a=1\n", EXPORTER_1_0));
	assert_true(settings("prometheus.config=/SECRET\n", EXPORTER_1_0));
	assert_null(strstr(err.msg, "SECRET"));
	assert_true(settings("io.prometheus.exporter.foo=SECRET\n", EXPORTER_1_0));
	assert_non_null(strstr(err.msg, "'io.prometheus.exporter.foo'"));
	assert_null(strstr(err.msg, "SECRET"));
	assert_false(settings("io.prometheus.exporter.foo=1\n", EXPORTER_0_20));
}

/* An empty one counts as none. */
static void test_providers(void **state)
{
	static const char own[] = "com.sun.net.httpserver.HttpServerProvider=a.SECRET\n"
				  "javax.management.builder.initial=a.SECRET\n";
	static const char jdk[] =
		"com.sun.net.httpserver.HttpServerProvider="
		"sun.net.httpserver.DefaultHttpServerProvider\n"
		"javax.management.builder.initial=javax.management.MBeanServerBuilder\n";

	(void)state;
	assert_true(refused(program_check_http(own, &err), "brings its own HTTP server"));
	assert_null(strstr(err.msg, "SECRET"));
	assert_true(refused(program_check_mbeans(own, &err), "brings its own MBean server"));
	assert_null(strstr(err.msg, "SECRET"));
	assert_false(refused(program_check_http(jdk, &err), ""));
	assert_false(refused(program_check_mbeans(jdk, &err), ""));
	assert_false(
		refused(program_check_mbeans("javax.management.builder.initial=\n", &err), ""));
	assert_false(refused(program_check_http(HEAD "a=1\n", &err), ""));
}

/* ---- the class path ---- */

static int class_path(const char *path, enum exporter_generation g)
{
	char text[1000];

	snprintf(text, sizeof(text), "java.class.path=%s\n", path);
	return refused(program_check_class_path(text, g, &err), "on its class path");
}

static void test_class_path(void **state)
{
	(void)state;
	assert_false(class_path("/app:/lib/simpleclient-0.16.0.jar:", EXPORTER_1_0));
	assert_false(class_path("", EXPORTER_1_0));
	assert_true(class_path("/a.jar:/l/prometheus-metrics-core-1.3.1.jar", EXPORTER_1_0));
	assert_non_null(strstr(err.msg, "('prometheus-metrics-core-1.3.1.jar')"));
	assert_non_null(strstr(err.hint, "0.20.0"));
	assert_false(class_path("/l/prometheus-metrics-core-1.3.1.jar", EXPORTER_0_20));
	assert_true(class_path("collector-0.12.0.jar", EXPORTER_0_20));
	assert_non_null(strstr(err.hint, "0.16.1"));
	assert_false(class_path("/l/collector-0.12.0.jar:/b", EXPORTER_0_12));
	assert_false(class_path("/prometheus-metrics-x/a.jar", EXPORTER_1_0));
	assert_false(class_path("/l/collector-api.jar", EXPORTER_1_0));
}

/* ---- modules ---- */

static int modules_of(enum exporter_generation g, const char *image, const char *main,
		      const char *options, const char *text)
{
	char properties[200], line[300];

	snprintf(properties, sizeof(properties), "a=1\n%s%s\n", *main ? "jdk.module.main=" : "",
		 main);
	snprintf(line, sizeof(line), "VM Arguments:\njvm_args: %s\njava_command: a\n", options);
	return refused(program_check_modules(image, properties, line, g, &err), text);
}

static int modules(const char *image, const char *main, const char *options, const char *text)
{
	return modules_of(EXPORTER_1_0, image, main, options, text);
}

static void test_modules(void **state)
{
	(void)state;
	assert_false(modules(ALL, "", "-Xmx64m", ""));
	assert_true(modules("java.base java.management java.instrument", "", "",
			    "runtime image has no module 'jdk.httpserver'"));
	assert_true(modules("java.base jdk.httpserver java.logging", "", "",
			    "no module 'java.management'"));
	assert_true(modules("java.base jdk.httpserver java.logging java.management", "", "",
			    "no module 'java.desktop'"));
	assert_non_null(
		strstr(err.hint, "jdk.httpserver,java.management,java.logging,java.desktop"));
	assert_true(modules("java.base java.desktop jdk.httpserverx java.logging java.management",
			    "", "", "'jdk.httpserver'"));
	assert_true(modules("", "", "", "not known which modules"));
}

/* -m: only what it needs, and what was added. */
static void test_added_modules(void **state)
{
	(void)state;
	assert_true(modules(ALL, "app", "", "(-m)"));
	assert_true(modules(ALL, "app", "--add-modules=jdk.httpserver", "'java.management'"));
	assert_true(modules(ALL, "app", ADDED, "'java.desktop'"));
	assert_string_equal(err.hint, "start it with --add-modules "
				      "jdk.httpserver,java.management,java.logging,java.desktop");
	assert_false(modules(ALL, "app", ADDED ",java.desktop", ""));
	assert_false(modules(ALL, "app", "--add-modules=jdk.httpserver,java.se", ""));
	assert_false(modules(ALL, "app", "--add-modules=ALL-SYSTEM -Xmx1g", ""));
	assert_false(modules(ALL, "app", ADDED " --add-modules=java.desktop", ""));
	assert_true(modules(ALL, "app", "--add-modules=ALL-MODULE-PATH", "(-m)"));
	assert_true(modules(ALL, "", "--limit-modules=java.base", "--limit-modules"));
	assert_true(modules(ALL, "", "--limit-modules=java.se", "'jdk.httpserver'"));
	assert_false(modules(ALL, "", "--limit-modules=java.se,jdk.httpserver", ""));
	assert_false(modules(ALL, "", "--limit-modules=java.se --add-modules=jdk.httpserver", ""));
}

static void test_modules_of_older_ones(void **state)
{
	(void)state;
	assert_false(modules_of(EXPORTER_0_20, ALL, "", "", ""));
	assert_true(modules_of(EXPORTER_0_12, ALL, "", "", "no module 'java.sql'"));
	assert_non_null(strstr(err.hint, "java.desktop,java.sql,jdk.unsupported"));
	assert_true(modules_of(EXPORTER_0_12, ALL " java.sql", "", "", "'jdk.unsupported'"));
	assert_false(modules_of(EXPORTER_0_12, ALL " java.sql jdk.unsupported", "", "", ""));
}

/* ---- classes ---- */

static bool has_manager(const char *text, char name[256])
{
	return exporter_manager_in(text, strlen(text), name);
}

#define TREE "java.lang.Object/null\n|--java.lang.String/null\n"

static void test_managers_in_hierarchies(void **state)
{
	char name[256];

	(void)state;
	assert_false(has_manager(TREE "|--java.lang.SecurityManager/null\n|--a.B/0x1\n", name));
	assert_true(
		has_manager(TREE "|--java.lang.SecurityManager/null\n|  |--\xc3\x9c/0x1\n", name));
	assert_string_equal(name, "?");
	assert_true(
		has_manager(TREE "|--java.lang.SecurityManager/null\n|  |--a.Guard/0x1\n", name));
	assert_string_equal(name, "a.Guard");
	assert_true(has_manager(TREE
				"|--java.lang.SecurityManager/null\n"
				"|  |--org.slf4j.helpers.Util$ClassContextSecurityManager/0x1\n"
				"|  |--a.Guard/0x1\n",
				name));
	assert_string_equal(name, "a.Guard");
	assert_false(has_manager(TREE
				 "|--java.lang.SecurityManager/null\n"
				 "|  |--org.slf4j.helpers.Util$ClassContextSecurityManager/0x1\n"
				 "|--a.OtherSecurityManager/0x1\n",
				 name));
	assert_true(has_manager(TREE "|--java.security.Policy/null\n"
				     "|  |--sun.security.provider.PolicyFile/null\n",
				name));
	assert_false(has_manager("", name));
}

#define HISTOGRAM \
	"\n num     #instances         #bytes  class name\n   1:  9  99  java.lang.String\n"

static void test_managers_in_histograms(void **state)
{
	char name[256];

	(void)state;
	assert_false(has_manager(HISTOGRAM " 2:  1  16  a.B\n", name));
	assert_true(has_manager(HISTOGRAM " 2:  1  16  java.lang.SecurityManager\n", name));
	assert_true(has_manager(HISTOGRAM " 2:  1  16  a.B$MySecurityManager\n", name));
	assert_string_equal(name, "a.B$MySecurityManager");
	assert_false(has_manager(HISTOGRAM " 2:  1  16  org.apache.logging.log4j.util."
					   "Private$PrivateSecurityManager\n",
				 name));
	assert_false(has_manager(HISTOGRAM " 2:  1  16  org.apache.shiro.web.mgt."
					   "DefaultWebSecurityManager\n",
				 name));
}

/* What is none must not count as one without anything in it. */
static void test_lists_of_classes(void **state)
{
	static const char unknown[] = "java.lang.IllegalArgumentException: Unknown diagnostic "
				      "command\n";

	(void)state;
	assert_true(exporter_is_class_list(TREE, strlen(TREE)));
	assert_true(exporter_is_class_list(HISTOGRAM, strlen(HISTOGRAM)));
	assert_false(exporter_is_class_list(unknown, strlen(unknown)));
	assert_false(exporter_is_class_list("", 0));
}

/* What the JVM answers when it is asked for its classes: an error of that errno. */
static void find(int sys)
{
	const struct jvmref jvm = {.pid = 7, .start_time = 8, .version = "17.0.1"};
	struct exporter_found found = {0};
	struct buf b = script();
	char body[100];
	struct node n;

	snprintf(body, sizeof(body), "{\"code\":\"attach\",\"errno\":%d,\"message\":\"a\"}", sys);
	say_to(&b, 1, FRAME_ERROR, body);
	n.fake = (struct fake){0};
	node_start(&n, b);
	err = (struct error){0};
	assert_int_equal(exporter_find_classes(n.helper, &jvm, &found, &err), -1);
	node_stop(&n);
}

/* Has the JVM an MBean server, by that answer? */
static bool has_mbeans(const char *text)
{
	const struct jvmref jvm = {.pid = 7, .start_time = 8, .version = "17.0.1"};
	struct exporter_found found = {0};
	struct buf b = script();
	struct node n;

	say_data(&b, 1, 0, text);
	say_end(&b, 1, 0, text);
	n.fake = (struct fake){0};
	node_start(&n, b);
	if (exporter_find_classes(n.helper, &jvm, &found, &err) < 0)
		fail_msg("%s", err.msg);
	node_stop(&n);
	return found.mbeans;
}

static void test_mbean_servers(void **state)
{
	(void)state;
	assert_true(has_mbeans(TREE "|--com.sun.jmx.mbeanserver.JmxMBeanServer/null\n"));
	assert_false(has_mbeans(TREE "|--com.sun.jmx.mbeanserver.JmxMBeanServerBuilder/null\n"));
	assert_false(has_mbeans(TREE));
}

static void test_too_many_classes(void **state)
{
	(void)state;
	find(EFBIG);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, "so many classes"));
	assert_non_null(strstr(err.hint, "-javaagent"));
	find(ETIMEDOUT);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_string_equal(err.msg, "a");
}

static void test_collectors(void **state)
{
	static const char text[] = "|--io.prometheus.jmx.JmxCollector/0x1\n";
	char name[256];

	(void)state;
	assert_true(exporter_collector_in(text, strlen(text), name));
	assert_string_equal(name, "io.prometheus.jmx.JmxCollector");
	assert_false(exporter_library_in(text, strlen(text), name));
	assert_false(exporter_collector_in("io.prometheus.client.Gauge", 26, name));
}

/* ---- Java 8's walk ---- */

static void test_walks(void **state)
{
	auto_json json_t *inspect =
		json_pack("{s:{s:I, s:I}}", "heap", "used", (json_int_t)280000000, "capacity",
			  (json_int_t)2800000000);
	struct exporter_walk walk = {0};

	(void)state;
	exporter_walk_estimate(inspect, "1.8.0_504", &walk);
	assert_int_equal(walk.heap, 2800000000);
	assert_in_range(walk.ms, 9000, 11000);
	assert_int_equal(exporter_walk_check(&walk, &err), 0);
	walk.budget_ms = 30000;
	assert_int_equal(exporter_walk_check(&walk, &err), 0);
	walk.budget_ms = 5000;
	assert_true(refused(exporter_walk_check(&walk, &err), "its liveness probe restarts it"));
	walk.starting = true;
	assert_true(refused(exporter_walk_check(&walk, &err), "startup probe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_managers_by_property),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_providers),
		cmocka_unit_test(test_class_path),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_added_modules),
		cmocka_unit_test(test_modules_of_older_ones),
		cmocka_unit_test(test_managers_in_hierarchies),
		cmocka_unit_test(test_managers_in_histograms),
		cmocka_unit_test(test_lists_of_classes),
		cmocka_unit_test(test_collectors),
		cmocka_unit_test(test_mbean_servers),
		cmocka_unit_test(test_too_many_classes),
		cmocka_unit_test(test_walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
