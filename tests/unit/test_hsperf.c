/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/hsperf.h"
#include "tests/unit/hsperf_file.h"

static void sample(struct hsperf_file *f)
{
	hsperf_begin(f);
	hsperf_add_u64(f, "sun.gc.generation.0.maxCapacity", 209715200);
	hsperf_add_string(f, "sun.rt.javaCommand", "app.Main one two");
	hsperf_add_string(f, "java.property.java.version", "17.0.15");
}

/* Everything that a user of the parser does, on memory of exactly that size. */
static bool try_all(const void *data, size_t len)
{
	unsigned char *copy = malloc(len ? len : 1);
	char text[8];
	struct hsperf h;
	uint64_t n;
	bool good;

	memcpy(copy, data, len);
	good = hsperf_parse(&h, copy, len);
	if (good) {
		bool a = hsperf_string(&h, "sun.rt.javaCommand", text, sizeof(text));
		bool b = hsperf_string(&h, "java.property.java.version", text, sizeof(text));
		bool c = hsperf_u64(&h, "sun.gc.generation.0.maxCapacity", &n);

		good = a && b && c && !hsperf_u64(&h, "not.there", &n);
	}
	free(copy);
	return good;
}

static void test_reads_what_hotspot_writes(void **state)
{
	struct hsperf_file f;
	struct hsperf h;
	char text[64];
	uint64_t n = 0;

	(void)state;
	sample(&f);
	assert_true(hsperf_parse(&h, f.data, f.len));
	assert_true(hsperf_string(&h, "sun.rt.javaCommand", text, sizeof(text)));
	assert_string_equal(text, "app.Main one two");
	assert_true(hsperf_u64(&h, "sun.gc.generation.0.maxCapacity", &n));
	assert_int_equal(n, 209715200);
}

static void test_strings_are_cut(void **state)
{
	struct hsperf_file f;
	struct hsperf h;
	char text[4];

	(void)state;
	sample(&f);
	hsperf_add(&f, "no.end", 'B', "xyz", 3);
	assert_true(hsperf_parse(&h, f.data, f.len));
	assert_true(hsperf_string(&h, "sun.rt.javaCommand", text, sizeof(text)));
	assert_string_equal(text, "app");
	assert_true(hsperf_string(&h, "no.end", text, sizeof(text)));
	assert_string_equal(text, "xyz");
}

static void test_types_are_checked(void **state)
{
	struct hsperf_file f;
	struct hsperf h;
	char text[64];
	uint64_t n;

	(void)state;
	sample(&f);
	assert_true(hsperf_parse(&h, f.data, f.len));
	assert_false(hsperf_string(&h, "sun.gc.generation.0.maxCapacity", text, sizeof(text)));
	assert_false(hsperf_u64(&h, "sun.rt.javaCommand", &n));
	assert_false(hsperf_u64(&h, "sun.gc.generation.0.max", &n));
	assert_false(hsperf_u64(&h, "", &n));
}

static void test_prologue_is_checked(void **state)
{
	static const struct {
		uint32_t at;
		unsigned char value;
	} wrong[] = {
		{0, 0xcb},	     /* magic */
		{4, 0},		     /* big endian */
		{5, 1},		     /* JDK 1.4 */
		{7, 0},		     /* being written */
		{11, 0xff},	     /* used beyond the file */
		{11, 0x7f}, {24, 0}, /* entries inside the prologue */
		{27, 0xff},	     /* and outside of the file */
		{30, 1},	     /* more entries than can be there */
		{31, 0xff},
	};
	struct hsperf_file f;
	struct hsperf h;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		sample(&f);
		f.data[wrong[i].at] = wrong[i].value;
		assert_false(hsperf_parse(&h, f.data, f.len));
	}
}

static void test_every_truncation(void **state)
{
	struct hsperf_file f;

	(void)state;
	sample(&f);
	assert_true(try_all(f.data, f.len));
	for (uint32_t len = 0; len < f.len; len++)
		assert_false(try_all(f.data, len));
}

/* The file lies about its lengths: nothing outside of it is read (ASan watches). */
static void test_every_changed_byte(void **state)
{
	static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct hsperf_file f;
	unsigned int good = 0;

	(void)state;
	sample(&f);
	for (uint32_t at = 0; at < f.len; at++) {
		unsigned char was = f.data[at];

		for (size_t v = 0; v < sizeof(values); v++) {
			f.data[at] = values[v];
			good += try_all(f.data, f.len);
		}
		f.data[at] = was;
	}
	assert_true(good > 0); /* bytes of values and padding may change */
}

static void test_entry_without_end(void **state)
{
	struct hsperf_file f;
	struct hsperf h;
	uint64_t n;

	(void)state;
	sample(&f);
	hsperf_put(&f, 32, 0); /* the first entry has no length: an endless list elsewhere */
	assert_true(hsperf_parse(&h, f.data, f.len));
	assert_false(hsperf_u64(&h, "sun.gc.generation.0.maxCapacity", &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_hotspot_writes),
		cmocka_unit_test(test_strings_are_cut),
		cmocka_unit_test(test_types_are_checked),
		cmocka_unit_test(test_prologue_is_checked),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_changed_byte),
		cmocka_unit_test(test_entry_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
