/* jdiag: results and errors */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "jdiag/json.h"
#include "jdiag/output.h"

static char captured[4096];

/* What call() writes to stream, through its descriptor. */
static const char *capture(FILE *stream, void (*call)(const void *), const void *arg)
{
	int fd = fileno(stream), saved, file;
	FILE *tmp = tmpfile();
	ssize_t n;

	assert_non_null(tmp);
	file = fileno(tmp);
	fflush(stream);
	saved = dup(fd);
	assert_true(saved >= 0 && dup2(file, fd) == fd);
	call(arg);
	fflush(stream);
	assert_int_equal(dup2(saved, fd), fd);
	close(saved);
	n = pread(file, captured, sizeof(captured) - 1, 0);
	assert_true(n >= 0);
	captured[n] = '\0';
	fclose(tmp);
	return captured;
}

static void call_line(const void *text)
{
	output_line(text);
}

static void call_json(const void *object)
{
	output_json("Thing", object);
}

static void call_table(const void *table)
{
	table_print(table);
}

static void call_error(const void *err)
{
	output_error(err);
}

static int no_ci(void **state)
{
	(void)state;
	unsetenv("CI");
	unsetenv("GITHUB_ACTIONS");
	unsetenv("TF_BUILD");
	return 0;
}

static void test_line_is_escaped(void **state)
{
	(void)state;
	assert_string_equal(capture(stdout, call_line, "a\033[2Jb\nc\xff"),
			    "a\\x1b[2Jb\\x0ac\\xff\n");
	assert_string_equal(capture(stdout, call_line, "::notice::x"), "::notice::x\n");
}

static void test_workflow_commands_on_ci(void **state)
{
	(void)state;
	setenv("GITHUB_ACTIONS", "true", 1);
	assert_string_equal(capture(stdout, call_line, "::notice::x"), "\\x3a:notice::x\n");
	assert_string_equal(capture(stdout, call_line, "  ::notice::x"), "  \\x3a:notice::x\n");
	assert_string_equal(capture(stdout, call_line, "a::b ##[error] ##vso[x]"),
			    "a::b \\x23#[error] \\x23#vso[x]\n");
	setenv("GITHUB_ACTIONS", "false", 1);
	assert_string_equal(capture(stdout, call_line, "::notice::x"), "::notice::x\n");
}

static void test_json(void **state)
{
	auto_json json_t *object =
		json_pack("{s:s, s:i}", "name", "\033 \xc3\xa9 \x7f ##[x]", "n", 3);

	(void)state;
	assert_string_equal(capture(stdout, call_json, object),
			    "{\"apiVersion\":\"jdiag/v1\",\"kind\":\"Thing\","
			    "\"name\":\"\\u001B \\u00E9 \\u007f ##[x]\",\"n\":3}\n");
	setenv("CI", "1", 1);
	capture(stdout, call_json, object);
	assert_null(strstr(captured, "##["));
	{
		json_error_t e;
		auto_json json_t *back = json_loads(captured, 0, &e);

		assert_non_null(back);
		assert_string_equal(json_str_at(back, "name", ""), "\033 \xc3\xa9 \x7f ##[x]");
	}
}

static void test_table(void **state)
{
	const char *const titles[] = {"NAME", "PID", "AGE", NULL};
	const char *const first[] = {"web-0", "", "5m"};
	const char *const second[] = {"caf\xc3\xa9 \033x", "1234567", NULL};
	struct table *t = table_new(titles);

	(void)state;
	assert_string_equal(capture(stdout, call_table, t), "");
	table_row(t, first);
	table_row(t, second);
	assert_string_equal(capture(stdout, call_table, t), "NAME        PID      AGE\n"
							    "web-0       -        5m\n"
							    "caf\xc3\xa9_\\x1bx  1234567  -\n");
	table_free(t);
	table_free(NULL);
}

static void test_error(void **state)
{
	struct error err = {0};

	(void)state;
	error_set(&err, ERR_SSH, "cannot connect to '%s'", "a\033b");
	assert_string_equal(capture(stderr, call_error, &err),
			    "jdiag: cannot connect to 'a\\x1bb'\n");
	error_hint(&err, "first\n::second\n");
	setenv("TF_BUILD", "True", 1);
	assert_string_equal(capture(stderr, call_error, &err),
			    "jdiag: cannot connect to 'a\\x1bb'\n  first\n  \\x3a:second\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line_is_escaped, no_ci),
		cmocka_unit_test_setup(test_workflow_commands_on_ci, no_ci),
		cmocka_unit_test_setup(test_json, no_ci),
		cmocka_unit_test_setup(test_table, no_ci),
		cmocka_unit_test_setup(test_error, no_ci),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
