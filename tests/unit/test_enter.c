/* remote */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/creds.h"
#include "remote/enter.h"
#include "tests/unit/deny.h"

#define SCAN_FDS 1024

static struct procfs proc;

/* A stand-in for a container: its own mount namespace with a tmpfs over /tmp, holding one file;
 * with `chrooted`, its root is a directory below that. */
struct fake {
	pid_t pid;
	struct procref ref;
};

static void fake_main(int ready, bool chrooted)
{
	auto_fd int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("t", "/tmp", "tmpfs", 0, "mode=1777") < 0)
		_exit(2);
	if (chrooted && (mkdir("/tmp/new", 0755) < 0 || chdir("/tmp/new") < 0 ||
			 mkdir("tmp", 0755) < 0 || chroot(".") < 0))
		_exit(3);
	fd = open("/tmp/inside", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(ready, "", 1) != 1)
		_exit(4);
	for (;;)
		pause();
}

static void fake_start(struct fake *f, bool chrooted)
{
	int ends[2];
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0)
		fake_main(ends[1], chrooted);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
	f->ref = PROCREF_INIT;
	assert_int_equal(procref_open(&proc, f->pid, 0, &f->ref, NULL), 0);
}

static void fake_stop(struct fake *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	procref_close(&f->ref);
}

static int say_hello(void *ctx, struct buf *answer, struct error *err)
{
	(void)err;
	buf_addf(answer, "hello %s", (const char *)ctx);
	return 0;
}

static void test_answer_comes_back(void **state)
{
	struct enter_request r = {.run = say_hello, .ctx = (void *)"you", .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(enter_run(&proc, &r, &b, NULL), 0);
	assert_string_equal(buf_str(&b), "hello you");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
}

static int fail_with_hint(void *ctx, struct buf *answer, struct error *err)
{
	(void)ctx;
	(void)answer;
	error_sys(err, ERR_ATTACH, EACCES, "cannot knock at '%s'", "/tmp/\x1b[2J");
	return error_hint(err, "ask again");
}

static void test_error_comes_back(void **state)
{
	struct enter_request r = {.run = fail_with_hint, .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(0);
	struct error err = {0};

	(void)state;
	assert_int_equal(enter_run(&proc, &r, &b, &err), -1);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, EACCES);
	assert_string_equal(err.msg, "cannot knock at '/tmp/\\x1b[2J': Permission denied");
	assert_string_equal(err.hint, "ask again");
}

static int answer_too_much(void *ctx, struct buf *answer, struct error *err)
{
	(void)ctx;
	(void)err;
	for (int i = 0; i < 10000; i++)
		buf_adds(answer, "0123456789");
	return 0;
}

static void test_answer_is_bounded(void **state)
{
	struct enter_request r = {.run = answer_too_much, .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(1000);
	struct error err = {0};

	(void)state;
	assert_int_equal(enter_run(&proc, &r, &b, &err), -1);
	assert_non_null(strstr(err.msg, "too large"));
	assert_int_equal(b.len, 0);
}

static int hang(void *ctx, struct buf *answer, struct error *err)
{
	(void)ctx;
	(void)answer;
	(void)err;
	while (pause() < 0)
		;
	return 0;
}

static void test_late_child_is_killed(void **state)
{
	struct enter_request r = {.run = hang, .timeout_ms = 50};
	struct error err = {0};

	(void)state;
	assert_int_equal(enter_run(&proc, &r, NULL, &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int die(void *ctx, struct buf *answer, struct error *err)
{
	(void)answer;
	(void)err;
	if (ctx)
		kill(getpid(), SIGKILL);
	_exit(0);
}

static void test_child_that_dies_is_an_error(void **state)
{
	struct enter_request r = {.run = die, .timeout_ms = 10000};
	struct error err = {0};

	(void)state;
	assert_int_equal(enter_run(&proc, &r, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "without an answer"));
	r.ctx = &r;
	assert_int_equal(enter_run(&proc, &r, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "killed by signal 9"));
}

/* The descriptors that are open in the child, other than 0 to 2 being the null device. */
static int list_fds(void *ctx, struct buf *answer, struct error *err)
{
	(void)ctx;
	for (int fd = 0; fd < SCAN_FDS; fd++) {
		struct stat st;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		if (fd > 2)
			buf_addf(answer, "%d ", fd);
		else if (fstat(fd, &st) < 0 || st.st_rdev != makedev(1, 3))
			return error_set(err, ERR_FAILED, "%d is not the null device", fd);
	}
	return 0;
}

static void check_whitelist(const struct fake *f)
{
	int extra[20];
	auto_buf struct buf b = BUF_INIT(1000);
	struct enter_request r = {
		.target = &f->ref, .join_mnt = true, .run = list_fds, .timeout_ms = 10000};
	struct error err = {0};
	char first[32], second[32];
	const char *s;
	int n = 0;

	for (int i = 0; i < 20; i++)
		extra[i] = dup(proc.fd); /* not close-on-exec on purpose */
	r.fds[r.n_fds++] = extra[11];
	r.fds[r.n_fds++] = extra[4];
	if (enter_run(&proc, &r, &b, &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(first, sizeof(first), "%d ", extra[4]);
	snprintf(second, sizeof(second), "%d ", extra[11]);
	assert_non_null(strstr(buf_str(&b), first));
	assert_non_null(strstr(buf_str(&b), second));
	for (s = buf_str(&b); (s = strchr(s, ' ')) != NULL; s++)
		n++;
	assert_int_equal(n, 3); /* those two and the pipe */
	for (int i = 0; i < 20; i++)
		close(extra[i]);
}

static void test_descriptor_whitelist(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, false);
	check_whitelist(&f);
	fake_stop(&f);
}

static void test_descriptor_whitelist_without_close_range(void **state)
{
	struct fake f;
	pid_t pid;
	int how;

	(void)state;
	fake_start(&f, false);
	pid = fork();
	if (pid == 0) {
		struct rlimit lim = {SCAN_FDS, SCAN_FDS};

		setrlimit(RLIMIT_NOFILE, &lim);
		deny_syscall(SYS_close_range, ENOSYS);
		check_whitelist(&f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
	fake_stop(&f);
}

static int look_inside(void *ctx, struct buf *answer, struct error *err)
{
	char cwd[100];
	struct stat st;

	(void)ctx;
	if (stat("/tmp/inside", &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "no file");
	if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0)
		return error_set(err, ERR_FAILED, "wrong directory");
	if (prctl(PR_GET_DUMPABLE) != 0)
		return error_set(err, ERR_FAILED, "dumpable");
	buf_addf(answer, "%u %u", (unsigned int)geteuid(), (unsigned int)getegid());
	return 0;
}

static void enter_fake(bool chrooted)
{
	struct fake f;
	struct enter_request r = {
		.target = &f.ref, .join_mnt = true, .run = look_inside, .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(100);
	struct error err = {0};

	fake_start(&f, chrooted);
	if (enter_run(&proc, &r, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&b), "0 0");
	assert_int_equal(access("/tmp/inside", F_OK), -1); /* we stayed where we were */
	fake_stop(&f);
}

static void test_mount_namespace(void **state)
{
	(void)state;
	enter_fake(false);
}

static void test_mount_namespace_with_chroot(void **state)
{
	(void)state;
	enter_fake(true);
}

/* The node's /dev/null is something else: nothing is written to it. */
static void test_null_device_that_is_a_file(void **state)
{
	int how;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct enter_request r = {
			.run = say_hello, .ctx = (void *)"x", .timeout_ms = 10000};
		struct error err = {0};

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("/dev/zero", "/dev/null", NULL, MS_BIND, NULL) < 0)
			_exit(2);
		if (enter_run(&proc, &r, NULL, &err) == 0 || !strstr(err.msg, "null device"))
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
}

static int check_identity(void *ctx, struct buf *answer, struct error *err)
{
	int sig = 0;

	(void)ctx;
	if (creds_verify(101000, 102000, err) < 0)
		return -1;
	if (prctl(PR_GET_PDEATHSIG, &sig) < 0 || sig != SIGKILL)
		return error_set(err, ERR_FAILED, "would outlive the helper");
	buf_adds(answer, "ok");
	return 0;
}

static void test_identity_is_taken(void **state)
{
	struct fake f;
	struct enter_request r = {.target = &f.ref,
				  .take_creds = true,
				  .uid = 101000,
				  .gid = 102000,
				  .run = check_identity,
				  .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(100);
	struct error err = {0};

	(void)state;
	fake_start(&f, true);
	for (int join = 0; join < 2; join++) {
		buf_reset(&b);
		r.join_mnt = join;
		if (enter_run(&proc, &r, &b, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(buf_str(&b), "ok");
	}
	fake_stop(&f);
}

/* hostUsers: false: user 1000 of the container is 101000 here. As that, and inside, we are who the
 * container's files belong to. */
static int write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

static _Noreturn void user_namespace_main(int ready, int go)
{
	char c;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER) < 0 || write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("t", "/tmp", "tmpfs", 0, "mode=1777") < 0 || setresgid(1000, 1000, 1000) < 0 ||
	    setresuid(1000, 1000, 1000) < 0)
		_exit(2);
	fd = open("/tmp/inside", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(ready, "", 1) != 1)
		_exit(3);
	while (pause() < 0)
		;
	_exit(0);
}

static int read_private_file(void *ctx, struct buf *answer, struct error *err)
{
	auto_fd int fd = open("/tmp/inside", O_RDONLY | O_CLOEXEC);
	struct stat st;

	(void)ctx;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read");
	buf_addf(answer, "%u %u", (unsigned int)st.st_uid, (unsigned int)st.st_gid);
	return 0;
}

static void test_user_namespace(void **state)
{
	static const char map[] = "0 100000 65536\n";
	struct fake f = {.ref = PROCREF_INIT};
	struct enter_request r = {.target = &f.ref,
				  .join_mnt = true,
				  .take_creds = true,
				  .uid = 101000,
				  .gid = 101000,
				  .run = read_private_file,
				  .timeout_ms = 10000};
	auto_buf struct buf b = BUF_INIT(100);
	struct error err = {0};
	int ready[2], go[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	f.pid = fork();
	assert_true(f.pid >= 0);
	if (f.pid == 0)
		user_namespace_main(ready[1], go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_true(write_map(f.pid, "uid_map", map) && write_map(f.pid, "gid_map", map));
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(procref_open(&proc, f.pid, 0, &f.ref, NULL), 0);
	if (enter_run(&proc, &r, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&b), "101000 101000");
	r.uid = r.gid = 1000; /* its own view of itself is nobody's here */
	assert_int_equal(enter_run(&proc, &r, &b, &err), -1);
	assert_int_equal(err.sys, EACCES);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
	fake_stop(&f);
}

static void test_target_that_ended(void **state)
{
	struct fake f;
	struct enter_request r = {
		.target = &f.ref, .join_mnt = true, .run = look_inside, .timeout_ms = 10000};
	struct error err = {0};

	(void)state;
	fake_start(&f, false);
	kill(f.pid, SIGKILL);
	waitpid(f.pid, NULL, 0);
	assert_int_equal(enter_run(&proc, &r, NULL, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	procref_close(&f.ref);
}

static void test_without_waiting(void **state)
{
	struct enter_request r = {.run = say_hello, .ctx = (void *)"later", .timeout_ms = 10000};
	struct enter_child c = ENTER_CHILD_INIT;
	auto_buf struct buf b = BUF_INIT(100);
	int done;

	(void)state;
	enter_stop(&c);
	assert_int_equal(enter_start(&proc, &r, 100, &c, NULL), 0);
	do {
		assert_int_equal(io_wait(c.fd, POLLIN, c.deadline), 1);
		done = enter_collect(&c, &b, NULL);
	} while (done == 0);
	assert_int_equal(done, 1);
	assert_string_equal(buf_str(&b), "hello later");
	enter_stop(&c);
	r.run = hang;
	assert_int_equal(enter_start(&proc, &r, 100, &c, NULL), 0);
	enter_stop(&c);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_bad_requests(void **state)
{
	struct enter_request r = {.run = say_hello, .timeout_ms = 1000, .fds = {1}, .n_fds = 1};

	(void)state;
	assert_int_equal(enter_run(&proc, &r, NULL, NULL), -1);
	r.n_fds = ENTER_MAX_FDS + 1;
	assert_int_equal(enter_run(&proc, &r, NULL, NULL), -1);
	r = (struct enter_request){.run = say_hello, .join_mnt = true};
	assert_int_equal(enter_run(&proc, &r, NULL, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_comes_back),
		cmocka_unit_test(test_error_comes_back),
		cmocka_unit_test(test_answer_is_bounded),
		cmocka_unit_test(test_late_child_is_killed),
		cmocka_unit_test(test_child_that_dies_is_an_error),
		cmocka_unit_test(test_descriptor_whitelist),
		cmocka_unit_test(test_descriptor_whitelist_without_close_range),
		cmocka_unit_test(test_mount_namespace),
		cmocka_unit_test(test_mount_namespace_with_chroot),
		cmocka_unit_test(test_identity_is_taken),
		cmocka_unit_test(test_null_device_that_is_a_file),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_target_that_ended),
		cmocka_unit_test(test_without_waiting),
		cmocka_unit_test(test_bad_requests),
	};

	if (procfs_open(&proc, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
