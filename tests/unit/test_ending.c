/* remote */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/attach/ending.h"
#include "remote/base/io.h"

#define WAIT_MS 10000

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

static bool await_status(const struct ending *e, int *ret)
{
	uint64_t deadline = now_ms() + WAIT_MS;

	while (!ending_status(e, ret))
		if (now_ms() >= deadline)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

static int end_of(bool by_events, int sig, int wanted)
{
	struct procref ref = PROCREF_INIT;
	struct ending e = ENDING_INIT;
	struct error err = {0};
	int go, status = -1;
	pid_t pid = start(wanted, &go);

	assert_int_equal(procref_open(&proc, pid, 0, &ref, &err), 0);
	if (by_events)
		fd_close(&ref.pidfd);
	ending_watch(&e, &ref, by_events);
	assert_false(ending_status(&e, &status));
	assert_int_equal(status, -1);
	assert_int_equal(e.events >= 0, by_events);
	if (sig)
		assert_int_equal(kill(pid, sig), 0);
	fd_close(&go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(await_status(&e, &status));
	ending_release(&e);
	ending_release(&e);
	assert_false(ending_status(&e, &status) && ref.pidfd < 0);
	procref_close(&ref);
	return status;
}

static void test_exit_status(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(ending_text(end_of(false, 0, 3), text, sizeof(text)), "exit status 3");
	assert_string_equal(ending_text(end_of(true, 0, 143), text, sizeof(text)),
			    "exit status 143");
}

static void test_signal(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(ending_text(end_of(false, SIGKILL, 0), text, sizeof(text)),
			    "killed by SIGKILL");
	assert_string_equal(ending_text(end_of(true, SIGTERM, 0), text, sizeof(text)),
			    "killed by SIGTERM");
	assert_string_equal(ending_text(60, text, sizeof(text)), "killed by signal 60");
}

/* The filter lets no other through. */
static void test_others(void **state)
{
	struct procref ref = PROCREF_INIT;
	struct ending e = ENDING_INIT;
	struct error err = {0};
	int go, status = -1;
	pid_t pid = start(0, &go);

	(void)state;
	assert_int_equal(procref_open(&proc, pid, 0, &ref, &err), 0);
	ending_watch(&e, &ref, true);
	for (int i = 0; i < 5; i++)
		(void)end_of(true, 0, i);
	assert_false(ending_status(&e, &status));
	fd_close(&go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(await_status(&e, &status));
	assert_int_equal(status, 0);
	ending_release(&e);
	procref_close(&ref);
}

/* Never watched: nothing is known, nothing breaks. */
static void test_unwatched(void **state)
{
	struct ending e = ENDING_INIT;
	int status = 7;

	(void)state;
	assert_false(ending_status(&e, &status));
	assert_int_equal(status, 7);
	ending_release(&e);
}

/* Those that would count a killed listener for ever are not asked. */
static void test_kernels(void **state)
{
	static const char *const good[] = {"6.6.0",  "6.6",	  "6.18.44-fc",
					   "6.10.1", "7.0.0-rc1", "10.2"};
	static const char *const bad[] = {
		"6.5.13-x", "5.15.0-91-generic", "4.18.0-553.el8_10.x86_64", "5.6.6", "6", "",
		"x6.6"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(ending_can_listen(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(ending_can_listen(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status), cmocka_unit_test(test_signal),
		cmocka_unit_test(test_others),	    cmocka_unit_test(test_unwatched),
		cmocka_unit_test(test_kernels),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
