/* jdiag */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/jvmbuilds.h"
#include "remote/base/compiler.h"

static void test_release(void **state)
{
	static const struct {
		const char *version;
		unsigned int release;
	} cases[] = {
		{"17.0.15", 17}, {"1.8.0_504", 8},	     {"8u504", 8}, {"25", 25},
		{"22-ea", 22},	 {"11.0.33+1-LTS", 11},	     {"", 0},	   {"x", 0},
		{"1.", 0},	 {"99999999999999", 999999},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(jvm_release(cases[i].version), cases[i].release);
}

static void collect(void *ctx, const struct jvm_build *b)
{
	char *text = ctx;

	snprintf(text + strlen(text), 200 - strlen(text), "%s%s", *text ? " " : "",
		 b->id + strlen("JDK-"));
}

static void test_builds(void **state)
{
	static const char *const cases[][3] = {
		{"1.8.0_504", "G1", ""},
		{"11.0.13", "G1", ""},
		{"11.0.14", "G1", "8303937"},
		{"11.0.14.1", "G1", "8303937"},
		{"11.0.19", "Serial", "8303937"},
		{"11.0.20", "G1", ""},
		{"17", "G1", "8303937"},
		{"17.0.7+7", "G1", "8303937"},
		{"17.0.8", "G1", ""},
		{"17.0.2", "Shenandoah", "8303937 8278627"},
		{"17.0.8", "Shenandoah", "8345750"},
		{"18.0.2", "", "8303937"},
		{"21", "G1", "8316468 8317692"},
		{"21.0.1", "G1", "8316468 8317692"},
		{"21.0.2", "G1", "8319650"},
		{"21.0.4", "G1", ""},
		{"21.0.6", "Shenandoah", "8345750"},
		{"21.0.13", "Shenandoah", "8345750"},
		{"22.0.1", "Shenandoah", "8345750"},
		{"25.0.5", "G1", ""},
		{"", "G1", ""},
		{"", "Shenandoah", "8345750"},
		{"17.0.21", "shenandoah", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[200] = "";
		size_t n = jvm_builds_each(cases[i][0], cases[i][1], collect, text);

		if (strcmp(text, cases[i][2]) != 0)
			fail_msg("%s %s: '%s'", cases[i][0], cases[i][1], text);
		assert_int_equal(n, jvm_builds_each(cases[i][0], cases[i][1], NULL, NULL));
	}
}

static void keep_text(void *ctx, const struct jvm_build *b)
{
	*(const char **)ctx = b->text;
}

/* With Shenandoah something is always said, but not the same of a fixed and a broken build. */
static void test_shenandoah(void **state)
{
	const char *text = "";

	(void)state;
	assert_int_equal(jvm_builds_each("21.0.6", "Shenandoah", keep_text, &text), 1);
	assert_non_null(strstr(text, "fixed in 21.0.7"));
	assert_int_equal(jvm_builds_each("21.0.7", "Shenandoah", keep_text, &text), 1);
	assert_non_null(strstr(text, "not known to be among them"));
}

static void test_slower(void **state)
{
	(void)state;
	assert_true(jvm_build_slower("21.0.1") == 10);
	assert_true(jvm_build_slower("21.0.3") == 3);
	assert_true(jvm_build_slower("21.0.13") == 1);
	assert_true(jvm_build_slower("17.0.2") == 1);
	assert_true(jvm_build_slower("") == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_builds),
		cmocka_unit_test(test_shenandoah),
		cmocka_unit_test(test_slower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
