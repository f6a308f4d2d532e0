/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/error.h"
#include "remote/base/str.h"

static void assert_escaped(const char *src, size_t len, const char *keep, const char *want)
{
	char dst[128];

	assert_int_equal(str_escape(dst, sizeof(dst), src, len, keep), strlen(want));
	assert_string_equal(dst, want);
}

static void test_escape(void **state)
{
	char dst[8];

	(void)state;
	assert_escaped("plain \\ text", 12, "", "plain \\ text");
	assert_escaped("a\nb\tc", 5, "\n", "a\nb\\x09c");
	assert_escaped("\x1b]0;x\a\r\x7f", 8, "", "\\x1b]0;x\\x07\\x0d\\x7f");
	assert_escaped("a\0b", 3, "", "a\\x00b");
	assert_escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "",
		       "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_escaped("\xc2\x9b", 2, "", "\\xc2\\x9b");			    /* C1 */
	assert_escaped("\xe2\x80\xae", 3, "", "\\xe2\\x80\\xae");		    /* U+202E */
	assert_escaped("\xe2\x81\xa7", 3, "", "\\xe2\\x81\\xa7");		    /* U+2067 */
	assert_escaped("\xc0\xaf\xff\xe2\x82", 5, "", "\\xc0\\xaf\\xff\\xe2\\x82"); /* not UTF-8 */
	assert_escaped("\xed\xa0\x80", 3, "", "\\xed\\xa0\\x80"); /* a surrogate */
	/* Cut at a whole escape. */
	assert_int_equal(str_escape(dst, sizeof(dst), "abcdef\x01", 7, ""), 6);
	assert_string_equal(dst, "abcdef");
	assert_int_equal(str_escape(dst, sizeof(dst), "abcdefgh", 8, ""), 7);
}

static void test_u64(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "1.", "１", "18446744073709551616"};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(str_to_u64(bad[i], UINT64_MAX, &v));
	assert_false(str_to_u64("101", 100, &v));
	assert_int_equal(v, 7);
	assert_true(str_to_u64("100", 100, &v) && v == 100);
	assert_true(str_to_u64("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX);
	assert_true(str_to_u64("007", 100, &v) && v == 7);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"90", 90000},   {"30s", 30000},	 {"5m", 300000},
		    {"2h", 7200000}, {"1h30m", 5400000}, {"0", 0}};
	static const char *const bad[] = {
		"", "s", "-1s", "1x", "1s2", "5 m", "99999999999999999999h"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(str_to_duration_ms(good[i].text, &v));
		assert_int_equal(v, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(str_to_duration_ms(bad[i], &v));
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"4096", 4096},
		    {"64KiB", 65536},
		    {"512M", 512ull << 20},
		    {"2GiB", 2ull << 30},
		    {"1T", 1ull << 40}};
	static const char *const bad[] = {
		"", "K", "-1", "1KB", "1.5G", "1 G", "99999999999999999T"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(str_to_size(good[i].text, &v));
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(str_to_size(bad[i], &v));
}

static void test_small_ones(void **state)
{
	char dst[16] = "old", hex[7];

	(void)state;
	assert_true(str_only("abba", "ab"));
	assert_false(str_only("abc", "ab"));
	assert_false(str_only("", "ab"));
	assert_true(str_copy(dst, 4, "abc"));
	assert_false(str_copy(dst, 4, "abcd"));
	assert_string_equal(dst, "abc");
	assert_true(str_starts("abc", "ab") && !str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc") && !str_ends("c", "bc"));
	assert_string_equal(str_hex(hex, (const unsigned char *)"\x00\xab\xff", 3), "00abff");
	assert_string_equal(str_format_size(dst, 512), "512 B");
	assert_string_equal(str_format_size(dst, 1288490189), "1.2 GiB");
	assert_string_equal(str_format_ms(dst, 350), "350ms");
	assert_string_equal(str_format_ms(dst, 1400), "1.4s");
	assert_string_equal(str_format_ms(dst, 125000), "2m05s");
}

static void check_word(const char *text, const char *expected)
{
	auto_free char *word = str_shell_word(text);

	assert_string_equal(word, expected);
}

static void test_shell_word(void **state)
{
	(void)state;
	check_word("gs://b/p/shop_web-0.hprof.gz", "gs://b/p/shop_web-0.hprof.gz");
	check_word("", "''");
	check_word("a b", "'a b'");
	check_word("$(id)", "'$(id)'");
	check_word("~root", "'~root'");
	check_word("it's", "'it'\\''s'");
	check_word("''", "''\\'''\\'''");
	check_word("a;b&c|d`e`", "'a;b&c|d`e`'");
}

static void test_format_age(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{0, "0s"},
		{119, "119s"},
		{120, "2m"},
		{7199, "119m"},
		{7200, "2h"},
		{172799, "47h"},
		{172800, "2d"},
		{86400ull * 4000, "4000d"},
		{UINT64_MAX, "213503982334601d"},
	};
	char text[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(str_format_age(text, cases[i].seconds), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),	   cmocka_unit_test(test_u64),
		cmocka_unit_test(test_duration),   cmocka_unit_test(test_size),
		cmocka_unit_test(test_small_ones), cmocka_unit_test(test_shell_word),
		cmocka_unit_test(test_format_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
