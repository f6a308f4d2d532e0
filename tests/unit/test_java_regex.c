/* jdiag */
#include "jdiag/exporter/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void good(const char *regex, unsigned int groups)
{
	struct java_regex r = {0};
	struct error err = {0};

	if (java_regex_check(regex, strlen(regex), &r, &err) != 0)
		fail_msg("%s: %s", regex, err.msg);
	if (r.groups != groups)
		fail_msg("%s: %u groups", regex, r.groups);
}

static void bad(const char *regex, const char *why)
{
	struct java_regex r = {0};
	struct error err = {0};

	if (java_regex_check(regex, strlen(regex), &r, &err) == 0)
		fail_msg("%s is taken", regex);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' lacks '%s'", regex, err.msg, why);
}

/* What is in configurations of Kafka, Cassandra, Tomcat, Spark, ZooKeeper ... */
static void takes_what_people_write(void **state)
{
	(void)state;
	good("", 0);
	good(".*", 0);
	good("kafka.(\\w+)<type=(.+), name=(.+)PerSec\\w*, (.+)=(.+)><>Count", 5);
	good("kafka.server<type=(.+), name=(.+), clientId=(.+), brokerHost=(.+), "
	     "brokerPort=(.+)><>Value",
	     5);
	good("Catalina<type=GlobalRequestProcessor, name=\\\"(\\w+-\\w+)-(\\d+)\\\"><>(\\w+):", 3);
	good("Catalina<j2eeType=Servlet, WebModule=//([-a-zA-Z0-9+&@#/%?=~_|!:.,;]*[-a-zA-Z0-9+&@#/"
	     "%=~_|]), name=([-a-zA-Z0-9+/$%~_-|!.]*), J2EEApplication=none, J2EEServer=none>"
	     "<>RequestCount",
	     2);
	good("org.apache.cassandra.metrics<type=(Connection|Streaming), scope=(\\S*), "
	     "name=(\\S*)><>(Count|Value)",
	     4);
	good("java.lang<type=OperatingSystem><>((?!process_cpu_time)\\w+):", 1);
	good("metrics<name=(\\w+)\\.driver\\.(BlockManager|DAGScheduler|jvm)\\.(\\S+)><>Value", 3);
	good("^hadoop<service=HBase, name=RegionServer, sub=(?!Regions).*$", 0);
	good("(?i)jboss.as<(?:subsystem=([^,]++), )?(.*?)>{1,3}?<>[^:]+", 2);
	good("a{2}b{2,}c{0,3}+d??e*+", 0);
	good("(?<pool>[\\w\\s.-]+)(?<n1>\\d)\\1", 2);
	good("(?<=type=|name=)x(?<!y)(?>z|zz)", 0);
	good("\\Qjava.lang<\\E+\\bfoo\\B\\x41\\u0041\\p{Alpha}\\P{L}[^\\p{Upper}]", 0);
	good("(|a)()(a||b)(?-i:x)(?is)y|", 3);
	good("a]b}c", 0);
	good("[a-][-a][\\]\\[^-][{(*+?.]", 0);
}

static void refuses_what_java_refuses(void **state)
{
	(void)state;
	bad("(", "without its ')'");
	bad("a)(b", "')' without its '('");
	bad("*", "nothing to repeat");
	bad("a|*", "nothing to repeat");
	bad("a**", "repetition of a repetition");
	bad("a{", "'{'");
	bad("{", "nothing to repeat");
	bad("a{2,1}", "'{'");
	bad("a{,3}", "'{'");
	bad("a{99999999999}", "'{'");
	bad("[", "without its ']'");
	bad("[]", "']' first");
	bad("[z-a]", "backwards");
	bad("[a-\\d]", "backwards");
	bad("[\\d-a]", "'-' behind a set");
	bad("\\", "backslash at the end");
	bad("abc\\", "at character 5");
	bad("\\y", "letter or digit");
	bad("[\\b]", "letter or digit");
	bad("\\x4", "character code");
	bad("\\uD800", "character code");
	bad("\\p{Nothing}", "\\p");
	bad("(?<a>x)(?<a>y)", "twice");
	bad("(?<1>x)", "name");
	bad("(?P<a>x)", "(?");
	bad("(?<a_b>x)", "name");
	bad("(?<=a+)b", "look-behind");
	bad("(?<=(a|b*))c", "look-behind");
	bad("(?z)", "(?");
	bad("\\1(a)", "not closed");
	bad("(a\\1)", "not closed");
	bad("(a)\\2", "not closed");
	bad("(a)\\11", "two digits");
}

/* Java takes these, but they would do something else than they say, or we are not sure. */
static void refuses_what_swallows_the_end(void **state)
{
	(void)state;
	bad("\\Qabc", "without its \\E");
	bad("\\Q\\E", "nothing in it");
	bad("(?x)a # comment", "(?");
	bad("[a[b]]", "'[' in a class");
	bad("[a&&b]", "'&&'");
	bad("[a-&&b]", "'&&'");
	bad("(?=a)*", "nothing to repeat");
	bad("^*", "nothing to repeat");
	bad("(?i)*", "nothing to repeat");
	bad("a\nb", "line break");
	bad("\xc3\xa9", "ASCII");
}

static void bounds(void **state)
{
	char deep[2 * 60 + 1], large[MAX_JAVA_REGEX + 2];

	(void)state;
	memset(deep, '(', 60);
	memset(deep + 60, ')', 60);
	deep[120] = '\0';
	bad(deep, "too deep");
	memset(large, 'a', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	bad(large, "longer than");
	for (size_t i = 0; i + 2 < sizeof(large); i += 2)
		memcpy(large + i, "()", 2);
	large[2 * MAX_JAVA_GROUPS + 2] = '\0';
	bad(large, "too many groups");
}

static void replacement(const char *regex, const char *text, const char *why)
{
	struct java_regex r = {0};
	struct error err = {0};
	int rc;

	assert_int_equal(java_regex_check(regex, strlen(regex), &r, &err), 0);
	rc = java_replacement_check(text, strlen(text), &r, &err);
	if (why ? rc == 0 || !strstr(err.msg, why) : rc != 0)
		fail_msg("%s on %s: %d %s", text, regex, rc, err.msg);
}

static void references(void **state)
{
	(void)state;
	replacement("(a)(b)", "x_$1_$2", NULL);
	replacement("(a)", "$0$10", NULL);
	replacement("(?<name>a)", "${name}", NULL);
	replacement("a", "costs \\$5 \\\\ ok", NULL);
	replacement("(a)", "$2", "$2, but the pattern has 1 group");
	replacement("a", "$1", "has 0 groups");
	replacement("a", "x$", "without a group's number");
	replacement("a", "$x", "without a group's number");
	replacement("a", "x\\", "backslash at the end");
	replacement("(?<name>a)", "${nam}", "no group");
	replacement("(?<name>a)", "${name", "no group");
	replacement("(a)", "${}", "no group");
	replacement("(a)", "${1}", "no group");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_people_write),
		cmocka_unit_test(refuses_what_java_refuses),
		cmocka_unit_test(refuses_what_swallows_the_end),
		cmocka_unit_test(bounds),
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
