/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/nodedir.h"
#include "tests/unit/tempdir.h"

#define UID 12345

static struct error err;

static void test_names(void **state)
{
	char a[JDIAG_NAME_SIZE], b[JDIAG_NAME_SIZE];
	static const char *const bad[] = {"",
					  ".jdiag-",
					  ".jdiag-0123456789abcde",
					  ".jdiag-0123456789abcdef0",
					  ".jdiag-0123456789abcdeF",
					  ".jdiag-0123456789abcde/",
					  "xjdiag-0123456789abcdef"};

	(void)state;
	assert_int_equal(jdiag_name_new(a, &err), 0);
	assert_int_equal(jdiag_name_new(b, &err), 0);
	assert_string_not_equal(a, b);
	assert_true(jdiag_name_is(a) && jdiag_name_is(b));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(jdiag_name_is(bad[i]));
}

static void test_choose(void **state)
{
	struct nodedir_base base;

	(void)state;
	assert_int_equal(nodedir_choose("", &base, &err), 0);
	assert_true(base.path[0] == '/' && base.free > 0);
	assert_int_equal(nodedir_choose("/var/tmp", &base, &err), 0);
	assert_string_equal(base.path, "/var/tmp");
	assert_int_equal(nodedir_choose("relative", &base, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(nodedir_choose("/nonexistent", &base, &err), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(nodedir_choose("/etc/passwd", &base, &err), -1);
	assert_int_equal(nodedir_choose("/etc/..", &base, &err), 0);
}

static struct nodedir make(const char *at, char name[JDIAG_NAME_SIZE])
{
	struct nodedir_base base = {0};
	struct nodedir n = NODEDIR_INIT;

	snprintf(base.path, sizeof(base.path), "%s", at);
	assert_int_equal(jdiag_name_new(name, &err), 0);
	if (nodedir_create(&n, &base, name, UID, UID, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void test_create_and_remove(void **state)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make(tempdir, name);
	struct stat st;

	(void)state;
	assert_int_equal(fstatat(n.base, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstat(n.dump, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, UID);
	assert_int_equal(st.st_gid, UID);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(n.base, -1);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(tempdir), 0); /* nothing is left */
	assert_int_equal(mkdir(tempdir, 0700), 0);
}

/* While it is mounted the container can put anything into it. */
static void test_remove_planted(void **state)
{
	char name[JDIAG_NAME_SIZE], victim[300];
	struct nodedir n = make(tempdir, name);
	int fd;

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", tempdir);
	assert_int_equal(mkdir(victim, 0700), 0);
	assert_int_equal(symlinkat(victim, n.dump, "link"), 0);
	assert_int_equal(mkfifoat(n.dump, "fifo", 0600), 0);
	assert_int_equal(mkdirat(n.dump, "dir", 0), 0);
	assert_int_equal(mkdirat(n.dump, "dir/dir", 0), 0);
	assert_int_equal(symlinkat("..", n.dump, "dir/up"), 0);
	fd = openat(n.dump, "dir/file", O_CREAT | O_WRONLY, 0400);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(victim), 0); /* still there, still empty */
}

static void test_remove_too_deep(void **state)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make(tempdir, name);
	int at = dup(n.dump);

	(void)state;
	for (int i = 0; i < 40; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(nodedir_remove(&n, &err), -1);
	assert_int_equal(err.sys, ELOOP);
}

struct seen {
	const char *path;
	int removed, kept;
};

static void note(void *ctx, const char *path, const char *kept)
{
	struct seen *s = ctx;

	if (strcmp(path, s->path) == 0)
		*(kept ? &s->kept : &s->removed) += 1;
}

/* A /var/tmp of our own: other helpers on this machine sweep as well. */
static int own_var_tmp(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("none", "/var/tmp", "tmpfs", 0, NULL);
}

/* In a place where it looks: what lives is kept, what is dead is removed. */
static void test_sweep(void **state)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make("/var/tmp", name);
	struct seen s = {.path = n.path};
	char path[sizeof(n.path)];

	(void)state;
	snprintf(path, sizeof(path), "%s", n.path);
	nodedir_sweep(false, note, &s);
	assert_int_equal(s.removed, 0);
	assert_int_equal(s.kept, 1);
	assert_true(nodedir_is_live(name));
	fd_close(&n.lock);
	assert_false(nodedir_is_live(name));
	s = (struct seen){.path = path};
	nodedir_sweep(true, note, &s);
	assert_int_equal(s.removed, 1);
	assert_int_equal(access(path, F_OK), 0);
	nodedir_sweep(false, note, &s);
	assert_int_equal(s.removed, 2);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(nodedir_remove(&n, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_choose),
		cmocka_unit_test_setup_teardown(test_create_and_remove, tempdir_make,
						tempdir_remove),
		cmocka_unit_test_setup_teardown(test_remove_planted, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup_teardown(test_remove_too_deep, tempdir_make, tempdir_remove),
		cmocka_unit_test_setup(test_sweep, own_var_tmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
