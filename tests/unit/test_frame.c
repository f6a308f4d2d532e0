/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/wire/frame.h"

static struct error err;
static struct frame_reader reader;

static int setup(void **state)
{
	(void)state;
	frame_reader_init(&reader, WIRE_HELPER);
	err = (struct error){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	frame_reader_release(&reader);
	return 0;
}

static void test_magic(void **state)
{
	(void)state;
	assert_memory_equal(wire_magic, "\0JDIAG-WIRE\r\n\x1a\n\0", WIRE_MAGIC_SIZE);
}

static void test_u64(void **state)
{
	static const uint64_t values[] = {0, 1, 0x0123456789abcdef, UINT64_MAX};
	unsigned char b[8];

	(void)state;
	wire_put_u64(b, values[2]);
	assert_memory_equal(b, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		wire_put_u64(b, values[i]);
		assert_true(wire_get_u64(b) == values[i]);
	}
}

/* Two frames and a half, in pieces of every size. */
static void test_pieces(void **state)
{
	auto_buf struct buf all = BUF_INIT(1000);
	struct frame f;

	(void)state;
	frame_add(&all, FRAME_REQUEST, 0x01020304, "{\"a\":1}", 7);
	frame_add(&all, FRAME_CANCEL, 7, NULL, 0);
	frame_add(&all, FRAME_REQUEST, 8, "{}", 2);
	assert_memory_equal(all.data, "\0\0\0\x07\x02\x01\x02\x03\x04{\"a\":1}", 16);
	for (size_t piece = 1; piece <= all.len; piece++) {
		unsigned int n = 0;

		frame_reader_release(&reader);
		frame_reader_init(&reader, WIRE_HELPER);
		for (size_t at = 0; at < all.len - 1; at += piece) {
			const char *p = all.data + at;
			size_t len = at + piece < all.len - 1 ? piece : all.len - 1 - at;
			int rc;

			while ((rc = frame_reader_take(&reader, &p, &len, &f, &err)) == 1)
				if (n++ == 0) {
					assert_int_equal(f.type, FRAME_REQUEST);
					assert_int_equal(f.request, 0x01020304);
					assert_string_equal(f.body, "{\"a\":1}");
				} else {
					assert_int_equal(f.type, FRAME_CANCEL);
					assert_int_equal(f.request, 7);
					assert_int_equal(f.len, 0);
				}
			assert_int_equal(rc, 0);
			assert_int_equal(len, 0);
		}
		assert_int_equal(n, 2);
	}
}

static int take(enum wire_side side, unsigned int type, uint32_t len)
{
	const char header[WIRE_HEADER_SIZE] = {(char)(len >> 24), (char)(len >> 16),
					       (char)(len >> 8), (char)len, (char)type};
	const char *p = header;
	size_t n = sizeof(header);
	struct frame f;

	frame_reader_release(&reader);
	frame_reader_init(&reader, side);
	return frame_reader_take(&reader, &p, &n, &f, &err);
}

static void test_directions(void **state)
{
	static const struct {
		enum frame_type type;
		bool client, helper;
	} who[] = {
		{FRAME_HELLO, true, true},     {FRAME_REQUEST, false, true},
		{FRAME_PROGRESS, true, false}, {FRAME_RESULT, true, false},
		{FRAME_ERROR, true, false},    {FRAME_END, true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
		assert_int_equal(take(WIRE_CLIENT, who[i].type, 5), who[i].client ? 0 : -1);
		assert_int_equal(take(WIRE_HELPER, who[i].type, 5), who[i].helper ? 0 : -1);
	}
	assert_int_equal(take(WIRE_CLIENT, FRAME_DATA, 9), 0);
	assert_int_equal(take(WIRE_CLIENT, FRAME_DATA, 8), -1);
	assert_int_equal(take(WIRE_HELPER, FRAME_DATA, 9), 0);
	assert_int_equal(take(WIRE_HELPER, FRAME_DATA, 8), -1);
	assert_int_equal(take(WIRE_CLIENT, FRAME_CANCEL, 0), -1);
	assert_int_equal(take(WIRE_HELPER, FRAME_CANCEL, 0), 1);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(take(WIRE_HELPER, FRAME_REQUEST, MAX_FRAME_JSON), 0);
	assert_int_equal(take(WIRE_HELPER, FRAME_REQUEST, MAX_FRAME_JSON + 1), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_int_equal(take(WIRE_HELPER, FRAME_PING, 1), -1);
	assert_int_equal(take(WIRE_CLIENT, FRAME_DATA, MAX_FRAME_DATA + 8), 0);
	assert_int_equal(take(WIRE_CLIENT, FRAME_DATA, MAX_FRAME_DATA + 9), -1);
	assert_int_equal(take(WIRE_HELPER, FRAME_DATA, MAX_FRAME_DATA + 8), 0);
	assert_int_equal(take(WIRE_HELPER, FRAME_DATA, MAX_FRAME_DATA + 9), -1);
	assert_int_equal(take(WIRE_CLIENT, 0, 0), -1);
	assert_int_equal(take(WIRE_CLIENT, 10, 0), -1);
	assert_int_equal(take(WIRE_CLIENT, 255, UINT32_MAX), -1);
	/* A header alone allocates nothing. */
	assert_int_equal(take(WIRE_HELPER, FRAME_REQUEST, MAX_FRAME_JSON), 0);
	assert_true(reader.body.cap < 64);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(frame_type_name(FRAME_HELLO), "HELLO");
	assert_string_equal(frame_type_name(FRAME_PING), "PING");
	assert_string_equal(frame_type_name(0), "?");
	assert_string_equal(frame_type_name(4711), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_magic),  cmocka_unit_test(test_u64),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_directions),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
