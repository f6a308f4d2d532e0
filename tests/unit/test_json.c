/* jdiag */
#include "jdiag/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"

static void broken_text_is_not_quoted(void **state)
{
	static const char *const texts[] = {"{\"token\": canary}",
					    "{\"canary\"",
					    "canary",
					    "{\"canary\": 1, \"canary\": 2}",
					    "{\"token\": \"canary\n\"}",
					    "[] canary"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct error err = {0};

		assert_null(json_from_text(texts[i], strlen(texts[i]), "text", ERR_API, &err));
		assert_int_equal(err.code, ERR_API);
		assert_non_null(strstr(err.msg, "text is not JSON: "));
		assert_null(strstr(err.msg, "canary"));
	}
}

static void depth_is_bounded(void **state)
{
	auto_buf struct buf text = BUF_INIT(4096);
	struct error err = {0};
	json_t *v;

	(void)state;
	for (int i = 0; i < MAX_JSON_DEPTH_OUTSIDE; i++)
		buf_adds(&text, "[");
	buf_adds(&text, "\"[[[\\\"[[[\"");
	for (int i = 0; i < MAX_JSON_DEPTH_OUTSIDE; i++)
		buf_adds(&text, "]");
	v = json_from_text(buf_str(&text), text.len, "text", ERR_API, &err);
	assert_non_null(v);
	json_decref(v);
	buf_reset(&text);
	for (int i = 0; i <= MAX_JSON_DEPTH_OUTSIDE; i++)
		buf_adds(&text, "{\"a\":");
	assert_null(json_from_text(buf_str(&text), text.len, "text", ERR_API, &err));
	assert_string_equal(err.msg, "text is nested too deep");
}

static void values_are_found_by_path(void **state)
{
	auto_json json_t *v =
		json_loads("{\"a\": {\"b\": \"s\", \"n\": -1, \"t\": true}}", 0, NULL);

	(void)state;
	assert_string_equal(json_str_at(v, "a.b", "x"), "s");
	assert_string_equal(json_str_at(v, "a.n", "x"), "x");
	assert_string_equal(json_str_at(v, "a.b.c", "x"), "x");
	assert_int_equal(json_u64_at(v, "a.n", 7), 7);
	assert_true(json_bool_at(v, "a.t", false));
	assert_null(json_at(NULL, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_text_is_not_quoted),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(values_are_found_by_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
