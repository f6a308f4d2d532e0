/* remote: which ports the kernel gives to connections by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "remote/local_ports.h"

static void assert_next(const char *range, const char *reserved, uint16_t port, uint16_t next)
{
	assert_int_equal(local_ports_next(range, reserved, port), next);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_next("32768\t60999\n", "\n", 9404, 9404);
	assert_next("32768\t60999\n", "\n", 32767, 32767);
	assert_next("32768\t60999\n", "\n", 32768, 61000);
	assert_next("32768\t60999\n", "\n", 60999, 61000);
	assert_next("1024\t65535\n", "", 9404, 0);
	assert_next("1024\t65535\n", "", 1023, 1023);
	assert_next("9404\t9404\n", "", 9404, 9405);
}

static void test_reserved(void **state)
{
	(void)state;
	assert_next("1024\t65535\n", "8080,9404-9405\n", 8080, 8080);
	assert_next("1024\t65535\n", "8080,9404-9405\n", 8081, 9404);
	assert_next("1024\t65535\n", "8080,9404-9405\n", 9405, 9405);
	assert_next("1024\t65535\n", "8080,9404-9405\n", 9406, 0);
	assert_next("1024\t65535\n", "65535\n", 9406, 65535);
	assert_next("1024\t65535\n", "0-65535\n", 9406, 9406);
	assert_next("1024\t65535\n", "9404-x,9405", 9404, 0);
	assert_next("1024\t65535\n", "9404-65536", 9404, 0);
}

/* The kernel's default stands for it. */
static void test_no_ranges(void **state)
{
	static const char *const bad[] = {"",		"\n",  "32768", "a b",
					  "1\t65536\n", "5 4", "1 2 3", "99999999999 99999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_next(bad[i], "", 40000, 61000);
		assert_next(bad[i], "", 9404, 9404);
	}
}

static void write_setting(int proc, const char *path, const char *text)
{
	int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Those of the network namespace that one is in, whoever has opened /proc. */
static void test_namespaces(void **state)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(proc >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	write_setting(proc, "sys/net/ipv4/ip_local_port_range", "9404 9499");
	write_setting(proc, "sys/net/ipv4/ip_local_reserved_ports", "9410");
	assert_int_equal(local_ports_next_here(proc, 9403), 9403);
	assert_int_equal(local_ports_next_here(proc, 9404), 9410);
	assert_int_equal(local_ports_next_here(proc, 9411), 9500);
	close(proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_no_ranges),
		cmocka_unit_test(test_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
