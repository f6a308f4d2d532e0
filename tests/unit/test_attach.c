/* remote */
/* A JVM that is asked and does not answer: whether it was sent anything is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "remote/attach/asking.h"
#include "tests/unit/container.h"

#define NS_PID 7
#define REPLY_MS 300 /* where no answer comes */
#define LONG_MS 60000

/* What pretends to be the JVM's listener. */
enum listener {
	CLOSES, /* it reads, and closes */
	WAITS,	/* it never answers */
	FLOODS, /* it answers without end */
};

struct jvm_process {
	pid_t pid;
	struct procref ref;
};

static int listen_in_tmp(int tmp)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/.java_pid%d", tmp, NS_PID);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 5) < 0 ||
	    fchownat(tmp, ".java_pid7", UID, UID, 0) < 0 ||
	    fchmodat(tmp, ".java_pid7", 0666, 0) < 0)
		return -1;
	return fd;
}

static void serve(int ready, int tmp, enum listener what)
{
	int listener = listen_in_tmp(tmp), fd;
	static char request[65536] = "0\n";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (listener < 0 || write(ready, "", 1) != 1)
		_exit(2);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (what == CLOSES && read(fd, request, sizeof(request)) > 0)
			close(fd);
		else if (what == FLOODS)
			while (write(fd, request, sizeof(request)) > 0)
				;
	_exit(3);
}

static void start(struct jvm_process *p, int tmp, enum listener what)
{
	int ends[2];
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0)
		serve(ends[1], tmp, what);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
	p->ref = PROCREF_INIT;
	assert_int_equal(procref_open(&proc, p->pid, 0, &p->ref, &err), 0);
}

static void stop(struct jvm_process *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	procref_close(&p->ref);
}

static struct jvm jvm_of(const struct fake *f)
{
	struct jvm jvm = f->target.jvm;

	jvm.ns_pid = NS_PID;
	jvm.attachable = true;
	return jvm;
}

/* Ask, and fail: with that errno and these words. */
static void assert_fails(const struct fake *f, const struct procref *ref, const struct jvm *jvm,
			 uint64_t reply_ms, int sys, const char *words)
{
	auto_buf struct buf data = BUF_INIT(100);
	const struct hotspot_request q = {
		.proc = &proc,
		.ref = ref,
		.jvm = jvm,
		.tmp = f->tmp,
		.data = &data,
		.reply_ms = reply_ms,
	};
	struct hotspot a;
	int rc = 0;

	buf_adds(&data, "1");
	err = (struct error){0};
	assert_int_equal(hotspot_start(&a, &q, &err), 0);
	while (rc == 0) {
		assert_true(io_wait(a.child.fd, POLLIN, now_ms() + LONG_MS) > 0);
		rc = hotspot_step(&a, &err);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_ATTACH);
	if (!strstr(err.msg, words))
		fail_msg("no '%s' in '%s'", words, err.msg);
	assert_int_equal(err.sys, sys);
	hotspot_stop(&a);
}

static void test_nothing_is_sent(void **state)
{
	struct fake f;
	struct jvm jvm;
	int fd;

	(void)state;
	fake_start(&f, 01777);
	jvm = jvm_of(&f);
	jvm.reduced_signals = true;
	assert_fails(&f, &f.target.ref, &jvm, REPLY_MS, ENOTCONN, "-Xrs");
	fd = openat(f.tmp, ".java_pid7", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_fails(&f, &f.target.ref, &jvm, REPLY_MS, ENOTCONN, "is not a socket");
	assert_int_equal(unlinkat(f.tmp, ".java_pid7", 0), 0);
	/* one that is not the JVM */
	fd = listen_in_tmp(f.tmp);
	assert_true(fd >= 0);
	assert_fails(&f, &f.target.ref, &jvm, REPLY_MS, ENOTCONN, "not by the JVM");
	close(fd);
	fake_stop(&f);
}

static void test_tmp_that_cannot_be_written(void **state)
{
	struct fake f;
	struct jvm jvm;

	(void)state;
	fake_start(&f, 0755);
	jvm = jvm_of(&f);
	assert_fails(&f, &f.target.ref, &jvm, REPLY_MS, ENOTCONN, "cannot create");
	fake_stop(&f);
}

static void test_no_answer(void **state)
{
	struct jvm_process p;
	struct fake f;
	struct jvm jvm;

	(void)state;
	fake_start(&f, 01777);
	jvm = jvm_of(&f);
	start(&p, f.tmp, CLOSES);
	assert_fails(&f, &p.ref, &jvm, LONG_MS, 0, "closed the connection unanswered");
	stop(&p);
	assert_int_equal(unlinkat(f.tmp, ".java_pid7", 0), 0);
	start(&p, f.tmp, WAITS);
	assert_fails(&f, &p.ref, &jvm, REPLY_MS, ETIMEDOUT, "did not answer within");
	stop(&p);
	fake_stop(&f);
}

static void test_not_begun(void **state)
{
	static char large[HOTSPOT_V1_MAX_ARG + 2];
	const char *args[] = {large};
	struct question q = {.command = "jcmd", .args = args, .n_args = 1};
	struct asking a = ASKING_INIT;
	struct fake f;

	(void)state;
	fake_start(&f, 01777);
	snprintf(f.target.jvm.reason, sizeof(f.target.jvm.reason), "it is too old");
	err = (struct error){0};
	assert_int_equal(asking_start(&a, &f.target, &q, &err), -1);
	assert_int_equal(err.sys, ENOTCONN);
	assert_non_null(strstr(err.msg, "it is too old"));
	memset(large, 'x', sizeof(large) - 1);
	snprintf(f.target.jvm.version, sizeof(f.target.jvm.version), "17.0.1");
	assert_int_equal(asking_start(&a, &f.target, &q, &err), -1);
	assert_int_equal(err.sys, E2BIG);
	asking_release(&a);
	fake_stop(&f);
}

static int open_proc(void **state)
{
	(void)state;
	return procfs_open(&proc, NULL);
}

static int close_proc(void **state)
{
	(void)state;
	procfs_close(&proc);
	return 0;
}

static void test_too_large(void **state)
{
	struct jvm_process p;
	struct fake f;
	struct jvm jvm;

	(void)state;
	fake_start(&f, 01777);
	jvm = jvm_of(&f);
	start(&p, f.tmp, FLOODS);
	assert_fails(&f, &p.ref, &jvm, LONG_MS, EFBIG, "is larger than 1048576 bytes");
	stop(&p);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_sent),
		cmocka_unit_test(test_tmp_that_cannot_be_written),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_not_begun),
	};

	return cmocka_run_group_tests(tests, open_proc, close_proc);
}
