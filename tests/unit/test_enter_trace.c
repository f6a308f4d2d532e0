/* remote */
/* What the child that joins a container's namespace does, seen from outside by ptrace: after setns
 * it opens nothing and starts nothing (docker CVE-2019-14271, runc CVE-2025-31133). */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/enter.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* What was seen of one process. */
struct trace {
	pid_t joined;		 /* the child, after its setns */
	bool not_dumpable_first; /* prctl(PR_SET_DUMPABLE) was the child's before that */
	unsigned int closes;	 /* close_range before setns */
	unsigned int opens;	 /* anything opened or executed after it */
	unsigned int drops;	 /* setresuid after it */
};

static int answer_ok(void *ctx, struct buf *answer, struct error *err)
{
	(void)ctx;
	(void)err;
	buf_adds(answer, "ok");
	return 0;
}

/* pid of a process in a mount namespace of its own. */
static pid_t start_fake(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNS) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		while (pause() < 0)
			;
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

/* The process that is watched: exit status 0 when the child's answer came back. */
static _Noreturn void enter_as_tracee(pid_t fake)
{
	struct procref ref = PROCREF_INIT;
	struct buf b = BUF_INIT(10);
	struct enter_request r = {
		.target = &ref,
		.join_mnt = true,
		.take_creds = true,
		.uid = 101000,
		.gid = 102000,
		.run = answer_ok,
		.timeout_ms = 60000,
	};
	struct procfs p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	raise(SIGSTOP); /* until it is traced */
	_exit(procfs_open(&p, NULL) < 0 || procref_open(&p, fake, 0, &ref, NULL) < 0 ||
	      enter_run(&p, &r, &b, NULL) < 0 || strcmp(buf_str(&b), "ok") != 0);
}

static void note_syscall(struct trace *t, pid_t pid, const struct __ptrace_syscall_info *info)
{
	long nr = (long)info->entry.nr;

	if (!t->joined) {
		if (nr == SYS_prctl && info->entry.args[0] == PR_SET_DUMPABLE)
			t->not_dumpable_first = true;
		t->closes += nr == SYS_close_range;
		if (nr == SYS_setns)
			t->joined = pid;
		return;
	}
	if (pid != t->joined)
		return;
	t->drops += nr == SYS_setresuid;
	t->opens += nr == SYS_openat || nr == SYS_openat2 || nr == SYS_execve ||
		    nr == SYS_execveat || nr == SYS_name_to_handle_at;
#ifdef SYS_open
	t->opens += nr == SYS_open || nr == SYS_creat;
#endif
}

/* Run until `first` ends; its wait status. */
static int watch(pid_t first, struct trace *t)
{
	for (;;) {
		struct __ptrace_syscall_info info;
		int how, deliver = 0;
		pid_t pid = waitpid(-1, &how, __WALL);

		assert_true(pid > 0);
		if (!WIFSTOPPED(how)) {
			if (pid == first)
				return how;
			continue;
		}
		if (WSTOPSIG(how) == SYSCALL_STOP) {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
			    info.op == PTRACE_SYSCALL_INFO_ENTRY)
				note_syscall(t, pid, &info);
		} else if (how >> 16 == 0 && WSTOPSIG(how) != SIGSTOP) {
			deliver = WSTOPSIG(how);
		}
		ptrace(PTRACE_SYSCALL, pid, 0, deliver);
	}
}

static void test_nothing_is_opened_after_setns(void **state)
{
	struct trace t = {0};
	pid_t fake = start_fake(), pid = fork();
	int how;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		enter_as_tracee(fake);
	assert_int_equal(waitpid(pid, &how, WUNTRACED), pid);
	assert_true(WIFSTOPPED(how));
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, 0,
				PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE |
					PTRACE_O_EXITKILL),
			 0);
	kill(pid, SIGCONT);
	how = watch(pid, &t);
	kill(fake, SIGKILL);
	waitpid(fake, NULL, 0);
	assert_int_equal(how, 0);
	assert_true(t.joined > 0 && t.joined != pid);
	assert_true(t.not_dumpable_first);
	assert_true(t.closes > 0);
	assert_true(t.drops > 0);
	assert_int_equal(t.opens, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_opened_after_setns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
