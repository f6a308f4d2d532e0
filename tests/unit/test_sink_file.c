/* jdiag: the file and stdout sinks */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "jdiag/sink/sink.h"
#include "remote/base/io.h"

static char dir[] = "/tmp/jdiag-sink-XXXXXX";

static char *at(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static bool exists(const char *name)
{
	auto_free char *path = at(name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static void assert_content(const char *name, const char *text)
{
	auto_free char *path = at(name);
	auto_buf struct buf b = BUF_INIT(1000);

	assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
	assert_string_equal(buf_str(&b), text);
}

static struct sink *open_ok(const char *to)
{
	const struct sink_options o = {.to = to, .name = "dump.hprof"};
	struct sink *s = NULL;
	struct error err = {0};

	if (sink_open(&s, &o, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void assert_refused(const char *to, enum err_code code, const char *message)
{
	const struct sink_options o = {.to = to, .name = "dump.hprof"};
	struct sink *s = NULL;
	struct error err = {0};

	assert_int_equal(sink_open(&s, &o, &err), -1);
	assert_null(s);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, message))
		fail_msg("'%s' is not in '%s'", message, err.msg);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(memcpy(dir, "/tmp/jdiag-sink-XXXXXX", sizeof(dir))) ? 0 : -1;
}

static int tear_down(void **state)
{
	auto_free char *cmd = NULL;
	static const char *const names[] = {
		"dump.hprof",	      "dump.hprof.manifest.json", "x.hprof", "sub/dump.hprof",
		"dump.hprof.partial", "x.hprof.partial",	  "link",    "out"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *path = at(names[i]);

		unlink(path);
	}
	cmd = at("sub");
	rmdir(cmd);
	return rmdir(dir); /* fails when something was left */
}

static void test_written_beside_and_renamed(void **state)
{
	auto_free char *path = at("x.hprof");
	struct sink *s = open_ok(path);
	struct error err = {0};
	uint64_t offset = 0;
	struct stat st;

	(void)state;
	assert_true(exists("x.hprof.partial"));
	assert_false(exists("x.hprof"));
	assert_true(sink_free_bytes(s) > 0);
	assert_int_equal(sink_extent(s, 3, false, &err), 0);
	assert_int_equal(sink_write(s, "abc", 3, &offset, &err), 0);
	assert_int_equal(sink_extent(s, 5, true, &err), 0);
	assert_int_equal(sink_write(s, "de", 2, &offset, &err), 0);
	assert_false(exists("x.hprof"));
	assert_int_equal(sink_finish(s, &offset, &err), 0);
	assert_false(exists("x.hprof.partial"));
	assert_string_equal(sink_url(s), path);
	sink_abort(s);
	assert_content("x.hprof", "abcde");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_directory_gets_the_name(void **state)
{
	auto_free char *sub = at("sub"), *slash = at("sub/"), *path = at("sub/dump.hprof");
	struct error err = {0};
	uint64_t offset;
	struct sink *s;

	(void)state;
	assert_refused(slash, ERR_USAGE, "cannot open the directory");
	assert_int_equal(mkdir(sub, 0700), 0);
	for (int i = 0; i < 2; i++) {
		s = open_ok(i ? slash : sub);
		assert_string_equal(sink_url(s), path);
		assert_int_equal(sink_finish(s, &offset, &err), 0);
		sink_abort(s);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_abort_leaves_nothing(void **state)
{
	auto_free char *path = at("x.hprof");
	struct sink *s = open_ok(path);
	struct error err = {0};
	uint64_t offset;

	(void)state;
	assert_int_equal(sink_write(s, "abc", 3, &offset, &err), 0);
	sink_abort(s);
	assert_false(exists("x.hprof"));
	assert_false(exists("x.hprof.partial"));
}

static void test_nothing_is_overwritten(void **state)
{
	auto_free char *path = at("x.hprof"), *partial = at("x.hprof.partial"), *link = at("link");
	struct error err = {0};
	uint64_t offset;
	struct sink *s = open_ok(path);

	(void)state;
	assert_refused(path, ERR_USAGE, "x.hprof.partial' exists already");
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(sink_finish(s, &offset, &err), -1);
	assert_non_null(strstr(err.msg, "exists already"));
	sink_abort(s);
	assert_false(exists("x.hprof.partial"));
	assert_content("x.hprof", "");
	assert_refused(path, ERR_USAGE, "exists already");
	/* a link that leads nowhere would be created through */
	assert_int_equal(symlink("nowhere", link), 0);
	assert_refused(link, ERR_USAGE, "exists already");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", partial), 0);
	assert_refused(path, ERR_USAGE, "exists already");
}

static void test_bad_destinations(void **state)
{
	static const char *const names[] = {"", "a/b", "..", ".hidden"};
	struct error err = {0};
	struct sink *s;

	(void)state;
	assert_refused("", ERR_USAGE, "empty");
	assert_refused("s3://bucket/x", ERR_USAGE, "not a kind of destination");
	assert_refused("/dev/null", ERR_USAGE, "exists already");
	assert_refused("/nowhere/at/all", ERR_USAGE, "No such file or directory");
	assert_refused("/etc/passwd/x", ERR_USAGE, "Not a directory");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct sink_options o = {.to = dir, .name = names[i]};

		assert_int_equal(sink_open(&s, &o, &err), -1);
	}
}

static void test_companion(void **state)
{
	struct sink *s = open_ok(dir);
	struct error err = {0};
	uint64_t offset;

	(void)state;
	assert_int_equal(sink_finish(s, &offset, &err), 0);
	assert_int_equal(sink_companion(s, ".manifest.json", "{}\n", 3, &err), 0);
	assert_content("dump.hprof.manifest.json", "{}\n");
	assert_int_equal(sink_companion(s, ".manifest.json", "{}\n", 3, &err), -1);
	assert_non_null(strstr(err.msg, "exists already"));
	sink_abort(s);
}

static void test_short_file_is_not_finished(void **state)
{
	auto_free char *path = at("x.hprof");
	struct sink *s = open_ok(path);
	struct error err = {0};
	uint64_t offset;

	(void)state;
	assert_int_equal(sink_extent(s, 10, true, &err), 0);
	assert_int_equal(sink_write(s, "abc", 3, &offset, &err), 0);
	assert_int_equal(sink_finish(s, &offset, &err), -1);
	assert_non_null(strstr(err.msg, "3 bytes instead of 10"));
	sink_abort(s);
	assert_false(exists("x.hprof"));
}

/* A limit on the size of files stands in for every failing write. */
static void test_failing_write(void **state)
{
	struct rlimit old, small = {4096, RLIM_INFINITY};
	auto_free char *path = at("x.hprof"), *block = xcalloc(1, 8192);
	struct sink *s = open_ok(path);
	struct error err = {0};
	uint64_t offset;
	int r;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = sink_write(s, block, 8192, &offset, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -1);
	assert_int_equal(err.sys, EFBIG);
	assert_non_null(strstr(err.hint, "--to"));
	sink_abort(s);
	assert_false(exists("x.hprof.partial"));
}

/* Run f with standard output replaced by fd. */
static void with_stdout(int fd, void (*f)(void))
{
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	f();
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
}

static void write_to_stdout(void)
{
	struct sink *s = open_ok("-");
	struct error err = {0};
	uint64_t offset;

	assert_string_equal(sink_url(s), "-");
	assert_int_equal(sink_free_bytes(s), UINT64_MAX);
	assert_int_equal(sink_extent(s, 3, true, &err), 0);
	assert_int_equal(sink_write(s, "abc", 3, &offset, &err), 0);
	assert_int_equal(sink_finish(s, &offset, &err), 0);
	assert_int_equal(sink_companion(s, ".manifest.json", "{}", 2, &err), 0);
	sink_abort(s);
}

static void write_to_broken_pipe(void)
{
	struct sink *s = open_ok("-");
	struct error err = {0};
	uint64_t offset;

	assert_int_equal(sink_write(s, "abc", 3, &offset, &err), -1);
	assert_int_equal(err.sys, EPIPE);
	assert_non_null(strstr(err.msg, "ended before the artifact"));
	sink_abort(s);
}

static int stop_at_once(void *ctx, struct error *err)
{
	++*(int *)ctx;
	return error_set(err, ERR_SSH, "the node is gone");
}

/* A reader that stands still must not keep us from everything else. */
static void write_to_full_pipe(void)
{
	static char block[1 << 21];
	int ticks = 0;
	const struct sink_options o = {
		.to = "-", .name = "x", .tick = stop_at_once, .tick_ctx = &ticks};
	struct error err = {0};
	struct sink *s = NULL;
	uint64_t offset;

	assert_int_equal(sink_open(&s, &o, &err), 0);
	assert_int_equal(sink_write(s, block, sizeof(block), &offset, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	assert_int_equal(ticks, 1);
	sink_abort(s);
}

static void refuse_terminal(void)
{
	assert_refused("-", ERR_USAGE, "is a terminal");
}

static void test_stdout(void **state)
{
	auto_free char *path = at("out");
	auto_fd int file = open(path, O_CREAT | O_RDWR, 0600);
	auto_fd int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	int fds[2];

	(void)state;
	with_stdout(file, write_to_stdout);
	assert_content("out", "abc");
	assert_int_equal(pipe(fds), 0);
	with_stdout(fds[1], write_to_full_pipe);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	with_stdout(fds[1], write_to_broken_pipe);
	close(fds[1]);
	assert_true(terminal >= 0);
	with_stdout(terminal, refuse_terminal);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_written_beside_and_renamed),
		WITH_DIR(test_directory_gets_the_name),
		WITH_DIR(test_abort_leaves_nothing),
		WITH_DIR(test_nothing_is_overwritten),
		WITH_DIR(test_bad_destinations),
		WITH_DIR(test_companion),
		WITH_DIR(test_short_file_is_not_finished),
		WITH_DIR(test_failing_write),
		WITH_DIR(test_stdout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
