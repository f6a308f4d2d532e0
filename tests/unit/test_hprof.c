/* remote: heap dumps, whole and in pieces, redacted or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/hprof/parser.h"
#include "tests/unit/hprof_builder.h"

static struct error err;
static struct hprof_summary sum;

/* Parse a copy, the first portion of `first` bytes, then portions of n. 0 good (and *ret, when
 * asked for, is the copy), -1 refused on the way, -2 at the end. */
static int parse(const struct hprof_builder *b, size_t len, size_t first, size_t n,
		 struct hprof_parser_options o, char **ret)
{
	char *copy = xmalloc(len + 1);
	struct hprof_parser *p;
	int rc = 0;

	o.classes = hprof_classes_new();
	o.writes_classes = true;
	p = hprof_parser_new(&o);
	memcpy(copy, b->dump.data, len);
	err = (struct error){0};
	for (size_t at = 0, step = first; at < len && !rc; at += step, step = n) {
		if (step > len - at)
			step = len - at;
		/* Its own allocation, so that the sanitizer sees a step beyond the portion. */
		char *portion = xmalloc(step ? step : 1);

		memcpy(portion, copy + at, step);
		rc = hprof_parser_add(p, portion, step, &err);
		memcpy(copy + at, portion, step);
		free(portion);
		if (!step && !n)
			break;
	}
	if (!rc && hprof_parser_finish(p, false, &sum, &err) < 0)
		rc = -2;
	hprof_parser_free(p);
	hprof_classes_free(o.classes);
	if (ret && !rc)
		*ret = copy;
	else
		free(copy);
	return rc;
}

static const enum hprof_redact modes[] = {HPROF_REDACT_NONE, HPROF_REDACT_STRINGS,
					  HPROF_REDACT_PRIMITIVES};

static void assert_redacted(const struct hprof_builder *b, size_t first, size_t n)
{
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		char *want = hb_redacted(b, modes[m]), *got = NULL;
		int rc = parse(b, b->dump.len, first, n,
			       (struct hprof_parser_options){.redact = modes[m]}, &got);

		if (rc)
			fail_msg("%s, portions of %zu and %zu: %s", hprof_redact_name(modes[m]),
				 first, n, err.msg);
		assert_memory_equal(got, want, b->dump.len);
		assert_int_equal(sum.bytes, b->dump.len);
		free(got);
		free(want);
	}
}

static void test_portions(void **state)
{
	(void)state;
	for (unsigned int id_size = 4; id_size <= 8; id_size += 4) {
		struct hprof_builder b;

		hb_init(&b, id_size);
		hb_small_dump(&b);
		for (size_t n = 1; n <= b.dump.len; n++)
			assert_redacted(&b, n, n);
		for (size_t n = 1; n < b.dump.len; n++)
			assert_redacted(&b, n, b.dump.len);
		hb_release(&b);
	}
}

static void test_summary(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 8);
	hb_small_dump(&b);
	assert_redacted(&b, 100, 100);
	assert_int_equal(sum.records, 7);
	assert_int_equal(sum.heap_records, 2);
	assert_int_equal(sum.classes, 4);
	assert_int_equal(sum.instances, 5);
	assert_int_equal(sum.object_arrays, 2);
	assert_int_equal(sum.primitive_arrays, 9);
	assert_int_equal(sum.roots, 9);
	assert_int_equal(sum.id_size, 8);
	assert_int_equal(sum.instance_bytes, 2 * (13 + 19) + 2 * 19);
	assert_int_equal(sum.array_bytes, 3 * 8 + 5 * (1 + 2 + 4 + 8 + 1 + 2 + 4 + 8));
	assert_true(sum.ended);
	hb_release(&b);
}

static void test_cut_anywhere(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 8);
	hb_small_dump(&b);
	for (size_t len = 0; len < b.dump.len; len++) {
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			struct hprof_parser_options o = {.redact = modes[m]};

			assert_int_equal(parse(&b, len, 7, 7, o, NULL), -2);
			assert_int_equal(err.code, ERR_CAPTURE);
			assert_int_equal(parse(&b, len, len, len, o, NULL), -2);
		}
	}
	hb_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
