/* remote */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/mount.h"
#include "tests/unit/container.h"

#define NAME ".jdiag-0123456789abcdef"

static bool mountinfo_has(pid_t pid, const char *text)
{
	auto_buf struct buf b = BUF_INIT(1 << 20);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
	return strstr(buf_str(&b), text) != NULL;
}

static void test_directory(void **state)
{
	struct fake f;
	struct stat st;
	int fd;

	(void)state;
	fake_start(&f, 01777);
	assert_true(private_dir_possible(&f.target, f.tmp));
	fd = private_dir_create(&f.target, f.tmp, NAME, &err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, UID);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(fd);
	assert_int_equal(private_dir_create(&f.target, f.tmp, NAME, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_int_equal(private_dir_remove(&f.target, f.tmp, NAME, &err), 0);
	assert_int_equal(fstatat(f.tmp, NAME, &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(private_dir_remove(&f.target, f.tmp, NAME, &err), 0);
	fake_stop(&f);
}

/* What the kubelet makes of a volume with fsGroup. */
static void test_directory_below_set_group_id(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 02777);
	fd = private_dir_create(&f.target, f.tmp, NAME, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	close(fd);
	assert_int_equal(private_dir_remove(&f.target, f.tmp, NAME, &err), 0);
	fake_stop(&f);
}

static void test_cover(void **state)
{
	struct fake f;
	int cover;

	(void)state;
	fake_start(&f, 0755);
	assert_false(private_dir_possible(&f.target, f.tmp));
	cover = mount_tmpfs(&f.target, f.tmp, &err);
	assert_true(cover >= 0);
	assert_true(private_dir_possible(&f.target, cover));
	assert_true(mountinfo_has(f.first, " - tmpfs " MOUNT_SOURCE " "));
	assert_false(mountinfo_has(getpid(), " - tmpfs " MOUNT_SOURCE " "));
	assert_int_equal(mount_detach(&f.target, cover, &err), 0);
	assert_false(mountinfo_has(f.first, MOUNT_SOURCE));
	assert_int_equal(mount_detach(&f.target, cover, &err), 0); /* gone already */
	assert_true(mountinfo_has(f.first, " /tmp "));
	close(cover);
	fake_stop(&f);
}

/* The JVM ends, the container does not: its /tmp may not stay covered. */
static void test_cover_outlives_jvm(void **state)
{
	struct fake f;
	int cover;

	(void)state;
	fake_start(&f, 0755);
	cover = mount_tmpfs(&f.target, f.tmp, &err);
	assert_true(cover >= 0);
	assert_int_equal(kill(f.second, SIGKILL), 0);
	assert_int_equal(io_wait(f.target.ref.pidfd, POLLIN, now_ms() + 60000), 1);
	assert_int_equal(mount_detach(&f.target, cover, &err), 0);
	assert_false(mountinfo_has(f.first, MOUNT_SOURCE));
	close(cover);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_directory_below_set_group_id),
		cmocka_unit_test(test_cover),
		cmocka_unit_test(test_cover_outlives_jvm),
	};

	if (procfs_open(&proc, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
