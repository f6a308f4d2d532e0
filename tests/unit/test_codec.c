/* remote: the formats of an artifact, decoded by other means than the encoder's */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/codec/codec.h"

#define MAX_BLOCKS 8
#define COMMENT "HPROF BLOCKSIZE=1048576"

/* An artifact: what went in, what came out, and where each block begins. */
struct artifact {
	enum codec codec;
	struct buf raw, stored;
	struct codec_sizes blocks[MAX_BLOCKS];
	size_t n;
};

static struct artifact artifact;
static struct codec_encoder *encoders[2];

static int setup(void **state)
{
	(void)state;
	artifact = (struct artifact){.raw = BUF_INIT(16 * MiB), .stored = BUF_INIT(32 * MiB)};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&artifact.raw);
	buf_release(&artifact.stored);
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		codec_encoder_free(encoders[i]);
		encoders[i] = NULL;
	}
	return 0;
}

/* Repeatable bytes. noise: of 256, how many are random; the rest repeats every 61 bytes. */
static void fill(unsigned char *p, size_t len, unsigned int noise, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (seed >> 56) < noise ? (unsigned char)(seed >> 33) : (unsigned char)(i % 61);
	}
}

/* Encode one more block, in turn by one of two encoders, fast and dense, into room of exactly
 * codec_bound. */
static void add_block(size_t len, unsigned int noise)
{
	struct artifact *a = &artifact;
	char *in = buf_reserve(&a->raw, len);
	auto_free unsigned char *out = xmalloc(codec_bound(a->codec));
	struct codec_encoder **e = &encoders[a->n % 2];
	size_t n;

	assert_non_null(in);
	fill((unsigned char *)in, len, noise, a->n + 1);
	if (!*e)
		*e = codec_encoder_new(a->codec);
	codec_encoder_dense(*e, a->n % 2);
	n = codec_encode(*e, a->n == 0, in, len, out);
	assert_true(n > 0 && n <= codec_bound(a->codec));
	a->raw.len += len;
	buf_add(&a->stored, out, n);
	a->blocks[a->n++] = (struct codec_sizes){.stored = (uint32_t)n, .raw = (uint32_t)len};
}

static void make_artifact(enum codec codec)
{
	artifact.codec = codec;
	add_block(CODEC_BLOCK, 20);
	add_block(CODEC_BLOCK, 256); /* nothing to be gained */
	add_block(1, 0);
	add_block(4097, 100);
	add_block(CODEC_BLOCK, 0);
	add_block(CODEC_BLOCK - 1, 60);
	codec_trailer(codec, artifact.blocks, artifact.n, &artifact.stored);
	assert_false(artifact.stored.overflow);
}

/* What the command prints, given these bytes on its standard input. Its status. */
static int run(const char *const *argv, const void *in, size_t len, struct buf *out)
{
	int to[2], from[2], status;
	pid_t writer, child;

	assert_int_equal(pipe(to) | pipe(from), 0);
	child = fork();
	if (child == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		close(to[1]);
		close(from[0]);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	writer = fork();
	if (writer == 0) {
		close(from[0]);
		_exit(io_write_full(to[1], in, len) < 0); /* the command may give up early */
	}
	close(to[1]);
	assert_int_equal(io_read_all(from[0], out), 0);
	close(from[0]);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_decodes(const char *const *argv, const void *in, size_t len, const void *raw,
			   size_t raw_len)
{
	auto_buf struct buf out = BUF_INIT(16 * MiB);

	assert_int_equal(run(argv, in, len, &out), 0);
	assert_int_equal(out.len, raw_len);
	assert_memory_equal(out.data, raw, raw_len);
}

static const char *const gunzip[] = {"gzip", "-dc", NULL};
static const char *const unzstd[] = {"zstd", "-dcq", NULL};

static uint32_t get_u32(const char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool known;
		enum codec codec;
	} names[] = {
		{"x.hprof", true, CODEC_NONE},
		{"gs://b/p/x.hprof.gz", true, CODEC_GZIP},
		{"x.gz", true, CODEC_GZIP},
		{"x.hprof.zst", true, CODEC_ZSTD},
		{".zst", true, CODEC_ZSTD},
		{"x.hprof.gz.bak", false, 0},
		{"xgz", false, 0},
		{"hprof", false, 0},
		{"", false, 0},
	};
	enum codec c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(codec_from_name(names[i].name, &c), names[i].known);
		if (names[i].known)
			assert_int_equal(c, names[i].codec);
	}
	for (c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		enum codec back = CODEC_NONE;

		assert_true(codec_from_format(codec_format(c), &back));
		assert_int_equal(back, c);
	}
	assert_false(codec_from_format("gz", &c));
	assert_false(codec_from_format("", &c));
}

static void test_plain_is_a_copy(void **state)
{
	(void)state;
	make_artifact(CODEC_NONE);
	assert_int_equal(artifact.stored.len, artifact.raw.len);
	assert_memory_equal(artifact.stored.data, artifact.raw.data, artifact.raw.len);
}

static void test_gzip_as_one_stream(void **state)
{
	(void)state;
	make_artifact(CODEC_GZIP);
	assert_decodes(gunzip, artifact.stored.data, artifact.stored.len, artifact.raw.data,
		       artifact.raw.len);
}

/* As the JDK's -gz lays it out: each block a member that can be read alone, the comment in the
 * first, no time anywhere. */
static void test_gzip_members(void **state)
{
	static const unsigned char first[] = "\x1f\x8b\x08\x10\0\0\0\0\x04\x03" COMMENT;
	static const unsigned char others[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3};
	const char *at, *raw;

	(void)state;
	make_artifact(CODEC_GZIP);
	at = artifact.stored.data;
	raw = artifact.raw.data;
	assert_memory_equal(at, first, sizeof(first));
	for (size_t i = 0; i < artifact.n; i++) {
		const struct codec_sizes *b = &artifact.blocks[i];

		if (i)
			assert_memory_equal(at, others, sizeof(others));
		assert_int_equal(get_u32(at + b->stored - 4), b->raw);
		assert_decodes(gunzip, at, b->stored, raw, b->raw);
		at += b->stored;
		raw += b->raw;
	}
	assert_ptr_equal(at, artifact.stored.data + artifact.stored.len);
}

static void test_zstd_as_one_stream(void **state)
{
	(void)state;
	make_artifact(CODEC_ZSTD);
	assert_decodes(unzstd, artifact.stored.data, artifact.stored.len, artifact.raw.data,
		       artifact.raw.len);
}

/* Read the table as a reader would: from the end of the artifact, knowing nothing else. */
static void test_zstd_seek_table(void **state)
{
	const char *end, *table, *at, *raw;
	uint32_t n;

	(void)state;
	make_artifact(CODEC_ZSTD);
	end = artifact.stored.data + artifact.stored.len;
	assert_int_equal(get_u32(end - 4), 0x8f92eab1);
	assert_int_equal(end[-5], 0);
	n = get_u32(end - 9);
	assert_int_equal(n, artifact.n);
	table = end - 9 - (size_t)n * 8;
	assert_int_equal(get_u32(table - 8), 0x184d2a5e);
	assert_int_equal(get_u32(table - 4), n * 8 + 9);
	at = artifact.stored.data;
	raw = artifact.raw.data;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t stored = get_u32(table + 8 * i), len = get_u32(table + 8 * i + 4);

		assert_decodes(unzstd, at, stored, raw, len);
		at += stored;
		raw += len;
	}
	assert_ptr_equal(at, table - 8);
	assert_ptr_equal(raw, artifact.raw.data + artifact.raw.len);
}

/* Each frame says how long its content is (single segment or not) and ends in a checksum. */
static void test_zstd_frame_header(void **state)
{
	const char *at;

	(void)state;
	make_artifact(CODEC_ZSTD);
	at = artifact.stored.data;
	for (size_t i = 0; i < artifact.n; i++) {
		unsigned char descriptor = (unsigned char)at[4];

		assert_int_equal(get_u32(at), 0xfd2fb528);
		assert_true(descriptor & 0x04);			       /* checksum */
		assert_true((descriptor >> 6) || (descriptor & 0x20)); /* content size */
		at += artifact.blocks[i].stored;
	}
}

static void test_damage_is_noticed(void **state)
{
	static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		auto_buf struct buf out = BUF_INIT(16 * MiB);

		teardown(state);
		setup(state);
		artifact.codec = codecs[i];
		add_block(CODEC_BLOCK, 256);
		artifact.stored.data[artifact.stored.len / 2] ^= 1;
		assert_int_not_equal(run(codecs[i] == CODEC_GZIP ? gunzip : unzstd,
					 artifact.stored.data, artifact.stored.len, &out),
				     0);
	}
}

/* The same bytes in give the same bytes out, whichever encoder and whatever it has done before. */
static void test_deterministic(void **state)
{
	auto_free unsigned char *in = xmalloc(CODEC_BLOCK);

	(void)state;
	fill(in, CODEC_BLOCK, 90, 7);
	for (enum codec c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		auto_free unsigned char *a = xmalloc(codec_bound(c)), *b = xmalloc(codec_bound(c));
		struct codec_encoder *used = codec_encoder_new(c), *fresh = codec_encoder_new(c);
		size_t n;

		(void)codec_encode(used, true, in, CODEC_BLOCK, a);
		n = codec_encode(used, false, in, CODEC_BLOCK, a);
		assert_int_equal(codec_encode(fresh, false, in, CODEC_BLOCK, b), n);
		assert_memory_equal(a, b, n);
		codec_encoder_free(used);
		codec_encoder_free(fresh);
	}
}

/* Numbers as text: something to be found for who looks longer. */
static void fill_text(unsigned char *p, size_t len)
{
	size_t at = 0;
	uint64_t seed = 1;

	while (at + 32 < len) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		at += (size_t)snprintf((char *)p + at, 32, "order %u of %u; ",
				       (unsigned int)(seed >> 52), (unsigned int)(seed >> 40) % 97);
	}
	memset(p + at, ' ', len - at);
}

static void test_dense_is_smaller(void **state)
{
	auto_free unsigned char *in = xmalloc(CODEC_BLOCK);

	(void)state;
	fill_text(in, CODEC_BLOCK);
	for (enum codec c = CODEC_GZIP; c <= CODEC_ZSTD; c++) {
		auto_free unsigned char *out = xmalloc(codec_bound(c));
		struct codec_encoder *e = codec_encoder_new(c);
		size_t fast = codec_encode(e, false, in, CODEC_BLOCK, out);

		codec_encoder_dense(e, true);
		assert_true(codec_encode(e, false, in, CODEC_BLOCK, out) < fast);
		codec_encoder_dense(e, false);
		assert_int_equal(codec_encode(e, false, in, CODEC_BLOCK, out), fast);
		codec_encoder_free(e);
	}
}

/* Never more than codec_bound, for any mixture: the room behind it keeps its pattern. */
static void test_bound(void **state)
{
	auto_free unsigned char *in = xmalloc(CODEC_BLOCK);

	(void)state;
	for (enum codec c = CODEC_NONE; c <= CODEC_ZSTD; c++) {
		size_t bound = codec_bound(c);
		auto_free unsigned char *out = xmalloc(bound + 64);
		struct codec_encoder *e = codec_encoder_new(c);

		for (unsigned int i = 0; i < 60; i++) {
			size_t len = i < 20 ? CODEC_BLOCK - i : i < 40 ? i - 19 : 7919u * i;
			size_t n;

			fill(in, len, (i * 37) % 257, i);
			memset(out + bound, 0xa5, 64);
			n = codec_encode(e, i % 2, in, len, out);
			assert_true(n > 0 && n <= bound);
			for (int k = 0; k < 64; k++)
				assert_int_equal(out[bound + (size_t)k], 0xa5);
		}
		assert_true(bound <= CODEC_BLOCK + CODEC_BLOCK / 64);
		codec_encoder_free(e);
	}
}

static void test_trailer_only_for_zstd(void **state)
{
	const struct codec_sizes one = {.stored = 1, .raw = 1};
	auto_buf struct buf out = BUF_INIT(64);

	(void)state;
	codec_trailer(CODEC_NONE, &one, 1, &out);
	codec_trailer(CODEC_GZIP, &one, 1, &out);
	assert_int_equal(out.len, 0);
	codec_trailer(CODEC_ZSTD, &one, 1, &out);
	assert_int_equal(out.len, 8 + 8 + 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_plain_is_a_copy),
		TEST(test_gzip_as_one_stream),
		TEST(test_gzip_members),
		TEST(test_zstd_as_one_stream),
		TEST(test_zstd_seek_table),
		TEST(test_zstd_frame_header),
		TEST(test_damage_is_noticed),
		TEST(test_deterministic),
		TEST(test_dense_is_smaller),
		TEST(test_bound),
		TEST(test_trailer_only_for_zstd),
	};

	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
