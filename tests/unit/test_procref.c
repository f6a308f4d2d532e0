/* remote */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/procref.h"
#include "tests/unit/deny.h"

static struct procfs proc;

static pid_t idle_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (pause() < 0)
			;
	}
	return pid;
}

static void test_open_and_signal(void **state)
{
	struct procref r = PROCREF_INIT, again = PROCREF_INIT;
	pid_t pid = idle_child();
	siginfo_t info;

	(void)state;
	assert_int_equal(procref_open(&proc, pid, 0, &r, NULL), 0);
	assert_true(r.pidfd >= 0 && r.start_time > 0 && r.pid == pid);
	assert_int_equal(procref_open(&proc, pid, r.start_time, &again, NULL), 0);
	assert_true(procref_alive(&proc, &r));
	assert_int_equal(procref_signal(&proc, &r, 0), 0);
	assert_int_equal(procref_signal(&proc, &r, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(procref_alive(&proc, &r)); /* a zombie */
	waitpid(pid, NULL, 0);
	assert_false(procref_alive(&proc, &again));
	assert_int_equal(procref_signal(&proc, &r, SIGKILL), -ESRCH);
	procref_close(&r);
	procref_close(&again);
	assert_int_equal(r.pidfd, -1);
}

static void test_other_start_time(void **state)
{
	struct procref r = PROCREF_INIT;
	pid_t pid = idle_child();
	struct error err = {0};

	(void)state;
	assert_int_equal(procref_open(&proc, pid, 1, &r, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_non_null(strstr(err.msg, "another process"));
	assert_int_equal(r.pidfd, -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_gone(void **state)
{
	struct procref r = PROCREF_INIT;
	struct error err = {0};
	pid_t pid = idle_child();

	(void)state;
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
	assert_int_equal(procref_open(&proc, pid, 0, &r, &err), -1); /* a zombie */
	assert_int_equal(err.code, ERR_TARGET);
	waitpid(pid, NULL, 0);
	assert_int_equal(procref_open(&proc, pid, 0, &r, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_int_equal(procref_open(&proc, 0, 0, &r, &err), -1);
	assert_int_equal(procref_open(&proc, -1, 0, &r, &err), -1);
}

/* Make the next child of this pid namespace get that pid. */
static bool next_pid(pid_t pid)
{
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");
	bool good = f && fprintf(f, "%d", (int)pid - 1) > 0;

	return f && fclose(f) == 0 && good;
}

/* pid 1 of a pid namespace: the pid of a process that was looked at is given to another one. Exit
 * status: the line that failed. */
static void reuse_pid(void)
{
#define CHECK(x) ((x) ? (void)0 : _exit(__LINE__ % 250 + 1))
	struct procref old = PROCREF_INIT, again = PROCREF_INIT;
	struct timespec tick = {.tv_nsec = 30000000}; /* start times are in ticks of 10 ms */
	struct error err = {0};
	struct procfs p;
	pid_t pid;

	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("p", "/proc", "proc", 0, NULL) == 0);
	CHECK(procfs_open(&p, NULL) == 0);
	pid = idle_child();
	CHECK(procref_open(&p, pid, 0, &old, &err) == 0);
	CHECK(procref_alive(&p, &old));
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	nanosleep(&tick, NULL);
	CHECK(next_pid(pid));
	CHECK(idle_child() == pid);
	CHECK(!procref_alive(&p, &old));
	CHECK(procref_signal(&p, &old, SIGKILL) == -ESRCH);
	CHECK(waitpid(pid, NULL, WNOHANG) == 0); /* the new one lives */
	CHECK(procref_open(&p, pid, old.start_time, &again, &err) == -1);
	CHECK(err.code == ERR_TARGET && strstr(err.msg, "another process"));
	_exit(0);
#undef CHECK
}

static void run_reuse(bool without_pidfd)
{
	pid_t outer = fork();
	int how;

	assert_true(outer >= 0);
	if (outer == 0) {
		pid_t init;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
			_exit(251);
		init = fork();
		if (init == 0) {
			if (without_pidfd)
				deny_syscall(SYS_pidfd_open, ENOSYS);
			reuse_pid();
		}
		if (waitpid(init, &how, 0) != init || !WIFEXITED(how))
			_exit(252);
		_exit(WEXITSTATUS(how));
	}
	assert_int_equal(waitpid(outer, &how, 0), outer);
	assert_int_equal(how, 0);
}

static void test_pid_reuse(void **state)
{
	(void)state;
	run_reuse(false);
}

static void test_pid_reuse_without_pidfd(void **state)
{
	(void)state;
	run_reuse(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_and_signal),
		cmocka_unit_test(test_other_start_time),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_pid_reuse),
		cmocka_unit_test(test_pid_reuse_without_pidfd),
	};

	if (procfs_open(&proc, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
