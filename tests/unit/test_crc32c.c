/* remote: CRC32C */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "remote/base/crc32c.h"

/* Values of RFC 3720, B.4, as numbers. */
static void test_vectors(void **state)
{
	unsigned char b[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c(0, "", 0), 0);
	memset(b, 0, sizeof(b));
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x8a9136aau);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x62a8ab43u);
	for (int i = 0; i < 32; i++)
		b[i] = (unsigned char)i;
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x46dd794eu);
	for (int i = 0; i < 32; i++)
		b[i] = (unsigned char)(31 - i);
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x113fdb5cu);
}

static void test_instruction_and_table_agree(void **state)
{
	unsigned char b[300];

	(void)state;
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (unsigned char)(i * 131 + 7);
	for (size_t from = 0; from < 9; from++)
		for (size_t n = 0; from + n <= sizeof(b); n++)
			assert_int_equal(crc32c(0, b + from, n), crc32c_portable(0, b + from, n));
}

static void test_continued_at_any_place(void **state)
{
	const char *text = "the quick brown fox jumps over the lazy dog";
	size_t len = strlen(text);
	uint32_t whole = crc32c(0, text, len);

	(void)state;
	for (size_t i = 0; i <= len; i++)
		assert_int_equal(crc32c(crc32c(0, text, i), text + i, len - i), whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_instruction_and_table_agree),
		cmocka_unit_test(test_continued_at_any_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
