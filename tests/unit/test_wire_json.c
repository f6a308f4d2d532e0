/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/wire/json.h"

static struct error err;
static struct jsonr doc;

static int parse(const char *text)
{
	err = (struct error){0};
	return jsonr_parse(&doc, text, strlen(text), &err);
}

static void test_good(void **state)
{
	static const char *const good[] = {
		"{}",
		" \t\r\n{ } \n",
		"{\"a\":1}",
		"{\"a\":-0}",
		"{\"a\":0.5e+7,\"b\":[1,[],{}],\"c\":{\"d\":null}}",
		"{\"\":true,\"\":false}",
		"{\"a\":\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (parse(good[i]) != 0)
			fail_msg("refused: %s", good[i]);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"1",
		"\"\"",
		"null",
		"{",
		"}",
		"{}x",
		"{} {}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1e}",
		"{\"a\":-}",
		"{\"a\":tru}",
		"{\"a\":[1,]}",
		"{\"a\":[1}",
		"{\"a\":\"",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":\"\\ud800\\u0041\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":NaN}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(bad[i]) != -1)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.code, ERR_FAILED);
	}
	/* A NUL ends nothing. */
	assert_int_equal(jsonr_parse(&doc, "{\"a\":\"\0\"}", 9, &err), -1);
	assert_int_equal(jsonr_parse(&doc, "{}\0", 3, &err), -1);
}

static void test_depth(void **state)
{
	char text[4 * MAX_JSON_DEPTH + 16];

	(void)state;
	for (int depth = MAX_JSON_DEPTH - 1; depth <= MAX_JSON_DEPTH + 1; depth++) {
		int inner = depth - 1;

		snprintf(text, sizeof(text), "{\"a\":%.*s%.*s}", inner,
			 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", inner,
			 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
		assert_int_equal(parse(text), depth <= MAX_JSON_DEPTH ? 0 : -1);
	}
}

static void test_members(void **state)
{
	char s[16] = "before";
	uint64_t n = 77;
	bool b = false;

	(void)state;
	assert_int_equal(parse("{\"o\":{\"s\":1},\"s\":\"x\\u0041\\n\",\"n\":18446744073709551615,"
			       "\"b\":true,\"k\\u0065y\":3}"),
			 0);
	assert_int_equal(jsonr_string(&doc, "s", s, sizeof(s), &err), 0);
	assert_string_equal(s, "xA\n");
	assert_int_equal(jsonr_u64(&doc, "n", &n, &err), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(jsonr_bool(&doc, "b", &b, &err), 0);
	assert_true(b);
	assert_int_equal(jsonr_u64(&doc, "key", &n, &err), 0);
	assert_int_equal(n, 3);
	assert_true(jsonr_has(&doc, "o"));
	assert_false(jsonr_has(&doc, "absent"));
	/* Absent: untouched. */
	assert_int_equal(jsonr_u64(&doc, "absent", &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(jsonr_string(&doc, "absent", s, sizeof(s), &err), 0);
	assert_string_equal(s, "xA\n");
}

static void test_wrong_members(void **state)
{
	char s[4] = "abc";
	uint64_t n = 77;
	bool b = true;

	(void)state;
	assert_int_equal(parse("{\"neg\":-1,\"big\":18446744073709551616,\"frac\":1.0,\"exp\":1e3,"
			       "\"s\":\"four\",\"nul\":\"a\\u0000\",\"b\":1,\"long\":"
			       "00}"),
			 -1);
	assert_int_equal(parse("{\"neg\":-1,\"big\":18446744073709551616,\"frac\":1.0,\"exp\":1e3,"
			       "\"s\":\"four\",\"nul\":\"a\\u0000\",\"b\":1}"),
			 0);
	for (const char *const *p = (const char *const[]){"neg", "big", "frac", "exp", "s", NULL};
	     *p; p++)
		assert_int_equal(jsonr_u64(&doc, *p, &n, &err), -1);
	assert_int_equal(n, 77);
	assert_int_equal(jsonr_string(&doc, "s", s, sizeof(s), &err), -1);
	assert_int_equal(jsonr_string(&doc, "nul", s, sizeof(s), &err), -1);
	assert_int_equal(jsonr_string(&doc, "b", s, sizeof(s), &err), -1);
	assert_string_equal(s, "abc");
	assert_int_equal(jsonr_bool(&doc, "b", &b, &err), -1);
	assert_true(b);
}

static int collect(void *ctx, const char *s, struct error *e)
{
	(void)e;
	strncat(ctx, s, 8);
	strncat(ctx, "|", 2);
	return strcmp(s, "stop") == 0 ? 5 : 0;
}

static void test_strings(void **state)
{
	char got[64] = "";

	(void)state;
	assert_int_equal(
		parse("{\"a\":[ \"x\" , \"y\"],\"e\":[],\"n\":[1],\"s\":[\"stop\",\"z\"]}"), 0);
	assert_int_equal(jsonr_each_string(&doc, "a", collect, got, &err), 0);
	assert_int_equal(jsonr_each_string(&doc, "e", collect, got, &err), 0);
	assert_string_equal(got, "x|y|");
	assert_int_equal(jsonr_each_string(&doc, "n", collect, got, &err), -1);
	assert_int_equal(jsonr_each_string(&doc, "s", collect, got, &err), 5);
	assert_string_equal(got, "x|y|stop|");
	assert_int_equal(jsonr_each_string(&doc, "absent", collect, got, &err), 0);
}

static int measure(void *ctx, const char *s, struct error *e)
{
	(void)e;
	*(size_t *)ctx += strlen(s);
	return 0;
}

/* Longer than jsonr_each_string takes: the room is the caller's. */
static void test_long_strings(void **state)
{
	static char text[5000], room[4001];
	size_t n = 0;

	(void)state;
	snprintf(text, sizeof(text), "{\"a\":[\"%04000d\",\"b\"]}", 7);
	assert_int_equal(parse(text), 0);
	assert_int_equal(jsonr_each_string(&doc, "a", measure, &n, &err), -1);
	assert_int_equal(jsonr_each_text(&doc, "a", room, sizeof(room) - 1, measure, &n, &err), -1);
	assert_int_equal(n, 0);
	assert_int_equal(jsonr_each_text(&doc, "a", room, sizeof(room), measure, &n, &err), 0);
	assert_int_equal(n, 4001);
}

static int sum(void *ctx, const struct jsonr *object, struct error *e)
{
	uint64_t n = 0;

	if (jsonr_u64(object, "n", &n, e) < 0)
		return -1;
	*(uint64_t *)ctx += n;
	return n == 100 ? 7 : 0;
}

static void test_objects(void **state)
{
	struct jsonr inner, deeper;
	uint64_t n = 0;
	char s[8] = "";

	(void)state;
	assert_int_equal(parse("{\"n\":1,\"o\":{\"n\":2,\"o\" : {\"s\":\"}\"}} ,"
			       "\"l\":[{\"n\":3} , {\"l\":[{}],\"n\":4}, {}],\"e\":[ ],"
			       "\"stop\":[{\"n\":100},{\"n\":1}],"
			       "\"bad\":[{\"n\":1},2],\"worse\":[{\"n\":\"x\"}]}"),
			 0);
	assert_int_equal(jsonr_object(&doc, "o", &inner, &err), 0);
	assert_int_equal(jsonr_u64(&inner, "n", &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(jsonr_object(&inner, "o", &deeper, &err), 0);
	assert_int_equal(jsonr_string(&deeper, "s", s, sizeof(s), &err), 0);
	assert_string_equal(s, "}");
	assert_int_equal(jsonr_object(&doc, "absent", &inner, &err), 0);
	assert_false(jsonr_has(&inner, "n"));
	assert_int_equal(jsonr_object(&doc, "n", &inner, &err), -1);
	assert_int_equal(jsonr_object(&doc, "l", &inner, &err), -1);
	n = 0;
	assert_int_equal(jsonr_each_object(&doc, "l", sum, &n, &err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(jsonr_each_object(&doc, "e", sum, &n, &err), 0);
	assert_int_equal(jsonr_each_object(&doc, "absent", sum, &n, &err), 0);
	assert_int_equal(jsonr_each_object(&doc, "stop", sum, &n, &err), 7);
	assert_int_equal(n, 107);
	assert_int_equal(jsonr_each_object(&doc, "o", sum, &n, &err), -1);
	assert_int_equal(jsonr_each_object(&doc, "bad", sum, &n, &err), -1);
	assert_int_equal(jsonr_each_object(&doc, "worse", sum, &n, &err), -1);
}

static void test_writing(void **state)
{
	auto_buf struct buf b = BUF_INIT(1000);
	struct jsonw w = {.b = &b};

	(void)state;
	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "s", "a\"\\\n\x1b\x7f\xc3\xa9\xff");
	jsonw_u64(&w, "n", UINT64_MAX);
	jsonw_i64(&w, "i", -1);
	jsonw_open(&w, "l", '[');
	jsonw_bool(&w, NULL, true);
	jsonw_open(&w, NULL, '{');
	jsonw_close(&w, '}');
	jsonw_close(&w, ']');
	jsonw_bool(&w, "z", false);
	jsonw_close(&w, '}');
	assert_string_equal(buf_str(&b),
			    "{\"s\":\"a\\\"\\\\\\u000a\\u001b\\u007f\xc3\xa9\xef\xbf\xbd\","
			    "\"n\":18446744073709551615,\"i\":-1,\"l\":[true,{}],\"z\":false}");
	assert_int_equal(jsonr_parse(&doc, b.data, b.len, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_bad),
		cmocka_unit_test(test_depth),	     cmocka_unit_test(test_members),
		cmocka_unit_test(test_strings),	     cmocka_unit_test(test_wrong_members),
		cmocka_unit_test(test_writing),	     cmocka_unit_test(test_objects),
		cmocka_unit_test(test_long_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
