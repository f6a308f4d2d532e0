/* remote */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/error.h"

static void test_codes(void **state)
{
	static const enum err_code all[] = {ERR_FAILED, ERR_USAGE,   ERR_TARGET,     ERR_API,
					    ERR_SSH,	ERR_NODE,    ERR_ATTACH,     ERR_CAPTURE,
					    ERR_UPLOAD, ERR_REFUSED, ERR_INTERRUPTED};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(err_code_from_name(err_code_name(all[i])), all[i]);
	assert_string_equal(err_code_name(ERR_INTERRUPTED), "interrupted");
	assert_int_equal(err_code_from_name("nonsense"), ERR_FAILED);
	assert_non_null(err_code_name((enum err_code)99));
}

static void test_set(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_equal(error_sys(&e, ERR_NODE, ENOENT, "cannot open '%s'", "x"), -1);
	assert_int_equal(e.code, ERR_NODE);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.msg, "cannot open 'x': No such file or directory");
	assert_int_equal(error_prefix(&e, "helper %d", 3), -1);
	assert_string_equal(e.msg, "helper 3: cannot open 'x': No such file or directory");
	assert_int_equal(error_hint(&e, "do\nthis"), -1);
	assert_string_equal(e.hint, "do\nthis");
	/* A new error is a new error. */
	assert_int_equal(error_set(&e, ERR_USAGE, "no"), -1);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.hint, "");
	/* The user knows what was interrupted. */
	error_set(&e, ERR_INTERRUPTED, "interrupted");
	assert_int_equal(error_prefix(&e, "helper"), -1);
	assert_string_equal(e.msg, "interrupted");
	assert_int_equal(error_set(NULL, ERR_USAGE, "nobody listens"), -1);
	assert_int_equal(error_prefix(NULL, "x"), -1);
	assert_int_equal(error_hint(NULL, "x"), -1);
}

static void test_hostile_text(void **state)
{
	struct error e = {0};
	char big[2000];

	(void)state;
	error_set(&e, ERR_TARGET, "process '%s'", "\x1b[31mred\r\n");
	assert_string_equal(e.msg, "process '\\x1b[31mred\\x0d\\x0a'");
	error_hint(&e, "a\nb\x1b");
	assert_string_equal(e.hint, "a\nb\\x1b");
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	error_set(&e, ERR_FAILED, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	error_prefix(&e, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

static void test_memory(void **state)
{
	auto_free char *s = xasprintf("%d-%s", 7, "x");
	auto_free char *t = xstrndup("abcdef", 3);

	(void)state;
	assert_string_equal(s, "7-x");
	assert_string_equal(t, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
