/* remote */
#include <errno.h>
#include <pthread.h>
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/procfs.h"
#include "tests/unit/tree.h"

static struct procfs real;

/* A child of that name that waits to be killed. */
static pid_t idle_child(const char *comm)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		while (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_status_of_self(void **state)
{
	struct proc_status st;
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGHUP, SIG_IGN);
	assert_int_equal(proc_read_status(&real, getpid(), &st), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(st.euid, geteuid());
	assert_int_equal(st.egid, getegid());
	assert_int_equal(st.fsuid, geteuid());
	assert_int_equal(st.state, 'R');
	assert_true(st.ns_pid > 0 && st.ns_levels >= 1);
	assert_true(st.rss > 0 && st.rss % 1024 == 0);
	assert_true(st.sig_blk & SIGNAL_BIT(SIGUSR2));
	assert_true(st.sig_ign & SIGNAL_BIT(SIGHUP));
	assert_false(st.sig_ign & SIGNAL_BIT(SIGUSR2));
}

static void test_hostile_command_name(void **state)
{
	static const char *const names[] = {") R 1 1 1", "a\nUid:\t0\t0\t0", "((((", "))))",
					    "\x1b[2J"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t before = (uint64_t)time(NULL);
		pid_t pid = idle_child(names[i]);
		struct proc_status st;
		uint64_t start, epoch;

		assert_int_equal(proc_read_status(&real, pid, &st), 0);
		assert_true(st.state == 'S' || st.state == 'R');
		assert_int_equal(st.euid, geteuid());
		assert_int_equal(proc_read_start_time(&real, pid, &start), 0);
		assert_int_equal(proc_start_to_epoch(&real, start, &epoch), 0);
		assert_in_range(epoch, before - 5, (uint64_t)time(NULL) + 5);
		end_child(pid);
	}
}

static void test_pid_in_its_own_namespace(void **state)
{
	int how;
	pid_t pid = fork(), inner = -1;

	(void)state;
	if (pid == 0) {
		struct proc_status st;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(2);
		inner = idle_child("inner");
		if (proc_read_status(&real, inner, &st) < 0)
			_exit(3);
		end_child(inner);
		_exit(st.ns_pid == 1 && st.ns_levels >= 2 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
}

static void *wait_for_ever(void *ready)
{
	if (write(*(int *)ready, "", 1) == 1)
		pause();
	return NULL;
}

/* A child whose first thread blocks SIGQUIT, and whose second one does or does not. */
static void check_blocked(bool second_blocks)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sigset_t quit;
		pthread_t t;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&quit);
		sigaddset(&quit, SIGQUIT);
		if (second_blocks)
			pthread_sigmask(SIG_BLOCK, &quit, NULL);
		if (pthread_create(&t, NULL, wait_for_ever, &ready[1]) != 0)
			_exit(1);
		pthread_sigmask(SIG_BLOCK, &quit, NULL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		while (pause() < 0)
			;
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(proc_signal_blocked(&real, pid, SIGQUIT), second_blocks);
	assert_int_equal(proc_signal_blocked(&real, pid, SIGUSR1), 0);
	end_child(pid);
	assert_int_equal(proc_signal_blocked(&real, pid, SIGQUIT), -ENOENT);
}

static void test_signal_blocked_by_all_threads(void **state)
{
	(void)state;
	check_blocked(false);
	check_blocked(true);
}

static void test_gone_process(void **state)
{
	pid_t pid = idle_child("gone");
	struct proc_status st;
	uint64_t start;

	(void)state;
	end_child(pid);
	assert_int_equal(proc_read_status(&real, pid, &st), -ENOENT);
	assert_int_equal(proc_read_start_time(&real, pid, &start), -ENOENT);
}

static void test_proc_that_is_not_one(void **state)
{
	int how;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct procfs p;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("t", "/proc", "tmpfs", 0, NULL) < 0)
			_exit(2);
		_exit(procfs_open(&p, NULL) == -EPROTO ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
}

#define GOOD                                                                                 \
	"Name:\tjava\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t100\nNgid:\t0\nPid:\t100\n" \
	"Uid:\t101000\t101000\t101000\t101000\nGid:\t102000\t102001\t102000\t102000\n"       \
	"NSpid:\t100\t12\t1\nVmRSS:\t  43204 kB\nSigBlk:\t0000000000000004\n"                \
	"SigIgn:\t0000000000000000\nSigCgt:\t2000000181005ccf\n"

static void test_status_of_a_container(void **state)
{
	struct proc_status st;

	(void)state;
	assert_int_equal(proc_parse_status(GOOD, strlen(GOOD), &st), 0);
	assert_int_equal(st.euid, 101000);
	assert_int_equal(st.egid, 102001);
	assert_int_equal(st.ns_pid, 1);
	assert_int_equal(st.ns_levels, 3);
	assert_int_equal(st.rss, 43204 * 1024);
	assert_int_equal(st.sig_cgt, 0x2000000181005ccf);
	assert_int_equal(st.state, 'S');
}

/* GOOD with one piece replaced. */
static int with(const char *old, const char *new, struct proc_status *st)
{
	char text[2048];
	const char *at = strstr(GOOD, old);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, new, at + strlen(old));
	return proc_parse_status(text, strlen(text), st);
}

static void test_malformed_status(void **state)
{
	static const char *const wrong[][2] = {
		{"Uid:\t101000", "Uid:\t-1"},
		{"Uid:\t101000", "Uid:\t+101000"},
		{"Uid:\t101000", "Uid:\t0x1"},
		{"Uid:\t101000", "Uid:\t4294967295"}, /* (uid_t)-1: setresuid would do nothing */
		{"Uid:\t101000", "Uid:\t4294967296"}, /* 0 when cut to 32 bits */
		{"Uid:\t101000\t101000\t101000\t101000", "Uid:\t101000"},
		{"Uid:\t101000", "Uid:\t1\t1"},
		{"Uid:\t101000", "Uid:\t0\t0\t0\t0\nUid:\t101000"}, /* twice */
		{"Gid:\t102000", "Gid:\tx"},
		{"NSpid:\t100\t12\t1", "NSpid:\t"},
		{"NSpid:\t100\t12\t1", "NSpid:\t100\t99999999999"},
		{"43204 kB", "43204 MB"},
		{"43204 kB", "99999999999999999999 kB"},
		{"SigCgt:\t", "SigCgt:\t1"}, /* 65 bits */
		{"SigCgt:\t", "SigCgt:\tG"},
		{"SigIgn:\t0000000000000000\n", ""},
		{"State:\tS (sleeping)\n", ""},
	};
	struct proc_status st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (with(wrong[i][0], wrong[i][1], &st) != -EPROTO)
			fail_msg("'%s' was taken", wrong[i][1]);
	}
	assert_int_equal(proc_parse_status(GOOD, strlen(GOOD) - 1, &st), -EPROTO);
	assert_int_equal(proc_parse_status("", 0, &st), -EPROTO);
	assert_int_equal(with("NSpid:\t100\t12\t1\n", "", &st), 0); /* kernels before 4.1 */
	assert_int_equal(st.ns_pid, 100);
	assert_int_equal(with("VmRSS:\t  43204 kB\n", "", &st), 0); /* a zombie */
}

static void test_malformed_stat(void **state)
{
	static const char *const wrong[] = {
		"",
		"1",
		"1 (x) S",
		"1 (x) S 1 2 3\n",
		"1 x S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 355813 1\n",
		"1 (x) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 -355813 1\n",
		"1 (x) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 355813x 1\n",
		"1 (x) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99999999999999999999 1\n",
	};
	static const char good[] =
		"1 (a) S (b) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 -5 1 0 355813 1\n";
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(proc_parse_start_time(wrong[i], strlen(wrong[i]), &n), -EPROTO);
	assert_int_equal(proc_parse_start_time(good, strlen(good), &n), 0);
	assert_int_equal(n, 355813);
}

static int count(void *ctx, pid_t pid)
{
	int *n = ctx;

	(*n)++;
	return pid == getpid() ? 7 : 0;
}

static void test_each(void **state)
{
	int n = 0;
	struct procfs p;
	struct tree t;

	(void)state;
	assert_int_equal(procfs_each(&real, count, &n), 7);
	tree_open(&t);
	tree_dir(&t, "12");
	tree_dir(&t, "13");
	tree_dir(&t, "self");
	tree_dir(&t, "0");
	tree_dir(&t, "12x");
	tree_dir(&t, "99999999999");
	n = 0;
	assert_int_equal(procfs_open(&p, t.path), 0);
	assert_int_equal(procfs_each(&p, count, &n), 0);
	assert_int_equal(n, 2);
	procfs_close(&p);
	tree_close(&t);
}

static int find_self(void *ctx, const char *path)
{
	return strcmp(path, ctx) == 0;
}

static void test_maps_of_self(void **state)
{
	char exe[4096] = "";

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(proc_each_executable_map(&real, getpid(), find_self, exe), 1);
	assert_int_equal(proc_each_executable_map(&real, getpid(), find_self, (void *)"/no"), 0);
}

static int collect(void *ctx, const char *path)
{
	buf_addf(ctx, "%s|", path);
	return 0;
}

static void test_hostile_maps(void **state)
{
	struct buf b = BUF_INIT(100000);
	char *line = calloc(1, 40000);
	struct procfs p;
	struct tree t;

	(void)state;
	tree_open(&t);
	assert_int_equal(procfs_open(&p, t.path), 0);
	tree_text(&t, "1/maps",
		  "7f00-7f01 r-xp 00251000 fe:00 315152                     /a b/libjvm.so\n"
		  "7f00-7f01 r--p 00000000 fe:00 1   /not/executable\n"
		  "7f00-7f01 r-xp 00000000 00:00 0                          [vdso]\n"
		  "7f00-7f01 r-xp 00000000 00:00 0 \n"
		  "x\n\n"
		  "7f00-7f01 rwxs 00000000 00:05 9 /memfd:x (deleted)\n");
	assert_int_equal(proc_each_executable_map(&p, 1, collect, &b), 0);
	assert_string_equal(buf_str(&b), "/a b/libjvm.so|/memfd:x (deleted)|");
	memset(line, 'x', 39999);
	tree_text(&t, "1/maps", line);
	assert_int_equal(proc_each_executable_map(&p, 1, collect, &b), -EPROTO);
	free(line);
	buf_release(&b);
	procfs_close(&p);
	tree_close(&t);
}

static void test_strings_are_bounded(void **state)
{
	auto_buf struct buf b = BUF_INIT(100);
	char *big = calloc(1, MAX_PROC_FILE + 1);
	struct proc_status st;
	struct procfs p;
	struct tree t;

	(void)state;
	tree_open(&t);
	assert_int_equal(procfs_open(&p, t.path), 0);
	tree_write(&t, "1/cmdline", "java\0-jar\0x.jar", 16);
	assert_int_equal(proc_read_strings(&p, 1, "cmdline", &b), 0);
	assert_int_equal(b.len, 16);
	tree_write(&t, "1/environ", big, 101);
	assert_int_equal(proc_read_strings(&p, 1, "environ", &b), -EFBIG);
	tree_write(&t, "1/status", big, MAX_PROC_FILE + 1);
	assert_int_equal(proc_read_status(&p, 1, &st), -EFBIG);
	free(big);
	procfs_close(&p);
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_of_self),
		cmocka_unit_test(test_hostile_command_name),
		cmocka_unit_test(test_pid_in_its_own_namespace),
		cmocka_unit_test(test_signal_blocked_by_all_threads),
		cmocka_unit_test(test_gone_process),
		cmocka_unit_test(test_proc_that_is_not_one),
		cmocka_unit_test(test_status_of_a_container),
		cmocka_unit_test(test_malformed_status),
		cmocka_unit_test(test_malformed_stat),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_maps_of_self),
		cmocka_unit_test(test_hostile_maps),
		cmocka_unit_test(test_strings_are_bounded),
	};

	if (procfs_open(&real, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
