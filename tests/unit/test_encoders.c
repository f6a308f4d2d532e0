/* jdiag: blocks encoded by several threads come out in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/encoders.h"

#define BLOCKS 200

/* Sizes that differ a lot, so that a later block is often ready before an earlier one. */
static size_t length_of(size_t i)
{
	return i % 3 == 0 ? 200000 : 1 + i;
}

static void fill(unsigned char *room, size_t i)
{
	for (size_t k = 0; k < length_of(i); k++)
		room[k] = (unsigned char)(k * k >> 7 ^ i);
}

/* What one encoder makes of the same blocks. */
static void assert_block(struct codec_encoder *e, enum codec c, size_t i, const struct encoded *b)
{
	static unsigned char in[CODEC_BLOCK];
	auto_free unsigned char *out = xmalloc(codec_bound(c));
	size_t n;

	fill(in, i);
	n = codec_encode(e, i == 0, in, length_of(i), out);
	assert_int_equal(b->sizes.raw, length_of(i));
	assert_int_equal(b->sizes.stored, n);
	assert_memory_equal(b->data, out, n);
}

static void test_order(void **state)
{
	(void)state;
	for (enum codec c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		struct encoders *e = encoders_new(c);
		struct codec_encoder *one = codec_encoder_new(c);
		struct encoded block;
		size_t given = 0, taken = 0;

		assert_false(encoders_take(e, &block));
		while (taken < BLOCKS) {
			unsigned char *room = given < BLOCKS ? encoders_room(e) : NULL;

			if (room) {
				fill(room, given);
				encoders_give(e, length_of(given++));
				continue;
			}
			assert_true(encoders_take(e, &block));
			assert_block(one, c, taken++, &block);
			encoders_done(e);
		}
		assert_false(encoders_take(e, &block));
		codec_encoder_free(one);
		encoders_free(e);
	}
}

/* Given up in the middle: nothing hangs, nothing is lost (the sanitizers look). */
static void test_given_up(void **state)
{
	struct encoders *e = encoders_new(CODEC_GZIP);
	unsigned char *room;
	size_t n = 0;

	(void)state;
	while ((room = encoders_room(e))) {
		fill(room, n++);
		encoders_give(e, 200000);
	}
	assert_true(n >= 2);
	encoders_free(e);
	encoders_free(encoders_new(CODEC_ZSTD));
	encoders_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests_name("encoders", tests, NULL, NULL);
}
