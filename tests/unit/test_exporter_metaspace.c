/* jdiag: what is left of the metaspace, in the words of JVMs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/exporter/metaspace.h"
#include "remote/base/limits.h"

#define JAVA_8                                                                              \
	" PSYoungGen      total 75776K, used 5202K [0x000, 0x000, 0x000)\n"                 \
	" Metaspace       used 4391K, capacity 4664K, committed 4864K, reserved 1056768K\n" \
	"  class space    used 470K, capacity 496K, committed 512K, reserved 1048576K\n"
#define JAVA_17                                                                                  \
	" garbage-first heap   total reserved 65536K, committed 10240K, used 2048K [0x0, 0x0)\n" \
	" Metaspace used 136K, committed 320K, reserved 1056768K\n"                              \
	"  class space used 6K, committed 128K, reserved 1048576K\n"
/* VM.metaspace basic */
#define BASIC                                                                               \
	"Metaspace        used 137K, committed 320K, reserved 131072K\n"                    \
	" class space     used 11K, committed 128K, reserved 65536K\n\nUsage:\n"            \
	"  Non-class:    126.17 KB used.\n      Class:     11.35 KB used.\n"                \
	"Virtual space:\n      Class space:    65536.00 KB reserved,     128.00 KB ( <1%) " \
	"committed,  1 nodes.\n"

static struct error err;

static void test_limits(void **state)
{
	struct metaspace m = {0};

	(void)state;
	assert_true(metaspace_parse_limit("-XX:MaxMetaspaceSize=25165824\n", &m));
	assert_int_equal(m.limit, 24 * MiB);
	assert_true(metaspace_parse_limit("-XX:MaxMetaspaceSize=18446744073709547520\n", &m));
	assert_true(m.limit == UINT64_MAX);
	assert_true(metaspace_parse_limit("-XX:MaxMetaspaceSize=18446744073709551615", &m));
	assert_true(m.limit == UINT64_MAX);
	assert_false(metaspace_parse_limit("no such flag 'MaxMetaspaceSize'\n", &m));
	assert_false(metaspace_parse_limit("-XX:MaxMetaspaceSize=\n", &m));
	assert_false(metaspace_parse_limit("-XX:MaxMetaspaceSize=99999999999999999999999\n", &m));
	assert_false(metaspace_parse_limit("", &m));
}

static struct metaspace usage(const char *text)
{
	struct metaspace m = {.limit = UINT64_MAX};

	metaspace_parse_usage(text, &m);
	return m;
}

static void test_usage(void **state)
{
	struct metaspace m = usage(JAVA_8);

	(void)state;
	assert_true(m.known);
	assert_int_equal(m.committed, 4864 * KiB);
	assert_int_equal(m.class_committed, 512 * KiB);
	assert_int_equal(m.class_reserved, 1048576 * KiB);
	m = usage(JAVA_17);
	assert_true(m.known);
	assert_int_equal(m.committed, 320 * KiB);
	assert_int_equal(m.class_reserved, 1048576 * KiB);
	m = usage(BASIC);
	assert_true(m.known);
	assert_int_equal(m.committed, 320 * KiB);
	assert_int_equal(m.class_committed, 128 * KiB);
	assert_int_equal(m.class_reserved, 64 * MiB);
	assert_false(usage("java.lang.IllegalArgumentException: Unknown diagnostic command").known);
	assert_false(usage("").known);
	assert_false(usage(" Metaspace used 1K\n committed 1K, reserved 1K\n").known);
	assert_false(usage(" Metaspace committed 99999999999999999999K, reserved 1K").known);
	assert_false(usage(" Metaspace committed 18446744073709551K").known);
}

static int check(uint64_t limit, bool known, uint64_t committed)
{
	const struct metaspace m = {
		.limit = limit,
		.known = known,
		.committed = committed,
		.class_committed = committed / 8,
		.class_reserved = 1024 * MiB,
	};

	err = (struct error){0};
	return metaspace_check(&m, &err);
}

static void test_checks(void **state)
{
	struct metaspace small = {.limit = UINT64_MAX, .known = true, .class_reserved = 5 * MiB};

	(void)state;
	assert_int_equal(check(UINT64_MAX, true, 500 * MiB), 0);
	assert_int_equal(check(UINT64_MAX, false, 0), 0);
	assert_int_equal(check(128 * MiB, true, 80 * MiB), 0);
	assert_int_equal(check(128 * MiB, true, 127 * MiB), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, "1.0 MiB are left of the metaspace (128"));
	assert_non_null(strstr(err.hint, "--force"));
	assert_int_equal(check(128 * MiB, true, 130 * MiB), -1);
	assert_int_equal(check(128 * MiB, false, 0), -1);
	assert_non_null(strstr(err.msg, "does not tell"));
	small.class_committed = 1 * MiB;
	assert_int_equal(metaspace_check(&small, &err), 0);
	small.class_committed = 3 * MiB;
	assert_int_equal(metaspace_check(&small, &err), -1);
	assert_non_null(strstr(err.msg, "of the class space"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
