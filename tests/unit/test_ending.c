/* remote */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/attach/ending.h"
#include "remote/base/io.h"

#define WAIT_MS 60000

static struct procfs proc;

static int set_up(void **state)
{
	(void)state;
	return procfs_open(&proc, NULL);
}

/* A child that waits for its killer, or for a byte and then ends with this status. */
static pid_t start(int status, int *ret_go)
{
	int ends[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &c, 1) == 0 ? status : 99);
	}
	close(ends[0]);
	*ret_go = ends[1];
	return pid;
}

/* Is the kernel one that tells? */
static bool can_tell(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 15);
}

static bool await_status(const struct procref *ref, int *ret)
{
	uint64_t deadline = now_ms() + WAIT_MS;

	while (!ending_status(ref, ret))
		if (!can_tell() || now_ms() >= deadline)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

static void ends(int sig, int wanted, const char *words)
{
	struct procref ref = PROCREF_INIT;
	struct error err = {0};
	int go, status = -1;
	pid_t pid = start(wanted, &go);
	char text[64];

	assert_int_equal(procref_open(&proc, pid, 0, &ref, &err), 0);
	assert_false(ending_status(&ref, &status));
	assert_int_equal(status, -1);
	if (sig)
		assert_int_equal(kill(pid, sig), 0);
	fd_close(&go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (await_status(&ref, &status))
		assert_string_equal(ending_text(status, text, sizeof(text)), words);
	else
		assert_false(can_tell());
	procref_close(&ref);
	assert_false(ending_status(&ref, &status));
}

static void test_exit_status(void **state)
{
	(void)state;
	ends(0, 3, "exit status 3");
	ends(0, 143, "exit status 143");
	ends(0, 0, "exit status 0");
}

static void test_signal(void **state)
{
	char text[64];

	(void)state;
	ends(SIGKILL, 0, "killed by SIGKILL");
	ends(SIGTERM, 0, "killed by SIGTERM");
	assert_string_equal(ending_text(60, text, sizeof(text)), "killed by signal 60");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
