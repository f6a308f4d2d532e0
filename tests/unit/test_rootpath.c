/* remote */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/rootpath.h"
#include "tests/unit/deny.h"
#include "tests/unit/tree.h"

#define RACE_OPENS 20000
#define RACE_MS 60000

/* Run a test's body as it is, and as on a kernel without openat2 (before 5.6). */
static void with_and_without_openat2(void (*body)(void))
{
	for (int without = 0; without < 2; without++) {
		pid_t pid = fork();
		int how;

		assert_true(pid >= 0);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (without)
				deny_syscall(SYS_openat2, ENOSYS);
			body();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &how, 0), pid);
		if (how != 0)
			fail_msg("%s openat2: wait status %#x", without ? "without" : "with", how);
	}
}

static int opens(const struct tree *t, const char *path, int flags)
{
	int fd = rootpath_open(t->fd, path, flags);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void plain_paths(void)
{
	struct tree t;

	tree_open(&t);
	tree_text(&t, "a/b/file", "x");
	assert_int_equal(opens(&t, "a/b/file", O_RDONLY), 0);
	assert_int_equal(opens(&t, "/a/b/file", O_RDONLY), 0);
	assert_int_equal(opens(&t, "//a/./b//file", O_PATH), 0);
	assert_int_equal(opens(&t, "/", O_PATH | O_DIRECTORY), 0);
	assert_int_equal(opens(&t, "a", O_RDONLY | O_DIRECTORY | O_NONBLOCK), 0);
	assert_int_equal(opens(&t, "a/b/none", O_RDONLY), -ENOENT);
	assert_int_equal(opens(&t, "none/b/file", O_RDONLY), -ENOENT);
	assert_int_equal(opens(&t, "a/b/file/x", O_RDONLY), -ENOTDIR);
	assert_int_equal(opens(&t, "a/b/file", O_PATH | O_DIRECTORY), -ENOTDIR);
	assert_int_equal(opens(&t, "a/../a/b/file", O_RDONLY), -EXDEV);
	assert_int_equal(opens(&t, "..", O_PATH), -EXDEV);
	tree_close(&t);
}

static void test_plain_paths(void **state)
{
	(void)state;
	with_and_without_openat2(plain_paths);
}

static void planted_links(void)
{
	static const char *const paths[] = {"file",	"abs",	   "dir/passwd",
					    "self/exe", "in/file", "dangling"};
	auto_buf struct buf b = BUF_INIT(1000);
	struct tree t;

	tree_open(&t);
	tree_text(&t, "real/file", "x");
	tree_link(&t, "real/file", "file");
	tree_link(&t, "/etc/passwd", "abs");
	tree_link(&t, "/etc", "dir");
	tree_link(&t, "/proc/self", "self");
	tree_link(&t, "real", "in");
	tree_link(&t, "nowhere", "dangling");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(opens(&t, paths[i], O_RDONLY), -ELOOP);
		assert_int_equal(opens(&t, paths[i], O_PATH), -ELOOP);
		assert_int_equal(opens(&t, paths[i], O_RDONLY | O_DIRECTORY), -ELOOP);
		assert_int_equal(rootpath_read(t.fd, paths[i], &b, NULL), -ELOOP);
	}
	tree_close(&t);
}

static void test_planted_links(void **state)
{
	(void)state;
	with_and_without_openat2(planted_links);
}

static int opens_tmp(const struct tree *t, struct stat *st)
{
	auto_fd int fd = rootpath_tmp(t->fd);

	return fd < 0 ? fd : fstat(fd, st);
}

/* The one link that is followed: by the container's root, not by ours. */
static void tmp_that_is_a_link(void)
{
	auto_fd int probe = syscall(SYS_openat2, -1, "", NULL, 0);
	bool followed = probe >= 0 || errno != ENOSYS;
	struct stat st, inside;
	struct tree t;

	tree_open(&t);
	assert_int_equal(opens_tmp(&t, &st), -ENOENT);
	tree_dir(&t, "etc");
	assert_int_equal(fstatat(t.fd, "etc", &inside, 0), 0);
	tree_link(&t, "/../../etc", "tmp");
	if (followed) {
		assert_int_equal(opens_tmp(&t, &st), 0);
		assert_true(st.st_ino == inside.st_ino && st.st_dev == inside.st_dev);
	} else {
		assert_int_equal(opens_tmp(&t, &st), -ELOOP);
	}
	assert_int_equal(unlinkat(t.fd, "tmp", 0), 0);
	tree_link(&t, "/usr", "tmp");
	assert_int_equal(opens_tmp(&t, &st), followed ? -ENOENT : -ELOOP);
	assert_int_equal(unlinkat(t.fd, "tmp", 0), 0);
	tree_link(&t, "tmp", "tmp");
	assert_int_equal(opens_tmp(&t, &st), -ELOOP);
	assert_int_equal(unlinkat(t.fd, "tmp", 0), 0);
	tree_text(&t, "tmp", "");
	assert_int_equal(opens_tmp(&t, &st), -ENOTDIR);
	tree_close(&t);
}

static void test_tmp_that_is_a_link(void **state)
{
	(void)state;
	with_and_without_openat2(tmp_that_is_a_link);
}

static void never_creates(void)
{
	struct tree t;

	tree_open(&t);
	tree_text(&t, "file", "keep");
	assert_int_equal(opens(&t, "new", O_CREAT | O_WRONLY), -EINVAL);
	assert_int_equal(opens(&t, "file", O_TRUNC | O_WRONLY), -EINVAL);
	assert_int_equal(opens(&t, "", O_TMPFILE | O_RDWR), -EINVAL);
	assert_int_equal(faccessat(t.fd, "new", F_OK, 0), -1);
	tree_close(&t);
}

static void test_never_creates(void **state)
{
	(void)state;
	with_and_without_openat2(never_creates);
}

static void read_only_regular_files(void)
{
	auto_buf struct buf b = BUF_INIT(10);
	struct stat st;
	struct tree t;

	tree_open(&t);
	tree_text(&t, "file", "0123456789");
	tree_text(&t, "big", "0123456789a");
	assert_int_equal(mkfifoat(t.fd, "fifo", 0666), 0);
	assert_int_equal(mknodat(t.fd, "tty", S_IFCHR | 0666, makedev(5, 0)), 0);
	tree_dir(&t, "dir");
	alarm(60); /* a FIFO that was opened would keep us for ever */
	assert_int_equal(rootpath_read(t.fd, "fifo", &b, NULL), -EINVAL);
	assert_int_equal(rootpath_read(t.fd, "tty", &b, NULL), -EINVAL);
	assert_int_equal(rootpath_read(t.fd, "dir", &b, NULL), -EINVAL);
	assert_int_equal(rootpath_read(t.fd, "none", &b, NULL), -ENOENT);
	assert_int_equal(rootpath_read(t.fd, "file", &b, &st), 0);
	assert_string_equal(buf_str(&b), "0123456789");
	assert_int_equal(st.st_size, 10);
	buf_reset(&b);
	assert_int_equal(rootpath_read(t.fd, "big", &b, NULL), -EFBIG);
	alarm(0);
	tree_close(&t);
}

static void test_read_only_regular_files(void **state)
{
	(void)state;
	with_and_without_openat2(read_only_regular_files);
}

/* Exchange two names for ever. */
static pid_t start_exchanger(const struct tree *t, const char *a, const char *b)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			syscall(SYS_renameat2, t->fd, a, t->fd, b, RENAME_EXCHANGE);
	}
	return pid;
}

static void stop_exchanger(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* docker cp CVE-2018-15664: a directory of the path becomes a link to the host between check and
 * open. What is read is the container's file or nothing. */
static void race_with_links(void)
{
	auto_buf struct buf b = BUF_INIT(1000);
	char outside[300];
	struct tree t, host;
	uint64_t end = now_ms() + RACE_MS; /* the other side may wait for a CPU */
	int good = 0, refused = 0;
	pid_t pid;

	tree_open(&t);
	tree_open(&host);
	tree_text(&host, "file", "HOST");
	tree_text(&t, "dir/file", "inside");
	snprintf(outside, sizeof(outside), "%s", host.path);
	tree_link(&t, outside, "link");
	pid = start_exchanger(&t, "dir", "link");
	for (int i = 0; i < RACE_OPENS || (now_ms() < end && !(good && refused)); i++) {
		int r;

		buf_reset(&b);
		r = rootpath_read(t.fd, "dir/file", &b, NULL);
		if (r == 0 && strcmp(buf_str(&b), "inside") == 0)
			good++;
		else if (r == -ELOOP || r == -ENOTDIR || r == -EAGAIN || r == -ENOENT)
			refused++;
		else
			fail_msg("read '%s' (%d)", buf_str(&b), r);
	}
	stop_exchanger(pid);
	assert_true(good > 0 && refused > 0); /* both sides of the race were seen */
	tree_close(&host);
	tree_close(&t);
}

static void test_race_with_links(void **state)
{
	(void)state;
	with_and_without_openat2(race_with_links);
}

static void race_with_fifo(void)
{
	auto_buf struct buf b = BUF_INIT(1000);
	uint64_t end = now_ms() + RACE_MS; /* the other side may wait for a CPU */
	int good = 0, refused = 0;
	struct tree t;
	pid_t pid;

	tree_open(&t);
	tree_text(&t, "file", "inside");
	assert_int_equal(mkfifoat(t.fd, "fifo", 0666), 0);
	pid = start_exchanger(&t, "file", "fifo");
	alarm(600);
	for (int i = 0; i < RACE_OPENS || (now_ms() < end && !(good && refused)); i++) {
		int r;

		buf_reset(&b);
		r = rootpath_read(t.fd, "file", &b, NULL);
		if (r == 0)
			good++;
		else if (r == -EINVAL)
			refused++;
		else
			fail_msg("%d", r);
	}
	alarm(0);
	stop_exchanger(pid);
	assert_true(good > 0 && refused > 0);
	tree_close(&t);
}

static void test_race_with_fifo(void **state)
{
	(void)state;
	with_and_without_openat2(race_with_fifo);
}

static void test_root_of_a_process(void **state)
{
	struct procfs p;
	struct stat a, b;
	int fd;

	(void)state;
	assert_int_equal(procfs_open(&p, NULL), 0);
	fd = rootpath_root(&p, getpid());
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat("/", &b), 0);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	close(fd);
	assert_int_equal(rootpath_root(&p, 0x3fffffff), -ENOENT);
	procfs_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_paths),
		cmocka_unit_test(test_planted_links),
		cmocka_unit_test(test_tmp_that_is_a_link),
		cmocka_unit_test(test_never_creates),
		cmocka_unit_test(test_read_only_regular_files),
		cmocka_unit_test(test_race_with_links),
		cmocka_unit_test(test_race_with_fifo),
		cmocka_unit_test(test_root_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
