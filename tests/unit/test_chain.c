/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/buf.h"
#include "remote/hprof/chain.h"

static struct error err;
static struct buf dump = {.max = 100000};

static void add_header(const char *version, char id_size)
{
	buf_reset(&dump);
	buf_adds(&dump, "JAVA PROFILE 1.0.");
	buf_add(&dump, version, 2);
	buf_add(&dump, (char[]){0, 0, 0, id_size, 0, 0, 0, 0, 0, 0, 0, 0}, 12);
}

static void add_record(unsigned int tag, uint32_t said, size_t given)
{
	static const char body[1000];

	buf_add(&dump,
		(char[]){(char)tag, 0, 0, 0, 0, (char)(said >> 24), (char)(said >> 16),
			 (char)(said >> 8), (char)said},
		9);
	buf_add(&dump, body, given);
}

/* In pieces of n bytes: 0 good, -1 refused on the way, -2 at the end. */
static int check(size_t n)
{
	struct hprof_chain c;

	err = (struct error){0};
	hprof_chain_init(&c);
	for (size_t at = 0; at < dump.len; at += n)
		if (hprof_chain_add(&c, dump.data + at, at + n < dump.len ? n : dump.len - at,
				    &err))
			return -1;
	return hprof_chain_finish(&c, &err) ? -2 : 0;
}

static void assert_result(int want)
{
	for (size_t n = 1; n < 60; n++)
		assert_int_equal(check(n), want);
	assert_int_equal(check(dump.len + 1), want);
	if (want)
		assert_int_equal(err.code, ERR_CAPTURE);
}

/* What 11 and later write. */
static void add_segmented(void)
{
	add_header("2", 8);
	add_record(0x01, 20, 20);
	add_record(0x02, 24, 24);
	add_record(0x1c, 500, 500);
	add_record(0x1c, 0, 0);
	add_record(0x1c, 31, 31);
	add_record(0x2c, 0, 0);
}

static void test_good(void **state)
{
	(void)state;
	add_segmented();
	assert_result(0);
	/* JDK 8: one record, no end mark. */
	add_header("1", 4);
	add_record(0x01, 5, 5);
	add_record(0x0c, 700, 700);
	assert_result(0);
}

static void test_cut_anywhere(void **state)
{
	size_t whole;

	(void)state;
	add_segmented();
	whole = dump.len;
	for (size_t n = 0; n < whole; n++) {
		struct hprof_chain c;

		hprof_chain_init(&c);
		assert_int_equal(hprof_chain_add(&c, dump.data, n, &err), 0);
		assert_int_equal(hprof_chain_finish(&c, &err), -1);
		assert_int_equal(err.code, ERR_CAPTURE);
	}
}

static void test_broken(void **state)
{
	(void)state;
	add_header("3", 8);
	assert_result(-1);
	add_header("2", 7);
	assert_result(-1);
	buf_reset(&dump);
	buf_adds(&dump, "this is not a heap dump, but it is long enough for a header");
	assert_result(-1);
	add_header("2", 8);
	add_record(0x99, 0, 0);
	assert_result(-1);
	add_segmented();
	add_record(0x01, 0, 0);
	assert_result(-1);
	add_header("2", 8);
	add_record(0x1c, 5, 5);
	add_record(0x2c, 3, 3);
	assert_result(-1);
}

/* Lengths that lie: nothing is allocated from them, and the end tells. */
static void test_lies(void **state)
{
	(void)state;
	add_header("2", 8);
	add_record(0x1c, UINT32_MAX, 100);
	assert_result(-2);
	add_header("2", 8);
	add_record(0x01, 10, 10);
	add_record(0x2c, 0, 0);
	assert_result(-2); /* no objects */
	add_header("2", 8);
	add_record(0x1c, 10, 10);
	assert_result(-2); /* no end mark */
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&dump);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
