/* jdiag */
#include "jdiag/kube/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

static void expect(const char *yaml, const char *json)
{
	struct error err = {0};
	auto_json json_t *v = yaml_from_text(yaml, strlen(yaml), "t", &err);
	char *text;

	if (!v)
		fail_msg("%s", err.msg);
	text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(text, json);
	free(text);
}

static void expect_error(const char *yaml, const char *message)
{
	struct error err = {0};

	assert_null(yaml_from_text(yaml, strlen(yaml), "t", &err));
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, message))
		fail_msg("'%s' lacks '%s'", err.msg, message);
}

static void scalars_have_types(void **state)
{
	(void)state;
	expect("[a, 'b', \"c\", 1, -2, 1.5, 1e3, true, false, null, ~, yes, 007, 1_0, 0x1F, .5]",
	       "[\"a\",\"b\",\"c\",1,-2,1.5,1000.0,true,false,null,null,\"yes\",\"007\","
	       "\"1_0\",\"0x1F\",\".5\"]");
	expect("['1', \"true\", !!str 1, !!str null, '']", "[\"1\",\"true\",\"1\",\"null\",\"\"]");
	expect("99999999999999999999", "\"99999999999999999999\"");
	expect("1.", "\"1.\"");
	expect("-", "[null]");
	expect("1e", "\"1e\"");
}

static void collections_nest(void **state)
{
	(void)state;
	expect("a:\n  b: [1, {c: d}]\n  e:\n  - f\n  - g: h\n",
	       "{\"a\":{\"b\":[1,{\"c\":\"d\"}],\"e\":[\"f\",{\"g\":\"h\"}]}}");
	expect("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}");
	expect("{\"json\": [1, \"two\", {\"three\": null}]}",
	       "{\"json\":[1,\"two\",{\"three\":null}]}");
}

static void empty_is_null(void **state)
{
	(void)state;
	expect("", "null");
	expect("# only a comment\n", "null");
	expect("---\n", "null");
}

static void first_document_counts(void **state)
{
	(void)state;
	expect("---\na: 1\n---\nb: 2\n", "{\"a\":1}");
}

static void aliases_and_merge_keys(void **state)
{
	(void)state;
	expect("a: &x {k: v}\nb: *x\n", "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"}}");
	expect("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n",
	       "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":3,\"l\":2}}");
	expect("a: [&x {k: 1}, &y {k: 2, m: 3}]\nb: {<<: [*x, *y]}\n",
	       "{\"a\":[{\"k\":1},{\"k\":2,\"m\":3}],\"b\":{\"k\":1,\"m\":3}}");
	expect_error("b: {<<: 1}", "merge key");
	expect_error("b: *nowhere", "anchor");
}

static void broken_names_the_line(void **state)
{
	(void)state;
	expect_error("a: 1\nb: [1, 2\nc: canary\n", "t, line 3: ");
	expect_error("a: 1\n\ta: 2\n", "t, line 2: ");
	expect_error("a: 1\nb: 2\na: 3\n", "t, line 3: key 'a' is there twice");
	expect_error("{a: 1", "t, line ");
	expect_error("[a, b", "t, line ");
	expect_error("? [a]\n: b\n", "not a plain word");
	expect_error("a: \"\\0\"\n", "NUL");
	expect_error("\"\\0\": a\n", "NUL");
	expect_error("a: \x01\n", "t, line ");
	expect_error("a: \xff\xfe\n", "t, line ");
}

static void content_is_never_quoted(void **state)
{
	static const char *const texts[] = {"token: [canary\n",		"token: *canary\n",
					    "token: !canary! x\n",	"token: \"canary\n",
					    "canary: {token: canary\n", "token: &canary *canary\n"};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		err = (struct error){0};
		assert_null(yaml_from_text(texts[i], strlen(texts[i]), "t", &err));
		assert_null(strstr(err.msg, "canary"));
	}
}

/* row 33: nesting, aliases that multiply, sheer number */
static void bombs_are_refused(void **state)
{
	auto_buf struct buf deep = BUF_INIT(1 * MiB), laughs = BUF_INIT(1 * MiB),
			    many = BUF_INIT(1 * MiB);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_adds(&deep, "[");
	expect_error(buf_str(&deep), "nested too deep");
	buf_adds(&laughs, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++)
		buf_addf(&laughs, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
			 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_error(buf_str(&laughs), "too large");
	expect_error("a: &a [*a]", "itself");
	for (int i = 0; i < MAX_YAML_NODES; i++)
		buf_adds(&many, "- x\n");
	expect_error(buf_str(&many), "too many");
}

/* Depth through aliases counts too. */
static void alias_depth_is_bounded(void **state)
{
	auto_buf struct buf text = BUF_INIT(1 * MiB);

	(void)state;
	buf_adds(&text, "a0: &a0 [x]\n");
	for (int i = 1; i < 2 * MAX_YAML_DEPTH; i++)
		buf_addf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	expect_error(buf_str(&text), "too large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_have_types),	   cmocka_unit_test(collections_nest),
		cmocka_unit_test(empty_is_null),	   cmocka_unit_test(first_document_counts),
		cmocka_unit_test(aliases_and_merge_keys),  cmocka_unit_test(broken_names_the_line),
		cmocka_unit_test(content_is_never_quoted), cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(alias_depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
