/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/nodedir.h"
#include "tests/unit/tempdir.h"

#define UID 12345

static struct error err;

static void test_names(void **state)
{
	char a[JDIAG_NAME_SIZE], b[JDIAG_NAME_SIZE];
	static const char *const bad[] = {"",
					  ".jdiag-",
					  ".jdiag-0123456789abcde",
					  ".jdiag-0123456789abcdef0",
					  ".jdiag-0123456789abcdeF",
					  ".jdiag-0123456789abcde/",
					  "xjdiag-0123456789abcdef"};

	(void)state;
	assert_int_equal(jdiag_name_new(a, &err), 0);
	assert_int_equal(jdiag_name_new(b, &err), 0);
	assert_string_not_equal(a, b);
	assert_true(jdiag_name_is(a) && jdiag_name_is(b));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(jdiag_name_is(bad[i]));
}

static void test_choose(void **state)
{
	struct nodedir_base base;

	(void)state;
	assert_int_equal(nodedir_choose("", &base, &err), 0);
	assert_true(base.path[0] == '/' && base.free > 0);
	assert_int_equal(nodedir_choose("/var/tmp", &base, &err), 0);
	assert_string_equal(base.path, "/var/tmp");
	assert_int_equal(nodedir_choose("relative", &base, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(nodedir_choose("/nonexistent", &base, &err), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(nodedir_choose("/etc/passwd", &base, &err), -1);
	assert_int_equal(nodedir_choose("/etc/..", &base, &err), 0);
}

static void test_more_room(void **state)
{
	const uint64_t disk = 100000 * MiB;

	(void)state;
	assert_false(nodedir_has_more(disk - 1, disk));
	assert_false(nodedir_has_more(disk, disk));
	assert_false(nodedir_has_more(disk + 1, disk));
	assert_false(nodedir_has_more(disk + 1000 * MiB, disk)); /* somebody has just removed it */
	assert_true(nodedir_has_more(disk + 2000 * MiB, disk));
	assert_true(nodedir_has_more(1, 0));
	assert_false(nodedir_has_more(0, 0));
}

static struct nodedir make(const char *at, char name[JDIAG_NAME_SIZE])
{
	struct nodedir_base base = {0};
	struct nodedir n = NODEDIR_INIT;

	snprintf(base.path, sizeof(base.path), "%s", at);
	assert_int_equal(jdiag_name_new(name, &err), 0);
	if (nodedir_create(&n, &base, name, UID, UID, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void test_create_and_remove(void **state)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make(tempdir, name);
	struct stat st;

	(void)state;
	assert_int_equal(fstatat(n.base, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstat(n.dump, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, UID);
	assert_int_equal(st.st_gid, UID);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(n.base, -1);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(tempdir), 0); /* nothing is left */
	assert_int_equal(mkdir(tempdir, 0700), 0);
}

/* While it is mounted the container can put anything into it. */
static void test_remove_planted(void **state)
{
	char name[JDIAG_NAME_SIZE], victim[300];
	struct nodedir n = make(tempdir, name);
	int fd;

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", tempdir);
	assert_int_equal(mkdir(victim, 0700), 0);
	assert_int_equal(symlinkat(victim, n.dump, "link"), 0);
	assert_int_equal(mkfifoat(n.dump, "fifo", 0600), 0);
	assert_int_equal(mkdirat(n.dump, "dir", 0), 0);
	assert_int_equal(mkdirat(n.dump, "dir/dir", 0), 0);
	assert_int_equal(symlinkat("..", n.dump, "dir/up"), 0);
	fd = openat(n.dump, "dir/file", O_CREAT | O_WRONLY, 0400);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(victim), 0); /* still there, still empty */
}

static void dig(int from, int depth)
{
	int at = dup(from);

	for (int i = 0; i < depth; i++) {
		int next, fd = openat(at, "file", O_CREAT | O_WRONLY, 0600);

		assert_true(fd >= 0);
		close(fd);
		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
}

static void test_remove_deep(void **state)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make(tempdir, name);

	(void)state;
	dig(n.dump, 500);
	assert_int_equal(nodedir_remove_inside(&n, "dump"), 0);
	assert_int_equal(faccessat(n.dir, "dump", F_OK, 0), -1);
	assert_int_equal(mkdirat(n.dir, "dump", 0700), 0);
	close(n.dump);
	n.dump = openat(n.dir, "dump", O_RDONLY | O_DIRECTORY);
	dig(n.dump, 500);
	dig(n.dir, 100);
	/* of a removal that was killed */
	assert_int_equal(mkdirat(n.dir, "deep.0", 0700), 0);
	assert_int_equal(mkdirat(n.dir, "deep.0/x", 0700), 0);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(tempdir), 0); /* nothing is left */
	assert_int_equal(mkdir(tempdir, 0700), 0);
}

static void test_remove_many(void **state)
{
	char name[JDIAG_NAME_SIZE], file[16];
	struct nodedir n = make(tempdir, name);

	(void)state;
	for (int i = 0; i < 70000; i++) {
		snprintf(file, sizeof(file), "%d", i);
		assert_int_equal(symlinkat(".", n.dump, file), 0);
	}
	assert_int_equal(nodedir_remove(&n, &err), 0);
	assert_int_equal(rmdir(tempdir), 0);
	assert_int_equal(mkdir(tempdir, 0700), 0);
}

/* Bases of our own: other helpers on this machine look there as well. */
static int own_bases(void **state)
{
	static const char *const bases[] = {"/var/lib", "/var/tmp", "/run"};

	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (mount("none", bases[i], "tmpfs", 0, NULL) < 0)
			return -1;
	return tempdir_make(state);
}

static void test_name_that_is_taken(void **state)
{
	struct nodedir_base base = {.path = "/var/lib"};
	char name[JDIAG_NAME_SIZE];
	struct nodedir n = make("/var/lib", name), again = NODEDIR_INIT;

	(void)state;
	assert_int_equal(nodedir_create(&again, &base, name, UID, UID, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(again.base, -1);
	assert_int_equal(nodedir_remove(&n, &err), 0);
	snprintf(base.path, sizeof(base.path), "/var/lib/nothing");
	assert_int_equal(nodedir_create(&again, &base, name, UID, UID, &err), -1);
	assert_int_equal(err.sys, ENOENT);
}

struct seen {
	const char *name;
	int times;
};

static int see(void *ctx, struct nodedir_found *f)
{
	struct seen *s = ctx;

	s->times += strcmp(f->name, s->name) == 0;
	return 0;
}

/* In /run, on a disk, and where the user wanted it. */
static void test_find(void **state)
{
	const char *const places[] = {"/run", "/var/lib", tempdir};
	struct nodedir_found f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char name[JDIAG_NAME_SIZE], link[64];
		struct nodedir n = make(places[i], name);
		struct seen s = {.name = name};

		snprintf(link, sizeof(link), "/run/%s", name);
		assert_int_equal(nodedir_find(name, &f), 0);
		assert_string_equal(f.path, n.path);
		assert_string_equal(f.name, name);
		close(f.dir);
		assert_true(nodedir_is_live(name));
		assert_int_equal(nodedir_each(see, &s), 0);
		assert_int_equal(s.times, 1);
		fd_close(&n.lock);
		assert_false(nodedir_is_live(name));
		assert_int_equal(nodedir_remove(&n, &err), 0);
		assert_int_equal(nodedir_find(name, &f), -ENOENT);
		assert_int_equal(faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	}
	assert_int_equal(nodedir_find("../etc", &f), -ENOENT);
}

/* Links anywhere but in /run, links to something else, directories of others. */
static void test_planted(void **state)
{
	char name[JDIAG_NAME_SIZE], path[100], other[JDIAG_NAME_SIZE];
	struct nodedir n = make(tempdir, name);
	struct nodedir_found f;

	(void)state;
	assert_int_equal(jdiag_name_new(other, &err), 0);
	snprintf(path, sizeof(path), "/run/%s", name);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "/var/tmp/%s", name);
	assert_int_equal(symlink(n.path, path), 0);
	assert_int_equal(nodedir_find(name, &f), -ENOENT);
	snprintf(path, sizeof(path), "/run/%s", other);
	assert_int_equal(symlink(n.path, path), 0);
	assert_int_equal(nodedir_find(other, &f), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(nodedir_find(other, &f), 0);
	close(f.dir);
	assert_int_equal(chown(path, UID, UID), 0);
	assert_int_equal(nodedir_find(other, &f), -ENOENT);
	assert_int_equal(nodedir_remove(&n, &err), 0);
}

static void wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Only to the process that holds the lock. */
static void test_signal(void **state)
{
	auto_procfs struct procfs p = {.fd = -1};
	char name[JDIAG_NAME_SIZE], byte;
	struct nodedir n = make("/var/lib", name);
	int ready[2];
	pid_t pid;

	(void)state;
	assert_int_equal(procfs_open(&p, NULL), 0);
	assert_int_equal(nodedir_signal(n.dir, SIGTERM), 0); /* nobody has noted itself */
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (nodedir_note_pid(&n, &p, &err) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	fd_close(&n.lock);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(nodedir_signal(n.dir, SIGTERM), 0);
	wait_for(pid);
	assert_null(nodedir_keep_reason(n.dir));
	assert_int_equal(nodedir_signal(n.dir, SIGTERM), 0); /* it is gone */
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(nodedir_remove(&n, &err), 0);
}

static void write_lock(const struct nodedir *n, const char *text)
{
	assert_int_equal(ftruncate(n->lock, 0), 0);
	assert_int_equal(pwrite(n->lock, text, strlen(text), 0), strlen(text));
}

/* The pid is another process's now, the lock is free, or nonsense is in it: nobody is hit. */
static void test_signal_to_nobody(void **state)
{
	char name[JDIAG_NAME_SIZE], text[64];
	struct nodedir n = make("/var/lib", name);
	auto_procfs struct procfs p = {.fd = -1};
	uint64_t start_time;
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	assert_int_equal(procfs_open(&p, NULL), 0);
	assert_int_equal(proc_read_start_time(&p, pid, &start_time), 0);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d%s%llu\n", (int)pid, i == 0 ? "x" : " ",
			 (unsigned long long)start_time + (i == 1));
		write_lock(&n, text);
		if (i == 2) {
			/* The child has it as well: let it go for both. */
			assert_int_equal(flock(n.lock, LOCK_UN), 0);
		}
		assert_int_equal(nodedir_signal(n.dir, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_for(pid);
	assert_int_equal(nodedir_remove(&n, &err), 0);
}

/* A JVM that hangs in open(2) of a FIFO without a reader goes on when that is removed. */
static void test_remove_frees_who_waits(void **state)
{
	char name[JDIAG_NAME_SIZE], path[400];
	struct nodedir n = make("/var/lib", name);
	auto_procfs struct procfs p = {.fd = -1};
	struct proc_status st = {0};
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkfifoat(n.dump, "h.hprof", 0600), 0);
	snprintf(path, sizeof(path), "%s/dump/h.hprof", n.path);
	pid = fork();
	if (!pid) {
		int fd;

		signal(SIGPIPE, SIG_IGN);
		fd = open(path, O_WRONLY);
		while (fd >= 0 && write(fd, "x", 1) == 1)
			; /* a reader that comes and goes */
		_exit(fd >= 0 && errno == EPIPE ? 0 : 1);
	}
	assert_int_equal(procfs_open(&p, NULL), 0);
	for (uint64_t end = now_ms() + 60000; now_ms() < end && st.state != 'S'; usleep(1000))
		assert_int_equal(proc_read_status(&p, pid, &st), 0);
	assert_int_equal(st.state, 'S');
	assert_int_equal(nodedir_remove(&n, &err), 0);
	alarm(60);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	alarm(0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_more_room),
		cmocka_unit_test(test_create_and_remove),
		cmocka_unit_test(test_remove_planted),
		cmocka_unit_test(test_remove_deep),
		cmocka_unit_test(test_remove_many),
		cmocka_unit_test(test_name_that_is_taken),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_planted),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_signal_to_nobody),
		cmocka_unit_test(test_remove_frees_who_waits),
	};

	return cmocka_run_group_tests(tests, own_bases, tempdir_remove);
}
