/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/buf.h"

static void test_append(void **state)
{
	auto_buf struct buf b = BUF_INIT(1000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, NULL, 0);
	buf_adds(&b, "abc");
	buf_addf(&b, "%d", 42);
	buf_add(&b, "\0x", 2);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "abc42\0x", 8);
	buf_consume(&b, 3);
	assert_string_equal(b.data, "42");
	assert_int_equal(b.len, 4);
	buf_consume(&b, 99);
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_str(&b), "");
	assert_false(b.overflow);
}

static void test_maximum(void **state)
{
	auto_buf struct buf b = BUF_INIT(4), none = BUF_INIT(0);

	(void)state;
	buf_adds(&b, "abcd");
	assert_false(b.overflow);
	buf_adds(&b, "e");
	assert_true(b.overflow);
	/* It stays that way, and nothing more gets in. */
	buf_consume(&b, 4);
	buf_adds(&b, "x");
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_adds(&b, "x");
	assert_string_equal(buf_str(&b), "x");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.overflow);
	buf_adds(&none, "");
	assert_false(none.overflow);
	buf_adds(&none, "x");
	assert_true(none.overflow);
}

static void test_reserve(void **state)
{
	auto_buf struct buf b = BUF_INIT(100000);
	size_t before = 0;
	unsigned int grown = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char *p = buf_reserve(&b, 1);

		assert_non_null(p);
		*p = (char)i;
		b.len++;
		grown += b.cap != before;
		before = b.cap;
	}
	assert_true(grown < 30);
	assert_true(b.cap <= b.max + 1);
	assert_null(buf_reserve(&b, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
