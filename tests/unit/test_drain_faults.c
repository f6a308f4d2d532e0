/* remote: the drain when something goes wrong, or must wait */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/deny.h"
#include "tests/unit/drain_rig.h"

static void start_one_fifo(size_t len)
{
	rig_make_dump(len);
	rig_fifo("H", false);
	if (rig_start() < 0)
		fail_msg("%s", rig.err.msg);
}

/* It fails, and the JVM gets EPIPE instead of a stall. */
static void assert_fails(const char *text)
{
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
	assert_non_null(strstr(rig.err.msg, text));
	assert_int_equal(rig_writer_status(0), RIG_BROKEN_PIPE);
}

static void wait_for_raw(uint64_t bytes)
{
	rig_await(&rig.drain.progress->raw, bytes);
}

/* On a node with no processor to spare the idle threads are held back while the JVM writes. If it
 * was not the JVM that wrote and closed the FIFO, they must be let go to see that: the JVM hangs
 * in opening it, with no reader. */
static void test_another_writer(void **state)
{
	cpu_set_t all, one;
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	start_one_fifo(MiB);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	rig_write_bytes(0, "no dump", 7, false);
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
}

/* ---- no room ---- */

static void test_spool_full(void **state)
{
	(void)state;
	rig.o.max_bytes = 3 * MiB;
	rig.o.buffer = 64 * MiB;
	start_one_fifo(20 * MiB);
	rig_write_bytes(0, rig.written[0].dump.data, rig.written[0].dump.len, true);
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
	assert_int_equal(rig.err.sys, ENOSPC);
}

static void test_overflow_full(void **state)
{
	(void)state;
	rig.o.max_bytes = 12 * MiB;
	rig.o.workers = 1;
	rig.o.codec = CODEC_GZIP;
	start_one_fifo(40 * MiB);
	rig_write(0);
	assert_fails("the spool would be larger than");
	assert_int_equal(rig.err.sys, ENOSPC);
}

/* The kernel's own refusal to write. */
static void test_write_fails(void **state)
{
	struct rlimit old, limit;
	int r;

	(void)state;
	rig_make_dump(40 * MiB);
	rig_fifo("H", false);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){2 * MiB, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = rig_start();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, 0);
	rig_write(0);
	assert_fails("cannot write to the spool");
	assert_int_equal(rig.err.sys, EFBIG);
}

static void test_no_directory(void **state)
{
	(void)state;
	tempdir_file("data.0", 0600, "of another");
	rig_fifo("H", false);
	assert_int_equal(rig_start(), -1);
	assert_int_equal(rig.err.sys, EEXIST);
	assert_int_equal(rig.drain.pid, -1);
	assert_int_equal(rig.streams[0].fd, -1);
}

/* ---- not a dump ---- */

static void test_garbage(void **state)
{
	static const char text[4 * MiB] = "no such thing";

	(void)state;
	rig_fifo("H", false);
	assert_int_equal(rig_start(), 0);
	rig_write_bytes(0, text, sizeof(text), true);
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
}

/* The JVM was killed, or had no room. */
static void test_cut(void **state)
{
	(void)state;
	start_one_fifo(3 * MiB);
	rig_write_bytes(0, rig.written[0].dump.data, 2 * MiB + 77, false);
	assert_int_equal(rig_writer_status(0), 0);
	assert_int_equal(rig_wait(), -1); /* before drain_finish */
	assert_int_equal(rig.err.code, ERR_CAPTURE);
}

static void test_nothing_written(void **state)
{
	(void)state;
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	assert_int_equal(rig_start(), 0);
	drain_finish(&rig.drain);
	assert_int_equal(rig_wait(), -1);
	assert_string_equal(rig.err.msg, "the JVM has written nothing");
}

static void test_no_end_record(void **state)
{
	(void)state;
	rig_make_segments(1, MiB);
	rig_fifo("H", false);
	rig_fifo("H.p0", true);
	assert_int_equal(rig_start(), 0);
	rig_write_bytes(0, rig.written[0].dump.data, rig.written[0].dump.len - 9, false);
	rig_write(1);
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
	assert_string_equal(rig.err.msg, "the dump stops before its end record");
}

static void test_file_cut_while_read(void **state)
{
	const struct buf *b = &rig.written[0].dump;
	int fd;

	(void)state;
	rig_make_dump(3 * MiB);
	rig_file("F", true);
	fd = dup(rig.streams[0].fd);
	assert_int_equal(io_write_full(fd, b->data, b->len - 100), 0);
	assert_int_equal(rig_start(), 0);
	close(fd);
	drain_finish(&rig.drain);
	assert_int_equal(rig_wait(), -1);
	assert_int_equal(rig.err.code, ERR_CAPTURE);
}

/* What was planted is not in the spool, whether the capture ends well or not. */
static void test_redacted_and_failed(void **state)
{
	static const char secret[] = "correct horse battery staple";
	struct hprof_builder *b = &rig.written[0];
	auto_buf struct buf got = BUF_INIT(64 * MiB);

	(void)state;
	rig.o.redact = HPROF_REDACT_STRINGS;
	rig.o.workers = 1;
	hb_header(b);
	for (int i = 0; i < 3000; i++) {
		hb_open(b, 0x1c);
		hb_primitive_array(b, 0x3000, 'B', 5000);
		memcpy(b->dump.data + b->dump.len - 1000, secret, sizeof(secret));
		hb_close(b);
	}
	hb_number(b, 0x77, 1);
	hb_content(b, 20 * MiB, HB_STAYS);
	rig_fifo("H", false);
	assert_int_equal(rig_start(), 0);
	rig_write(0);
	assert_fails("");
	rig_read_file("data.0", &got);
	assert_true(got.len > MiB);
	assert_null(memmem(got.data, got.len, secret, sizeof(secret) - 1));
	assert_false(rig_exists("raw.0"));
}

/* ---- ends ---- */

static void test_killed(void **state)
{
	(void)state;
	/* nobody reads: however late the kill comes, it has not taken it all */
	rig.o.ring = 4 * MiB;
	start_one_fifo(60 * MiB);
	rig_write(0);
	wait_for_raw(MiB);
	assert_int_equal(kill(rig.drain.pid, SIGKILL), 0);
	assert_fails("the process that reads the dump was killed");
	assert_int_equal(rig.err.sys, EOWNERDEAD);
}

static void test_stopped(void **state)
{
	(void)state;
	start_one_fifo(MiB);
	rig_write_bytes(0, rig.written[0].dump.data, MiB, true);
	wait_for_raw(MiB);
	drain_stop(&rig.drain);
	assert_int_equal(rig.drain.pid, -1);
	drain_stop(&rig.drain);
}

/* In a process of its own, which is killed. */
static pid_t start_in_a_child(pid_t *ret_drain)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (rig_start() < 0 ||
		    io_write_full(fds[1], &rig.drain.pid, sizeof(rig.drain.pid)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(io_read_full(fds[0], ret_drain, sizeof(*ret_drain)), 0);
	close(fds[0]);
	return pid;
}

static void test_parent_killed(void **state)
{
	pid_t drain = 0, parent;
	int status;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	rig_make_dump(40 * MiB);
	rig_fifo("H", false);
	rig.o.redact = HPROF_REDACT_STRINGS;
	parent = start_in_a_child(&drain);
	fd_close(&rig.streams[0].fd);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(waitpid(drain, &status, 0), drain);
}

/* A descriptor of the caller does not live on in the drain. */
static void test_closes_what_it_does_not_need(void **state)
{
	int fds[2];
	char c;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	rig_fifo("H", false);
	assert_int_equal(rig_start(), 0);
	close(fds[1]);
	assert_int_equal(io_wait(fds[0], POLLIN, now_ms() + RIG_SECONDS * 1000), 1);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

/* Kernels before 5.9 cannot close a range. */
static void test_closes_without_close_range(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		deny_syscall(SYS_close_range, ENOSYS);
		test_closes_what_it_does_not_need(state);
		drain_stop(&rig.drain);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- bounds ---- */

static uint64_t *map_read_position(void)
{
	int fd = open(tempdir_path("read"), O_RDWR | O_CLOEXEC);
	void *m = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(m != MAP_FAILED);
	close(fd);
	return m;
}

/* A reader that takes what is there, and says so; the writer waits for it. */
static void test_ring(void **state)
{
	const struct buf *b = &rig.written[0].dump;
	auto_buf struct buf got = BUF_INIT(128 * MiB);
	_Atomic uint64_t *position;
	struct stat st;
	int fd, r;

	(void)state;
	rig.o.ring = 4 * MiB;
	start_one_fifo(60 * MiB);
	position = (_Atomic uint64_t *)map_read_position();
	fd = open(tempdir_path("data.0"), O_RDONLY | O_CLOEXEC);
	rig_write(0);
	rig_await(&rig.drain.progress->stored[0], 3 * MiB);
	usleep(20000);
	assert_true(atomic_load(&rig.drain.progress->stored[0]) <= rig.o.ring);
	assert_true(atomic_load(&rig.drain.progress->raw) < 16 * MiB);
	while ((r = drain_poll(&rig.drain, &rig.result, &rig.err)) == 0 || got.len < b->len) {
		uint64_t stored = atomic_load(&rig.drain.progress->stored[0]);
		size_t n = (size_t)(stored - got.len);

		if (r < 0)
			fail_msg("%s", rig.err.msg);
		assert_true(n <= rig.o.ring);
		if (n) {
			assert_int_equal(pread(fd, buf_reserve(&got, n), n, (off_t)got.len), n);
			got.len += n;
			atomic_store(position, got.len);
		} else {
			usleep(1000); /* idle threads work for us */
		}
		if (got.len == b->len)
			drain_finish(&rig.drain);
	}
	close(fd);
	munmap((void *)position, 8);
	assert_int_equal(r, 1);
	assert_int_equal(got.len, b->len);
	assert_memory_equal(got.data, b->data, b->len);
	assert_int_equal(rig.result.crc32c, crc32c(0, b->data, b->len));
	assert_true(rig.result.stalled_ms > 0);
	assert_int_equal(stat(tempdir_path("data.0"), &st), 0);
	assert_true(st.st_blocks * 512 < (off_t)(40 * MiB));
}

/* Resident, in bytes. */
static uint64_t resident(pid_t pid)
{
	auto_buf struct buf b = BUF_INIT(64 * KiB);
	char path[32];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
	line = strstr(buf_str(&b), "VmRSS:");
	assert_non_null(line);
	return strtoull(line + 6, NULL, 10) * 1024;
}

static void test_memory(void **state)
{
	uint64_t before;

	(void)state;
	rig.o.buffer = 100 * MiB;
	rig.o.workers = 8;
	rig.o.codec = CODEC_ZSTD;
	rig_make_dump(40 * MiB);
	rig_fifo("H", false);
	before = resident(getpid()); /* what the drain shares with this process */
	assert_int_equal(rig_start(), 0);
	assert_true(resident(rig.drain.pid) >= 100 * MiB); /* touched */
	rig_write_bytes(0, rig.written[0].dump.data, rig.written[0].dump.len, true);
	wait_for_raw(rig.written[0].dump.len);
	rig_await(&rig.drain.progress->stored[0], 100 * KiB);
	assert_int_equal(drain_poll(&rig.drain, &rig.result, &rig.err), 0);
#ifndef __SANITIZE_ADDRESS__
	assert_true(resident(rig.drain.pid) < before + (100 + 32) * MiB);
#else
	(void)before;
#endif
}

#define test(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_spool_full),
		test(test_overflow_full),
		test(test_write_fails),
		test(test_no_directory),
		test(test_garbage),
		test(test_cut),
		test(test_nothing_written),
		test(test_another_writer),
		test(test_no_end_record),
		test(test_file_cut_while_read),
		test(test_redacted_and_failed),
		test(test_killed),
		test(test_stopped),
		test(test_parent_killed),
		test(test_closes_what_it_does_not_need),
		test(test_closes_without_close_range),
		test(test_ring),
		test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
