/* remote: what the drain makes of a dump */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/drain_rig.h"

/* Each stream as it was written and redacted, joined as the JVM's own merge would. */
static void expect(struct buf *ret)
{
	size_t held = rig.streams[rig.n - 1].segment ? 9 : 0;

	for (unsigned int i = 0; i < rig.n; i++) {
		char *redacted = hb_redacted(&rig.written[i], rig.o.redact);

		buf_add(ret, redacted, rig.written[i].dump.len - (i ? 0 : held));
		free(redacted);
	}
	if (held)
		buf_add(ret, rig.written[0].dump.data + rig.written[0].dump.len - held, held);
}

static void assert_same(void)
{
	auto_buf struct buf want = BUF_INIT(256 * MiB), got = BUF_INIT(256 * MiB);

	expect(&want);
	rig_decoded(&got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(rig.result.raw, want.len);
	assert_true(rig.result.records > 0);
	assert_false(rig_exists("raw.0"));
}

static void one_fifo(enum codec codec, size_t len)
{
	rig.o.codec = codec;
	rig_make_dump(len);
	rig_fifo("H", false);
	assert_int_equal(rig_start(), 0);
	assert_int_equal(rig.streams[0].fd, -1);
	rig_write(0);
	assert_int_equal(rig_writer_status(0), 0);
	assert_rig_ends_well();
	assert_same();
}

static void test_plain(void **state)
{
	(void)state;
	rig.o.buffer = 16 * MiB;
	one_fifo(CODEC_NONE, 5 * MiB);
	assert_int_equal(rig.result.overflow, 0);
}

static void test_gzip(void **state)
{
	(void)state;
	rig.o.buffer = 16 * MiB;
	one_fifo(CODEC_GZIP, 5 * MiB);
}

static void test_zstd(void **state)
{
	(void)state;
	rig.o.buffer = 16 * MiB;
	one_fifo(CODEC_ZSTD, 5 * MiB);
}

static void test_one_worker(void **state)
{
	(void)state;
	rig.o.workers = 1;
	one_fifo(CODEC_GZIP, 3 * MiB);
}

static void test_smaller_than_a_chunk(void **state)
{
	(void)state;
	one_fifo(CODEC_ZSTD, 0);
}

/* A dump of several times the buffer, faster than the workers compress it. */
static void test_overflow(void **state)
{
	(void)state;
	rig.o.workers = 1;
	one_fifo(CODEC_GZIP, 40 * MiB);
	assert_true(rig.result.overflow > 0);
	assert_int_equal(rig.result.stalled_ms, 0);
}

/* ---- segments ---- */

static void three_segments(enum codec codec, size_t len)
{
	rig.o.codec = codec;
	rig_make_segments(2, len);
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	rig_fifo("H.p1", true);
	rig_fifo("H.p2", true); /* the JVM does not use it */
	assert_int_equal(rig_start(), 0);
	for (unsigned int i = 0; i < 3; i++)
		rig_write(i);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_writer_status(i), 0);
	assert_rig_ends_well();
	assert_same();
}

static void test_segments(void **state)
{
	static const char *const names[] = {"H.p0", "H.p1"};
	struct stat st;

	(void)state;
	three_segments(CODEC_GZIP, 3 * MiB);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(lstat(rig_path(names[i]), &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_size, 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(lstat(rig_path("H.p2"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

static void test_segments_zstd(void **state)
{
	(void)state;
	three_segments(CODEC_ZSTD, 2 * MiB);
}

static void test_segments_overflow(void **state)
{
	(void)state;
	rig.o.workers = 1;
	three_segments(CODEC_GZIP, 30 * MiB);
	assert_true(rig.result.overflow > 0);
}

/* The name is a plain file as soon as the first byte was taken, not only at the end. */
static void test_plain_file_at_the_first_byte(void **state)
{
	uint64_t deadline = now_ms() + RIG_SECONDS * 1000;
	struct stat st;

	(void)state;
	rig_make_segments(1, 0);
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	assert_int_equal(rig_start(), 0);
	rig_write_bytes(1, rig.written[1].dump.data, 1, true);
	do {
		assert_true(now_ms() < deadline);
		usleep(1000);
		assert_int_equal(lstat(rig_path("H.p0"), &st), 0);
	} while (!S_ISREG(st.st_mode));
}

/* However the main stream is cut into writes, the last 9 bytes go behind the segments. */
static void test_end_record_in_small_writes(void **state)
{
	const struct buf *b = &rig.written[0].dump;
	int fd;

	(void)state;
	rig_make_segments(1, 0);
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	assert_int_equal(rig_start(), 0);
	rig_write(1);
	assert_int_equal(rig_writer_status(1), 0);
	fd = open(rig_path("H"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(io_write_full(fd, b->data, b->len - 13), 0);
	for (size_t i = b->len - 13; i < b->len; i++) {
		uint64_t before = atomic_load(&rig.drain.progress->raw);

		assert_int_equal(io_write_full(fd, b->data + i, 1), 0);
		rig_await(&rig.drain.progress->raw, before + 1);
	}
	close(fd);
	assert_rig_ends_well();
	assert_same();
}

/* ---- redaction ---- */

static void redacted(enum hprof_redact redact)
{
	rig.o.redact = redact;
	rig.o.workers = 1;
	one_fifo(CODEC_GZIP, 20 * MiB);
	assert_int_equal(rig.result.overflow, 0);
	assert_true(rig.drain.progress->stalled_ns > 0);
}

static void test_redact_strings(void **state)
{
	(void)state;
	redacted(HPROF_REDACT_STRINGS);
}

static void test_redact_primitives(void **state)
{
	(void)state;
	redacted(HPROF_REDACT_PRIMITIVES);
}

/* The second segment fills the buffer before the first has told the classes: both get through. */
static void test_segments_wait_for_the_classes(void **state)
{
	(void)state;
	rig.o.redact = HPROF_REDACT_PRIMITIVES;
	rig_make_segments(2, 20 * MiB);
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	rig_fifo("H.p1", true);
	assert_int_equal(rig_start(), 0);
	rig_write(2);
	rig_await(&rig.drain.progress->raw, 5 * MiB);
	assert_int_equal(atomic_load(&rig.drain.progress->stored[2]), 0);
	rig_write(1);
	rig_write(0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_writer_status(i), 0);
	assert_rig_ends_well();
	assert_same();
	assert_int_equal(rig.result.overflow, 0);
}

/* ---- files ---- */

static void test_file(void **state)
{
	const struct buf *b = &rig.written[0].dump;
	struct stat st;
	int fd;

	(void)state;
	rig.o.codec = CODEC_GZIP;
	rig_make_dump(20 * MiB);
	rig_file("F", false);
	fd = dup(rig.streams[0].fd);
	assert_int_equal(rig_start(), 0);
	assert_int_equal(io_write_full(fd, b->data, b->len), 0);
	assert_int_equal(pwrite(fd, b->data, 20, 0), 20); /* patched behind the writing position */
	assert_rig_ends_well();
	assert_same();
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 < (off_t)(9 * MiB));
	close(fd);
}

static void test_file_that_grows(void **state)
{
	const struct buf *b = &rig.written[0].dump;
	int fd;

	(void)state;
	rig_make_dump(4 * MiB);
	rig_file("F", true);
	fd = dup(rig.streams[0].fd);
	assert_int_equal(rig_start(), 0);
	assert_int_equal(io_write_full(fd, b->data, 3 * MiB), 0);
	rig_await(&rig.drain.progress->stored[0], 3 * MiB);
	assert_int_equal(io_write_full(fd, b->data + 3 * MiB, b->len - 3 * MiB), 0);
	close(fd);
	assert_rig_ends_well();
	assert_same();
}

#define test(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_plain),
		test(test_gzip),
		test(test_zstd),
		test(test_one_worker),
		test(test_smaller_than_a_chunk),
		test(test_overflow),
		test(test_segments),
		test(test_segments_zstd),
		test(test_segments_overflow),
		test(test_plain_file_at_the_first_byte),
		test(test_end_record_in_small_writes),
		test(test_redact_strings),
		test(test_redact_primitives),
		test(test_segments_wait_for_the_classes),
		test(test_file),
		test(test_file_that_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
