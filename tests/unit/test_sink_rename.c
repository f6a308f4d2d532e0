/* jdiag: the file sink on a file system that does not know RENAME_NOREPLACE */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static int answer; /* errno of the call that stands in for renameat2 */

static int other_renameat2(int olddir, const char *old, int newdir, const char *new,
			   unsigned int flags)
{
	(void)olddir, (void)old, (void)newdir, (void)new, (void)flags;
	errno = answer;
	return -1;
}

#define renameat2 other_renameat2
#include "jdiag/sink/file.c"

static char dir[] = "/tmp/jdiag-rename-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(memcpy(dir, "/tmp/jdiag-rename-XXXXXX", sizeof(dir))) ? 0 : -1;
}

static int tear_down(void **state)
{
	auto_free char *path = xasprintf("%s/x", dir);

	(void)state;
	unlink(path);
	return rmdir(dir); /* fails when something else was left */
}

static struct sink *open_x(void)
{
	auto_free char *path = xasprintf("%s/x", dir);
	const struct sink_options o = {.to = path, .name = "x"};
	struct error err = {0};
	struct sink *s = NULL;

	assert_int_equal(file_sink_open(&s, &o, &err), 0);
	return s;
}

/* 0 or -1; *ret_size: of the artifact, -1 when there is none. */
static int write_and_finish(struct sink *s, long *ret_size, struct error *err)
{
	auto_free char *path = xasprintf("%s/x", dir);
	struct stat st;
	uint64_t offset;
	int r;

	assert_int_equal(sink_write(s, "abc", 3, &offset, err), 0);
	r = sink_finish(s, &offset, err);
	sink_abort(s);
	*ret_size = stat(path, &st) == 0 ? (long)st.st_size : -1;
	return r;
}

static void test_placeholder(void **state)
{
	static const int unknown[] = {EINVAL, ENOSYS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		auto_free char *path = xasprintf("%s/x", dir);
		struct error err = {0};
		long size;

		answer = unknown[i];
		assert_int_equal(write_and_finish(open_x(), &size, &err), 0);
		assert_int_equal(size, 3);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_placeholder_finds_the_name_taken(void **state)
{
	auto_free char *path = xasprintf("%s/x", dir);
	struct sink *s = open_x();
	struct error err = {0};
	long size;

	(void)state;
	answer = EINVAL;
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(write_and_finish(s, &size, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(size, 0); /* the other one's */
}

static void test_other_failures_are_told(void **state)
{
	struct error err = {0};
	long size;

	(void)state;
	answer = EIO;
	assert_int_equal(write_and_finish(open_x(), &size, &err), -1);
	assert_int_equal(err.sys, EIO);
	assert_int_equal(size, -1);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_placeholder),
		WITH_DIR(test_placeholder_finds_the_name_taken),
		WITH_DIR(test_other_failures_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
