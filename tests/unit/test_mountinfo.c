/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "remote/base/compiler.h"
#include "remote/sweep.h"

#define NAME "/.jdiag-0123456789abcdef"

static bool ours(const char *line)
{
	struct mount_line m;

	return mount_line_parse(line, &m) && mount_line_is_ours(&m);
}

static void test_parse(void **state)
{
	struct mount_line m;

	(void)state;
	assert_true(
		mount_line_parse("36 35 98:0 /a\\040b /mnt\\134x rw,noatime master:1 shared:7 - "
				 "ext3 /dev/root rw,errors=continue",
				 &m));
	assert_int_equal(m.id, 36);
	assert_true(m.dev == makedev(98, 0));
	assert_string_equal(m.root, "/a b");
	assert_string_equal(m.point, "/mnt\\x");
	assert_string_equal(m.type, "ext3");
	assert_string_equal(m.source, "/dev/root");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"36",
		"36 35 98:0 / / rw",
		"36 35 98:0 / / rw -",
		"36 35 98:0 / / rw - tmpfs",
		"-1 35 98:0 / / rw - tmpfs x",
		"99999999999 35 98:0 / / rw - tmpfs x",
		"36 35 98:0 /\\000 / rw - tmpfs x",
		"36 35 98 / / rw - tmpfs x",
		"36 35 98: / / rw - tmpfs x",
		"36 35 :0 / / rw - tmpfs x",
		"36 35 98:0x / / rw - tmpfs x",
		"36 35 4294967296:0 / / rw - tmpfs x",
	};
	char line[2000];
	struct mount_line m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(mount_line_parse(bad[i], &m));
	snprintf(line, sizeof(line), "1 2 3:4 /%0600d / rw - tmpfs x rw", 0);
	assert_false(mount_line_parse(line, &m));
}

/* Of a line that is too long for the rest, too. */
static void test_file_system(void **state)
{
	char line[2000];
	dev_t dev;

	(void)state;
	snprintf(line, sizeof(line), "1 2 3:4095 /%0600d / rw - tmpfs x rw", 0);
	assert_true(mount_line_dev(line, &dev));
	assert_true(dev == makedev(3, 4095));
	assert_false(mount_line_dev("1 2", &dev));
	assert_false(mount_line_dev("1 2 /dev/sda", &dev));
}

static void test_ours(void **state)
{
	(void)state;
	assert_true(ours("36 35 0:9 / /tmp rw,nosuid - tmpfs jdiag-tmp rw,size=1024k"));
	assert_true(ours("36 35 8:1 /var/lib" NAME "/dump /tmp" NAME " rw - ext4 /dev/sda1 rw"));
	assert_true(ours("36 35 8:1 " NAME "/dump /x/tmp" NAME " rw shared:1 - xfs /dev/md0 rw"));
	assert_true(ours("36 35 8:1 " NAME "/dump//deleted /tmp" NAME
			 " rw shared:1 - xfs /dev/md0 rw"));
	assert_false(ours("36 35 8:1 " NAME "//deleted /tmp" NAME " rw - xfs /dev/md0 rw"));
	assert_false(ours("36 35 8:1 //deleted /tmp" NAME " rw - xfs /dev/md0 rw"));
	assert_false(ours("36 35 0:9 / /tmp rw - tmpfs tmpfs rw"));
	assert_false(ours("36 35 0:9 / /media rw - tmpfs jdiag rw"));
	assert_false(ours("36 35 0:9 / /tmp rw - ext4 jdiag-tmp rw"));
	assert_false(ours("36 35 8:1 /var/lib" NAME "/dump /tmp/other rw - ext4 /dev/sda1 rw"));
	assert_false(ours("36 35 8:1 /var/lib/dump /tmp" NAME " rw - ext4 /dev/sda1 rw"));
	assert_false(ours("36 35 8:1 /a/.jdiag-fedcba9876543210/dump /tmp" NAME " rw - ext4 x rw"));
	assert_false(ours("36 35 8:1 /dump " NAME " rw - ext4 x rw"));
	assert_false(ours("36 35 0:9 / tmp rw - tmpfs jdiag-tmp rw"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_file_system),
		cmocka_unit_test(test_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
