/* jdiag */
#include "jdiag/exporter/objectname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void good(const char *name)
{
	struct error err = {0};

	if (object_name_check(name, strlen(name), &err) != 0)
		fail_msg("%s: %s", name, err.msg);
}

static void bad(const char *name, const char *why)
{
	struct error err = {0};

	if (object_name_check(name, strlen(name), &err) == 0)
		fail_msg("%s is taken", name);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' lacks '%s'", name, err.msg, why);
}

static void taken(void **state)
{
	(void)state;
	good("java.lang:type=Memory");
	good("*:*");
	good(":*");
	good("kafka.*:type=app-info,*");
	good("java.lang:*,type=GarbageCollector");
	good("org.apache.cassandra.metrics:type=ColumnFamily,keyspace=system*,name=?");
	good("Catalina:type=Manager,host=\"local,host\\\"\\n\\*:=\",context=/");
	good("d:k=v w,a.b-c=1");
}

static void refused(void **state)
{
	(void)state;
	bad("", "empty");
	bad("java.lang", "no ':'");
	bad("java.lang:", "NAME=VALUE");
	bad("java.lang:type", "NAME=VALUE");
	bad("java.lang:type=", "without a value");
	bad("java.lang:=x", "NAME=VALUE");
	bad("java.lang:type=Memory,", "NAME=VALUE");
	bad("java.lang:type=a,type=b", "twice");
	bad("java.lang:t*=a", "without '='");
	bad("java.lang:type=a:b", "=:\"");
	bad("java.lang:type=a=b", "=:\"");
	bad("java.lang:type=a\"b", "=:\"");
	bad("java.lang:type=\"a", "closing quote");
	bad("java.lang:type=\"a\\t\"", "backslash");
	bad("java.lang:type=\"a\"b", "behind a quoted value");
	bad("java.lang:*,*", "two '*'");
	bad("java.lang:*x=1", "without '='");
	bad("java=lang:type=a", "before its ':'");
	bad("java.lang:type=a\nb", "line break");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
