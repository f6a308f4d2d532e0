/* jdiag: the dump's bytes out of a stored artifact */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "jdiag/archive/input.h"
#include "jdiag/process.h"
#include "remote/base/io.h"

#define LARGE (3 * MiB + 12345)

static struct buf raw, stored, decoded;
static struct error err;

/* Bytes in memory as a source, in portions. */
struct memory {
	const char *data;
	size_t len, at, portion;
	bool fails;
};

static int setup(void **state)
{
	(void)state;
	raw = BUF_INIT(8 * MiB);
	stored = BUF_INIT(16 * MiB);
	decoded = BUF_INIT(16 * MiB);
	err = (struct error){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&raw);
	buf_release(&stored);
	buf_release(&decoded);
	return 0;
}

static int memory_read(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *e)
{
	struct memory *m = ctx;
	size_t n = m->len - m->at < len ? m->len - m->at : len;

	if (m->fails && m->at == m->len)
		return error_set(e, ERR_UPLOAD, "the line is cut");
	if (m->portion && n > m->portion)
		n = m->portion;
	if (n)
		memcpy(buf, m->data + m->at, n);
	m->at += n;
	*ret_len = n;
	return 0;
}

/* Append len bytes to raw and, as blocks of at most `block`, to stored. */
static void add(enum codec c, size_t len, size_t block)
{
	struct codec_encoder *e = codec_encoder_new(c);
	auto_free unsigned char *out = xmalloc(codec_bound(c));
	char *in = buf_reserve(&raw, len);
	uint64_t seed = 1;

	assert_non_null(in);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		in[i] = (seed >> 60) == 0 ? (char)(seed >> 33) : (char)(i % 61);
	}
	raw.len += len;
	for (size_t at = 0; at < len; at += block) {
		size_t n = len - at < block ? len - at : block;

		n = codec_encode(e, at == 0 && !stored.len, in + at, n, out);
		buf_add(&stored, out, n);
	}
	codec_encoder_free(e);
}

static void add_seek_table(void)
{
	const struct codec_sizes sizes = {.stored = 1, .raw = 1};

	codec_trailer(CODEC_ZSTD, &sizes, 1, &stored);
}

static int read_all(struct artifact_input *in, size_t portion)
{
	auto_free char *buf = xmalloc(portion);
	size_t n;

	buf_reset(&decoded);
	do {
		if (artifact_read(in, buf, portion, &n, &err) < 0)
			return -1;
		assert_true(n <= portion);
		buf_add(&decoded, buf, n);
	} while (n);
	assert_false(decoded.overflow);
	/* The end stays the end. */
	assert_int_equal(artifact_read(in, buf, portion, &n, &err), 0);
	assert_int_equal(n, 0);
	return 0;
}

static int decode(struct memory *m, size_t portion)
{
	const struct artifact_source source = {"x", memory_read, m};
	auto_artifact struct artifact_input *in = NULL;

	err = (struct error){0};
	if (artifact_open_source(&in, &source, &err) < 0)
		return -1;
	return read_all(in, portion);
}

static int decode_stored(size_t len)
{
	struct memory m = {.data = stored.data, .len = len};

	return decode(&m, CODEC_BLOCK);
}

static void assert_decodes(size_t source_portion, size_t portion)
{
	struct memory m = {.data = stored.data, .len = stored.len, .portion = source_portion};

	assert_int_equal(decode(&m, portion), 0);
	assert_int_equal(decoded.len, raw.len);
	assert_memory_equal(decoded.data, raw.data, raw.len);
}

static void test_formats(void **state)
{
	for (enum codec c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		struct memory m;
		const struct artifact_source source = {"x", memory_read, &m};
		auto_artifact struct artifact_input *in = NULL;

		teardown(state);
		setup(state);
		add(c, LARGE, CODEC_BLOCK);
		if (c == CODEC_ZSTD)
			add_seek_table();
		m = (struct memory){.data = stored.data, .len = stored.len};
		assert_int_equal(artifact_open_source(&in, &source, &err), 0);
		assert_int_equal(artifact_codec(in), c);
		assert_int_equal(artifact_stored_offset(in), 0);
		assert_int_equal(read_all(in, CODEC_BLOCK), 0);
		assert_int_equal(artifact_stored_offset(in), stored.len);
		assert_int_equal(decoded.len, raw.len);
		assert_memory_equal(decoded.data, raw.data, raw.len);
	}
}

static void test_any_portions(void **state)
{
	for (enum codec c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		teardown(state);
		setup(state);
		add(c, LARGE, 300000);
		assert_decodes(0, 4096);
		assert_decodes(1, CODEC_BLOCK);
		assert_decodes(4097, 1000003);
		assert_decodes(1000003, 2 * CODEC_BLOCK);
	}
}

/* Made by others: no comment, one block for all, empty blocks, several runs one behind the other.
 */
static void test_other_layouts(void **state)
{
	static const char empty_gzip[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0";
	static const char empty_frame[] = "\x28\xb5\x2f\xfd\x20\0\x01\0";
	static const char skippable[] = "\x51\x2a\x4d\x18\x03\0\0\0abc";

	buf_add(&stored, empty_gzip, 20);
	add(CODEC_GZIP, 500000, CODEC_BLOCK);
	buf_add(&stored, empty_gzip, 20);
	add(CODEC_GZIP, 500000, 70000);
	assert_decodes(0, CODEC_BLOCK);
	assert_decodes(100, 1000);

	teardown(state);
	setup(state);
	buf_add(&stored, skippable, 11);
	add(CODEC_ZSTD, 500000, CODEC_BLOCK);
	buf_add(&stored, empty_frame, 9);
	buf_add(&stored, skippable, 11);
	add(CODEC_ZSTD, 500000, 70000);
	assert_decodes(0, CODEC_BLOCK);
	assert_decodes(100, 1000);
}

/* The first comment promises members of 1 MiB; a later one is larger. */
static void test_promise_is_not_kept(void **state)
{
	auto_buf struct buf second = BUF_INIT(MiB);
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"},
			      (char[]){"head -c 3000000 /dev/zero | gzip -1"}, NULL};
	const struct process_run gzip = {.what = "gzip",
					 .program = "/bin/sh",
					 .argv = argv,
					 .envp = environ,
					 .timeout_ms = 60000};
	static const char zeros[1000];

	(void)state;
	add(CODEC_GZIP, 100000, CODEC_BLOCK);
	assert_int_equal(process_run(&gzip, &second, &err), 0);
	buf_add(&stored, second.data, second.len);
	for (size_t n = 0; n < 3000000; n += sizeof(zeros))
		buf_add(&raw, zeros, sizeof(zeros));
	assert_decodes(0, CODEC_BLOCK);
}

/* Cut at any byte but between blocks: told, with the place; never taken for the end. */
static void test_cut_anywhere(void **state)
{
	static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		size_t ends[2];

		teardown(state);
		setup(state);
		add(codecs[i], 500, CODEC_BLOCK);
		ends[0] = stored.len;
		add(codecs[i], 700, CODEC_BLOCK);
		ends[1] = stored.len;
		if (codecs[i] == CODEC_ZSTD)
			add_seek_table();
		for (size_t cut = 4; cut < stored.len; cut++) {
			char place[32];

			if (cut == ends[0] || cut == ends[1])
				continue;
			assert_int_equal(decode_stored(cut), -1);
			assert_int_equal(err.code, ERR_CAPTURE);
			snprintf(place, sizeof(place), "at byte %zu ", cut);
			assert_non_null(strstr(err.msg, place));
		}
		assert_int_equal(decode_stored(ends[0]), 0);
		assert_int_equal(decoded.len, 500);
	}
}

/* Any flipped bit is noticed, or was in a field that means nothing (a time, a comment, the seek
 * table): then the bytes are the same. */
static void test_flipped_bits(void **state)
{
	static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		size_t noticed = 0;

		teardown(state);
		setup(state);
		add(codecs[i], 900, 500);
		add_seek_table();
		if (codecs[i] == CODEC_GZIP)
			stored.len -= 25;
		for (size_t bit = 32; bit < 8 * stored.len; bit++) {
			stored.data[bit / 8] ^= (char)(1 << bit % 8);
			if (decode_stored(stored.len) < 0) {
				assert_int_equal(err.code, ERR_CAPTURE);
				noticed++;
			} else {
				assert_int_equal(decoded.len, raw.len);
				assert_memory_equal(decoded.data, raw.data, raw.len);
			}
			stored.data[bit / 8] ^= (char)(1 << bit % 8);
		}
		assert_true(noticed > 8 * stored.len * 2 / 3);
	}
}

static void test_something_behind(void **state)
{
	static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		teardown(state);
		setup(state);
		add(codecs[i], 5000, CODEC_BLOCK);
		buf_adds(&stored, "and more");
		assert_int_equal(decode_stored(stored.len), -1);
		assert_int_equal(err.code, ERR_CAPTURE);
		assert_non_null(strstr(err.msg, "something else lies"));
	}
}

/* A frame header that asks for a window of 256 MiB; 128 MiB are as far as it goes. */
static void test_window(void **state)
{
	static const char wide[] = "\x28\xb5\x2f\xfd\0\x90\x01\0\0";
	static const char narrow[] = "\x28\xb5\x2f\xfd\0\x88\x01\0\0";

	(void)state;
	buf_add(&stored, wide, 9);
	assert_int_equal(decode_stored(stored.len), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	assert_non_null(strstr(err.msg, "128 MiB"));
	buf_reset(&stored);
	buf_add(&stored, narrow, 9);
	assert_int_equal(decode_stored(stored.len), 0);
	assert_int_equal(decoded.len, 0);
}

/* Gigabytes of zeros out of kilobytes come in portions, in the memory of one. */
static void test_bomb(void **state)
{
	auto_free char *buf = xcalloc(1, CODEC_BLOCK);
	auto_free char *out = xmalloc(codec_bound(CODEC_ZSTD));
	struct codec_encoder *e = codec_encoder_new(CODEC_ZSTD);
	size_t n = codec_encode(e, true, buf, CODEC_BLOCK, out);
	struct memory m = {.portion = 1000};
	const struct artifact_source source = {"x", memory_read, &m};
	auto_artifact struct artifact_input *in = NULL;
	uint64_t total = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		buf_add(&stored, out, n);
	codec_encoder_free(e);
	assert_true(stored.len < 200000);
	m.data = stored.data;
	m.len = stored.len;
	assert_int_equal(artifact_open_source(&in, &source, &err), 0);
	do {
		assert_int_equal(artifact_read(in, buf, CODEC_BLOCK, &n, &err), 0);
		total += n;
	} while (n);
	assert_int_equal(total, 2000 * CODEC_BLOCK);
}

static void test_source_fails(void **state)
{
	struct memory m = {.fails = true};

	(void)state;
	add(CODEC_GZIP, 5000, 1000);
	m.data = stored.data;
	m.len = stored.len / 2;
	assert_int_equal(decode(&m, CODEC_BLOCK), -1);
	assert_int_equal(err.code, ERR_UPLOAD);
	assert_string_equal(err.msg, "the line is cut");
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(decode_stored(0), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	assert_string_equal(err.msg, "'x' is empty");
}

static void test_short_is_plain(void **state)
{
	(void)state;
	buf_adds(&stored, "J");
	assert_int_equal(decode_stored(1), 0);
	assert_int_equal(decoded.len, 1);
}

static void test_paths(void **state)
{
	auto_artifact struct artifact_input *in = NULL;

	(void)state;
	assert_int_equal(artifact_open(&in, "/nonexistent/x.hprof", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg,
			    "cannot open '/nonexistent/x.hprof': No such file or directory");
	assert_int_equal(artifact_open(&in, "/", &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_string_equal(err.msg, "cannot read '/': Is a directory");
	assert_null(in);
	assert_int_equal(artifact_open(&in, "/proc/self/exe", &err), 0);
	assert_int_equal(artifact_codec(in), CODEC_NONE);
	assert_int_equal(read_all(in, CODEC_BLOCK), 0);
	assert_memory_equal(decoded.data,
			    "\x7f"
			    "ELF",
			    4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_formats),
		TEST(test_any_portions),
		TEST(test_other_layouts),
		TEST(test_promise_is_not_kept),
		TEST(test_cut_anywhere),
		TEST(test_flipped_bits),
		TEST(test_something_behind),
		TEST(test_window),
		TEST(test_bomb),
		TEST(test_source_fails),
		TEST(test_empty),
		TEST(test_short_is_plain),
		TEST(test_paths),
	};

	return cmocka_run_group_tests_name("artifact", tests, NULL, NULL);
}
