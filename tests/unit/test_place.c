/* remote: files that are placed in a container, which plants what it likes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/mount.h"
#include "remote/place/mounted.h"
#include "remote/place/place.h"
#include "remote/sweep.h"
#include "remote/sweep_look.h"
#include "tests/unit/container.h"
#include "tests/unit/deny.h"

#define OTHER 4321
#define PATIENCE_MS 60000 /* with what never answers: any bound is one */

/* A container of its own: a tmpfs as its root, in a mount namespace, and a process in it. */
struct box {
	pid_t pid;
	struct target target;
	int root; /* O_PATH */
};

struct shape {
	bool read_only;			 /* the root, when it is made */
	bool no_empty;			 /* no empty directory */
	const char *tmp, *var_tmp, *shm; /* options of a tmpfs there; NULL: a directory, 1777 */
};

static void must(bool good)
{
	if (!good)
		_exit(3);
}

static void make_dir(const char *path, mode_t mode, uid_t uid)
{
	must(mkdir(path, mode) == 0 && chmod(path, mode) == 0 && chown(path, uid, uid) == 0);
}

static void make_place(const char *path, const char *options)
{
	make_dir(path, 01777, 0);
	if (options)
		must(mount("t", path, "tmpfs", strstr(options, "noexec") ? MS_NOEXEC : 0,
			   strstr(options, "mode") ? strstr(options, "mode") : "mode=1777") == 0);
}

static void box_inner(const struct shape *s, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	must(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	must(mount("root", "/mnt", "tmpfs", 0, "mode=0755") == 0 && chdir("/mnt") == 0);
	make_dir("var", 0755, 0);
	make_dir("dev", 0755, 0);
	make_dir("mnt", 0755, 0);
	make_dir("secret", 0777, 0);
	make_place("tmp", s->tmp);
	make_place("var/tmp", s->var_tmp);
	make_place("dev/shm", s->shm);
	if (s->no_empty)
		make_dir("mnt/x", 0755, 0);
	if (s->read_only)
		must(mount(NULL, "/mnt", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	must(chroot(".") == 0 && chdir("/") == 0 && write(ready, "", 1) == 1);
	for (;;)
		pause();
}

static void box_start(struct box *b, const struct shape *s)
{
	int ends[2];
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0)
		box_inner(s, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	b->target = TARGET_INIT;
	b->target.jvm.uid = b->target.jvm.gid = UID;
	assert_int_equal(target_hold(&b->target, &proc, b->pid, 0, &err), 0);
	b->root = b->target.root;
}

static void box_stop(struct box *b)
{
	target_close(&b->target);
	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
}

/* A path of the container, for the test's own use. */
static const char *in(const struct box *b, const char *path)
{
	static char all[4][PATH_MAX];
	static unsigned int next;
	char *dst = all[next++ % 4];

	snprintf(dst, PATH_MAX, "/proc/%d/root%s", (int)b->pid, path);
	return dst;
}

static bool is_there(const struct box *b, const char *path)
{
	return faccessat(AT_FDCWD, in(b, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned int entries(const struct box *b, const char *path)
{
	DIR *d = opendir(in(b, path));
	unsigned int n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void plant_dir(const char *path, mode_t mode, uid_t uid)
{
	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(chown(path, uid, uid), 0);
}

static void plant_file(const char *path, mode_t mode, uid_t uid, char fill, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	auto_free char *data = xmalloc(size);

	assert_true(fd >= 0);
	memset(data, fill, size);
	assert_int_equal(io_write_full(fd, data, size), 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
	close(fd);
}

static void clean_of_ours(const struct box *b)
{
	static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/secret"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		assert_int_equal(entries(b, places[i]), 0);
}

static bool mountinfo_has(const struct box *b, const char *text)
{
	auto_buf struct buf all = BUF_INIT(1 << 20);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)b->pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, &all), 0);
	return strstr(buf_str(&all), text) != NULL;
}

/* ---- placing ---- */

struct file {
	const char *name;
	size_t size;
	char fill;
	bool exec;
	const char *path;
};

static void request_of(const struct file *f, struct place_request *q)
{
	struct sha256 *s = sha256_new();
	auto_free char *data = xmalloc(f->size + 1);

	memset(data, f->fill, f->size);
	sha256_add(s, data, f->size);
	*q = (struct place_request){.size = f->size, .exec = f->exec};
	sha256_hex(s, q->sha256);
	sha256_free(s);
	snprintf(q->name, sizeof(q->name), "%s", f->name);
	snprintf(q->path, sizeof(q->path), "%s", f->path ? f->path : "");
}

static struct placing *begin(struct box *b, const struct file *f)
{
	auto_free char *data = xmalloc(f->size + 1);
	struct place_request q;
	struct placing *p;

	request_of(f, &q);
	err = (struct error){0};
	assert_int_equal(place_request_check(&q, &err), 0);
	assert_int_equal(placing_new(&p, &b->target, &q, &err), 0);
	memset(data, f->fill, f->size);
	if (f->size > 1)
		assert_int_equal(placing_add(p, data, f->size - 1, &err), 0);
	if (placing_add(p, data, 1, &err) == 1)
		return p;
	placing_free(p, 0);
	return NULL;
}

static int place(struct box *b, const struct file *f, struct place_result *ret)
{
	struct placing *p = begin(b, f);
	int rc = p ? 0 : -1;

	while (rc == 0) {
		assert_int_equal(io_wait(placing_fd(p), POLLIN, now_ms() + PATIENCE_MS), 1);
		rc = placing_step(p, ret, &err);
	}
	placing_free(p, 0);
	fd_close(&b->target.lock);
	return rc;
}

static void placed(struct box *b, const struct file *f, const char *path, const char *why)
{
	auto_buf struct buf got = BUF_INIT(MAX_PLACED);
	struct place_result r;
	struct stat st;

	if (place(b, f, &r) != 1)
		fail_msg("%s", err.msg);
	assert_string_equal(r.path, path);
	if (why ? !strstr(r.why, why) : *r.why)
		fail_msg("why: '%s' instead of '%s'", r.why, why ? why : "");
	assert_int_equal(lstat(in(b, path), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(st.st_uid, b->target.jvm.uid);
	assert_int_equal(st.st_size, f->size);
	assert_int_equal(st.st_mtim.tv_nsec, 0);
	assert_int_equal(io_read_file(AT_FDCWD, in(b, path), &got), 0);
	for (size_t i = 0; i < got.len; i++)
		assert_int_equal(got.data[i], f->fill);
}

static const char *unplaced_like(struct box *b, const char *path, const char *begin)
{
	static char name[PLACE_NAME_SIZE];

	err = (struct error){0};
	if (place_remove(&b->target, path, begin, name, &err) < 0)
		fail_msg("%s", err.msg);
	fd_close(&b->target.lock);
	return name;
}

static bool unplaced(struct box *b, const char *path)
{
	return *unplaced_like(b, path, "");
}

static const struct file jar = {"agent.jar", 300000, 'j', false, NULL};
static const struct file library = {"libagent.so", 70000, 'l', true, NULL};
static const struct file yaml = {"jmx-9404.yaml", 100, 'y', false, NULL};

#define OURS "/" PLACE_DIR

static void test_first_place(void **state)
{
	struct box b;
	struct stat st, again;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	assert_int_equal(lstat(in(&b, "/tmp" OURS), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, UID);
	placed(&b, &yaml, "/tmp" OURS "/jmx-9404.yaml", NULL);

	/* the same once more is the same file */
	assert_int_equal(lstat(in(&b, "/tmp" OURS "/agent.jar"), &st), 0);
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	assert_int_equal(lstat(in(&b, "/tmp" OURS "/agent.jar"), &again), 0);
	assert_int_equal(st.st_ino, again.st_ino);
	assert_int_equal(entries(&b, "/tmp" OURS), 2);

	assert_true(unplaced(&b, "/tmp" OURS "/agent.jar"));
	assert_true(is_there(&b, "/tmp" OURS "/jmx-9404.yaml"));
	assert_false(unplaced(&b, "/tmp" OURS "/agent.jar"));
	assert_true(unplaced(&b, "/tmp" OURS "/jmx-9404.yaml"));
	assert_false(unplaced(&b, "/tmp" OURS "/jmx-9404.yaml"));
	assert_false(unplaced(&b, "/nowhere" OURS "/jmx-9404.yaml"));
	assert_false(unplaced(&b, "/mnt/jmx-9404.yaml"));
	clean_of_ours(&b);
	box_stop(&b);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"",	 ".x",	"..", "a/b",	  "/a",
					  "a b", "a=b", "\n", "\xc3\xa4", "a\\b"};
	static const char *const bad_paths[] = {
		"/tmp/x/other",	     "relative" OURS "/a", "/a", OURS, "/tmp" OURS "/", "a",
		"/tmp" OURS "/../a",
	};
	char dir[PLACE_PATH_SIZE], name[PLACE_NAME_SIZE], longest[200] = "";
	struct place_request q;
	bool below;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(place_name_is(bad[i]));
	memset(longest, 'x', 100);
	assert_true(place_name_is(longest));
	longest[100] = 'x';
	assert_false(place_name_is(longest));
	request_of(&jar, &q);
	assert_int_equal(place_request_check(&q, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_paths); i++) {
		snprintf(q.path, sizeof(q.path), "%s", bad_paths[i]);
		snprintf(q.name, sizeof(q.name), "a");
		if (strcmp(bad_paths[i], "/tmp" OURS "/../a") == 0)
			continue; /* refused when it is opened */
		assert_int_equal(place_request_check(&q, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_true(place_path_split("/home/x" OURS "/a.jar", dir, name, &below));
	assert_true(below);
	assert_string_equal(dir, "/home/x");
	assert_string_equal(name, "a.jar");
	assert_true(place_path_split(OURS "/a.jar", dir, name, &below));
	assert_true(below);
	assert_string_equal(dir, "/");
	assert_true(place_path_split("/mnt/a.jar", dir, name, &below));
	assert_false(below);
	assert_string_equal(dir, "/mnt");
	request_of(&jar, &q);
	q.size = 0;
	assert_int_equal(place_request_check(&q, &err), -1);
	q.size = MAX_PLACED + 1;
	assert_int_equal(place_request_check(&q, &err), -1);
	q.size = MAX_PLACED;
	assert_int_equal(place_request_check(&q, &err), 0);
	q.sha256[0] = 'X';
	assert_int_equal(place_request_check(&q, &err), -1);
}

/* What arrives is not what was announced: nothing is made. */
static void test_other_content(void **state)
{
	struct place_request q;
	struct placing *p;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	request_of(&(struct file){"a", 3, 'x', false, NULL}, &q);
	assert_int_equal(placing_new(&p, &b.target, &q, &err), 0);
	assert_int_equal(placing_add(p, "xxy", 3, &err), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	placing_free(p, 0);
	assert_int_equal(placing_new(&p, &b.target, &q, &err), 0);
	assert_int_equal(placing_add(p, "xx", 2, &err), 0);
	assert_int_equal(placing_add(p, "xx", 2, &err), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	placing_free(p, 0);
	placing_free(NULL, 0);
	clean_of_ours(&b);
	box_stop(&b);
}

/* What is where our directory belongs is not ours: the next place. */
static void test_planted_directory(void **state)
{
	char at[PATH_MAX];
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	snprintf(at, sizeof(at), "%s", in(&b, "/tmp" OURS));
	for (int i = 0; i < 6; i++) {
		switch (i) {
		case 0: /* a link to a directory that the JVM's user could write to */
			assert_int_equal(symlink("/secret", at), 0);
			break;
		case 1: /* another user's */
			plant_dir(at, 0700, OTHER);
			break;
		case 2: /* where others can look in */
			plant_dir(at, 0755, UID);
			break;
		case 3:
			assert_int_equal(mkfifo(at, 0777), 0);
			break;
		case 4:
			assert_int_equal(symlink("/proc/self/root/secret", at), 0);
			break;
		default: /* anybody's */
			plant_dir(at, 0777, UID);
		}
		placed(&b, &jar, "/var/tmp" OURS "/agent.jar",
		       "/tmp: '" PLACE_DIR "' there is not");
		assert_true(unplaced(&b, "/var/tmp" OURS "/agent.jar"));
		assert_int_equal(i == 1 || i == 2 || i == 5 ? rmdir(at) : unlink(at), 0);
		clean_of_ours(&b);
	}
	box_stop(&b);
}

/* Something has the file's name. */
static void test_planted_file(void **state)
{
	static const char *const name = "/tmp" OURS "/agent.jar";
	char dir[PATH_MAX], at[PATH_MAX];
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	snprintf(dir, sizeof(dir), "%s", in(&b, "/tmp" OURS));
	snprintf(at, sizeof(at), "%s", in(&b, name));
	for (int i = 0; i < 6; i++) {
		plant_dir(dir, 0700, UID);
		switch (i) {
		case 0:
			assert_int_equal(mkfifo(at, 0777), 0);
			break;
		case 1:
			assert_int_equal(symlink("/secret/victim", at), 0);
			break;
		case 2:
			plant_dir(at, 0700, UID);
			break;
		case 3: /* the same size */
			plant_file(at, 0400, UID, 'k', jar.size);
			break;
		case 4:
			assert_int_equal(mknod(at, S_IFCHR | 0666, makedev(1, 5)), 0);
			break;
		default: /* another user's, with that content */
			plant_file(at, 0444, OTHER, 'j', jar.size);
		}
		placed(&b, &jar, "/var/tmp" OURS "/agent.jar",
		       "/tmp: something else has the file's name");
		assert_true(unplaced(&b, "/var/tmp" OURS "/agent.jar"));
		assert_true(is_there(&b, name));
		assert_int_equal(i == 2 ? rmdir(at) : unlink(at), 0);
		assert_int_equal(rmdir(dir), 0);
		clean_of_ours(&b);
	}
	box_stop(&b);
}

static void test_full(void **state)
{
	static const struct file large = {"large.jar", 2 << 20, 'x', false, NULL};
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){.tmp = "mode=1777,size=1m"});
	placed(&b, &large, "/var/tmp" OURS "/large.jar", "/tmp: No space left on device");
	assert_false(is_there(&b, "/tmp" OURS));
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	box_stop(&b);
	box_start(&b, &(struct shape){.read_only = true,
				      .no_empty = true,
				      .tmp = "mode=1777,size=1m",
				      .shm = "mode=1777,size=1m"});
	assert_int_equal(place(&b, &large, &r), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(err.sys, ENOSPC);
	assert_non_null(strstr(err.msg, "/dev/shm: No space left on device"));
	assert_non_null(strstr(err.msg, "no directory of the image is empty"));
	clean_of_ours(&b);
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	box_stop(&b);
}

static void test_noexec(void **state)
{
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){.tmp = "noexec,mode=1777"});
	placed(&b, &library, "/var/tmp" OURS "/libagent.so", "/tmp: mounted noexec");
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	assert_true(is_there(&b, "/var/tmp" OURS "/libagent.so"));
	box_stop(&b);
}

static const struct shape nowhere = {.read_only = true, .tmp = NULL};

static struct stat stat_of(const struct box *b, const char *path)
{
	struct stat st;

	assert_int_equal(lstat(in(b, path), &st), 0);
	return st;
}

static struct file again(const struct file *f, char fill, const char *path)
{
	return (struct file){f->name, f->size + 5, fill, f->exec, path};
}

static void test_mount(void **state)
{
	struct file next = again(&yaml, 'z', "/mnt/jmx-9404.yaml");
	struct stat before;
	struct box b;

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "/tmp: Read-only file system; /var/tmp");
	assert_true(mountinfo_has(&b, " /mnt rw,nosuid,nodev,"));
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	placed(&b, &yaml, "/mnt/jmx-9404.yaml", "/tmp: Read-only");
	assert_int_equal(entries(&b, "/mnt"), 2);
	before = stat_of(&b, "/mnt");
	assert_int_equal(before.st_uid, UID);
	assert_int_equal(before.st_mode & 07777, 0700);

	before = stat_of(&b, "/mnt/jmx-9404.yaml");
	placed(&b, &next, "/mnt/jmx-9404.yaml", NULL);
	assert_true(stat_of(&b, "/mnt/jmx-9404.yaml").st_mtime > before.st_mtime);
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	assert_int_equal(entries(&b, "/mnt"), 2);

	assert_true(unplaced(&b, "/mnt/agent.jar"));
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	assert_false(unplaced(&b, "/mnt/agent.jar"));
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	assert_true(unplaced(&b, "/mnt/jmx-9404.yaml"));
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	clean_of_ours(&b);
	box_stop(&b);
}

/* The exporter leaves the file open that it has read: without a name that keeps the file system
 * from being made read-only. */
static void test_mount_with_open_file(void **state)
{
	static const char *const path = "/mnt/jmx-9404.yaml";
	struct file next;
	struct box b;
	int fd;

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "/tmp: Read-only file system; /var/tmp");
	placed(&b, &yaml, path, "/tmp: Read-only");
	fd = open(in(&b, path), O_RDONLY);
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++) {
		next = again(&yaml, (char)('a' + i), path);
		placed(&b, &next, path, NULL);
		assert_true(mountinfo_has(&b, " /mnt ro,nosuid,nodev,"));
		assert_int_equal(open(in(&b, "/mnt/other"), O_WRONLY | O_CREAT, 0600), -1);
		assert_int_equal(errno, EROFS);
	}
	assert_true(unplaced(&b, "/mnt/agent.jar"));
	assert_true(mountinfo_has(&b, " /mnt ro,nosuid,nodev,"));
	close(fd);
	placed(&b, &next, path, NULL);
	assert_true(mountinfo_has(&b, " /mnt rw,nosuid,nodev,"));
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	assert_true(unplaced(&b, path));
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	box_stop(&b);
}

/* A library may be mapped from it; another user of the container gets none of it. */
static void test_mount_of_a_user(void **state)
{
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "");
	placed(&b, &library, "/mnt/libagent.so", "");
	assert_false(mountinfo_has(&b, " /mnt rw,nosuid,nodev,noexec"));
	b.target.jvm.uid = b.target.jvm.gid = OTHER;
	assert_int_equal(place(&b, &jar, &r), -1); /* there is no other empty directory */
	assert_int_equal(err.sys, EROFS);
	assert_false(unplaced(&b, "/mnt/agent.jar"));
	assert_true(is_there(&b, "/mnt/agent.jar"));
	b.target.jvm.uid = b.target.jvm.gid = UID;
	assert_true(unplaced(&b, "/mnt/agent.jar"));
	assert_true(unplaced(&b, "/mnt/libagent.so"));
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	box_stop(&b);
}

static void test_no_place_at_all(void **state)
{
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){.read_only = true, .no_empty = true});
	assert_int_equal(place(&b, &jar, &r), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(err.sys, EROFS);
	assert_non_null(strstr(err.hint, "its home"));
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	box_stop(&b);
}

static void test_replace(void **state)
{
	static const char *const path = "/tmp" OURS "/jmx-9404.yaml";
	struct file next;
	struct stat st;
	struct box b;
	time_t last;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &yaml, path, NULL);
	last = stat_of(&b, path).st_mtime;
	for (int i = 0; i < 3; i++) { /* within one second, too */
		next = again(&yaml, (char)('a' + i), path);
		placed(&b, &next, path, NULL);
		st = stat_of(&b, path);
		assert_true(st.st_mtime > last);
		last = st.st_mtime;
	}
	assert_int_equal(entries(&b, "/tmp" OURS), 1);
	/* a link in its place goes, and what it leads to stays */
	assert_int_equal(unlink(in(&b, path)), 0);
	assert_int_equal(symlink("/secret", in(&b, path)), 0);
	placed(&b, &next, path, NULL);
	assert_int_equal(entries(&b, "/secret"), 0);
	box_stop(&b);
}

/* Times are the container's. */
static void test_times_to_come(void **state)
{
	static const char *const path = "/tmp" OURS "/jmx-9404.yaml",
				 *const left = "/tmp" OURS "/.new-0123456789abcdef";
	struct timespec last[2] = {{.tv_sec = INT64_MAX}, {.tv_sec = INT64_MAX}};
	struct file next = again(&yaml, 'z', path);
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &yaml, path, NULL);
	assert_int_equal(utimensat(AT_FDCWD, in(&b, path), last, 0), 0);
	assert_int_equal(stat_of(&b, path).st_mtime, INT64_MAX);
	plant_file(in(&b, left), 0400, UID, 'x', 10);
	assert_int_equal(utimensat(AT_FDCWD, in(&b, left), last, 0), 0);
	assert_int_equal(place(&b, &next, &r), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_int_equal(err.sys, EOVERFLOW);
	assert_int_equal(entries(&b, "/tmp" OURS), 2);
	last[1].tv_sec--;
	assert_int_equal(utimensat(AT_FDCWD, in(&b, path), last, 0), 0);
	placed(&b, &next, path, NULL);
	assert_int_equal(stat_of(&b, path).st_mtime, INT64_MAX);
	box_stop(&b);
}

static void test_replace_what_is_gone(void **state)
{
	struct file next = again(&yaml, 'z', "/tmp" OURS "/jmx-9404.yaml");
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &next, "/tmp" OURS "/jmx-9404.yaml", NULL); /* something cleans /tmp up */
	next.path = "/mnt/jmx-9404.yaml";
	assert_int_equal(place(&b, &next, &r), -1);
	assert_int_equal(err.sys, ENOENT);
	next.path = "/nowhere" OURS "/jmx-9404.yaml";
	assert_int_equal(place(&b, &next, &r), -1);
	next.path = "/tmp/../secret" OURS "/jmx-9404.yaml";
	assert_int_equal(place(&b, &next, &r), -1);
	assert_int_equal(entries(&b, "/secret"), 0);
	box_stop(&b);
}

/* Cancelled at any moment. */
static void test_given_up(void **state)
{
	static const struct shape shapes[] = {{0}, {.read_only = true}};
	static const struct file large = {"large.jar", 4 << 20, 'x', false, NULL};

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
		struct box b;

		box_start(&b, &shapes[s]);
		for (long i = 0; i < 12; i++) {
			struct placing *p = begin(&b, &large);
			struct place_result r;
			int rc;

			assert_non_null(p);
			nanosleep(&(struct timespec){.tv_nsec = i * 1500000}, NULL);
			rc = i % 3 == 2 ? placing_step(p, &r, &err) : 0;
			placing_free(p, 0);
			fd_close(&b.target.lock);
			if (rc == 1)
				assert_true(unplaced(&b, r.path));
			clean_of_ours(&b);
			assert_false(mountinfo_has(&b, PLACE_SOURCE));
		}
		box_stop(&b);
	}
}

/* In a mount that is there already what was begun goes, the rest stays, and it is read-only. */
static void test_given_up_in_a_mount(void **state)
{
	static const struct file large = {"large.jar", 4 << 20, 'x', false, NULL};
	struct box b;

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &yaml, "/mnt/jmx-9404.yaml", "");
	for (long i = 0; i < 12; i++) {
		struct placing *p = begin(&b, &large);
		struct place_result r;
		int rc = 0;

		nanosleep(&(struct timespec){.tv_nsec = i * 500000}, NULL);
		for (long n = 0; n < i && rc == 0; n++) {
			(void)!io_wait(placing_fd(p), POLLIN, now_ms() + 1);
			rc = placing_step(p, &r, &err);
		}
		placing_free(p, 0);
		fd_close(&b.target.lock);
		if (rc == 1)
			assert_true(unplaced(&b, r.path));
		assert_int_equal(entries(&b, "/mnt"), 1);
		assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	}
	box_stop(&b);
}

/* The container exchanges our directory for a link as fast as it can. */
static void swap_for_ever(const struct box *b)
{
	char ours[PATH_MAX], link[PATH_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(ours, sizeof(ours), "%s", in(b, "/tmp" OURS));
	snprintf(link, sizeof(link), "%s", in(b, "/tmp/link"));
	for (;;)
		(void)!renameat2(AT_FDCWD, ours, AT_FDCWD, link, RENAME_EXCHANGE);
}

static void test_exchanged_directory(void **state)
{
	unsigned int good = 0;
	struct box b;
	pid_t enemy;

	(void)state;
	box_start(&b, &(struct shape){.var_tmp = "mode=0755", .shm = "mode=0755"});
	plant_dir(in(&b, "/tmp" OURS), 0700, UID);
	assert_int_equal(symlink("/secret", in(&b, "/tmp/link")), 0);
	enemy = fork();
	if (enemy == 0)
		swap_for_ever(&b);
	for (char i = 0; i < 40; i++) {
		struct file f = {"agent.jar", 5000u + (size_t)i, i, false, NULL};
		struct place_result r;

		if (place(&b, &f, &r) == 1)
			good++;
		else
			assert_true(err.code == ERR_NODE);
		assert_int_equal(entries(&b, "/secret"), 0);
	}
	kill(enemy, SIGKILL);
	waitpid(enemy, NULL, 0);
	print_message("%u of 40 were placed\n", good);
	box_stop(&b);
}

/* ---- others of the pod, and of the container ---- */

static void enter_box(const struct box *b)
{
	must(setns(b->target.ns, CLONE_NEWNS) == 0 && fchdir(b->root) == 0 && chroot(".") == 0);
}

/* Another process of the container, or one with a copy of its mounts. */
static pid_t beside(const struct box *b, bool copy)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		enter_box(b);
		must(!copy || unshare(CLONE_NEWNS) == 0);
		must(write(ends[1], "", 1) == 1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

/* Mount that there; without a type: make it read-only. */
static void in_box(const struct box *b, const char *source, const char *point, const char *type,
		   const char *options)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		enter_box(b);
		must(mount(source, point, type, type ? 0 : MS_REMOUNT | MS_RDONLY, options) == 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_open_to_others(void **state)
{
	static const char *const bad[] = {"mode=0777", "mode=0775,uid=1234", "mode=1777,uid=4321",
					  "mode=0700,uid=4321,gid=1234"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct box b;

		box_start(&b, &(struct shape){.tmp = bad[i]});
		placed(&b, &jar, "/var/tmp" OURS "/agent.jar",
		       i < 3 ? "/tmp: others can exchange what lies there" : "/tmp: ");
		assert_int_equal(entries(&b, "/tmp"), 0);
		box_stop(&b);
	}
}

/* The volumes of a pod are in other mount namespaces as well: here a copy of the box's. */
static void test_volumes(void **state)
{
	struct shape s = {.read_only = true, .tmp = "mode=1777", .shm = "mode=1777"};
	struct box b;
	pid_t pid;

	(void)state;
	box_start(&b, &s);
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	assert_true(unplaced(&b, "/tmp" OURS "/agent.jar"));
	pid = beside(&b, true);
	placed(&b, &jar, "/mnt/agent.jar",
	       "/tmp: others of the pod may have it, too; /var/tmp: Read-only");
	assert_true(unplaced(&b, "/mnt/agent.jar"));
	clean_of_ours(&b);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	box_stop(&b);

	s.no_empty = true;
	box_start(&b, &s);
	pid = beside(&b, true);
	placed(&b, &jar, "/tmp" OURS "/agent.jar", "no directory of the image is empty");
	placed(&b, &library, "/tmp" OURS "/libagent.so", "/tmp: others of the pod");
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	assert_true(unplaced(&b, "/tmp" OURS "/libagent.so"));
	assert_true(unplaced(&b, "/tmp" OURS "/agent.jar"));
	clean_of_ours(&b);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	box_stop(&b);
}

/* Until its child has said all: the next step goes on. */
static void wait_for(const struct placing *p)
{
	assert_int_equal(io_wait(placing_fd(p), 0, now_ms() + PATIENCE_MS), 1);
}

static void other_jvm(const struct box *b, struct box *ret)
{
	*ret = *b;
	ret->pid = beside(b, false);
	ret->target = TARGET_INIT;
	ret->target.jvm.uid = ret->target.jvm.gid = UID;
	assert_int_equal(target_hold(&ret->target, &proc, ret->pid, 0, &err), 0);
}

/* Each JVM has its own lock. */
static void test_two_jvms(void **state)
{
	struct place_result r = {.existed = true};
	struct placing *p, *q;
	struct box b, c;

	(void)state;
	box_start(&b, &(struct shape){0});
	other_jvm(&b, &c);
	p = begin(&b, &jar);
	q = begin(&c, &jar);
	wait_for(p);
	wait_for(q);
	assert_int_equal(placing_step(p, &r, &err), 0);
	wait_for(p);
	assert_int_equal(placing_step(p, &r, &err), 1);
	assert_false(r.existed);
	assert_int_equal(placing_step(q, &r, &err), 0);
	wait_for(q);
	if (placing_step(q, &r, &err) != 1)
		fail_msg("%s", err.msg);
	assert_true(r.existed);
	assert_string_equal(r.path, "/tmp" OURS "/agent.jar");
	placing_free(q, 0);
	placing_free(p, 0);
	fd_close(&b.target.lock);
	fd_close(&c.target.lock);
	assert_int_equal(entries(&b, "/tmp" OURS), 1);
	assert_int_equal(place(&c, &jar, &r), 1);
	assert_true(r.existed);
	box_stop(&c);
	box_stop(&b);
}

static void test_two_jvms_in_a_mount(void **state)
{
	struct place_result r;
	struct placing *p;
	struct box b, c;
	char name[PLACE_NAME_SIZE];

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "");
	other_jvm(&b, &c);
	p = begin(&b, &yaml);
	wait_for(p);
	assert_int_equal(placing_step(p, &r, &err), 0); /* no directory: it has the mount */
	assert_int_equal(place(&c, &library, &r), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(place_remove(&c.target, "/mnt/agent.jar", "", name, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	fd_close(&c.target.lock);
	wait_for(p);
	assert_int_equal(placing_step(p, &r, &err), 1);
	placing_free(p, 0);
	fd_close(&b.target.lock);
	placed(&c, &library, "/mnt/libagent.so", "");
	assert_int_equal(entries(&b, "/mnt"), 3);
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	box_stop(&c);
	box_stop(&b);
}

/* A file system whose server never answers. The descriptor of the server; it ends with that. */
static int mount_dead(const struct box *b, const char *point)
{
	int server = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];

	assert_true(server >= 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 server);
	in_box(b, "dead", point, "fuse", options);
	return server;
}

static void test_dead_directory(void **state)
{
	struct place_result r;
	struct placing *p;
	uint64_t before;
	struct box b;
	int server;

	(void)state;
	box_start(&b, &(struct shape){0});
	p = begin(&b, &jar);
	wait_for(p);
	server = mount_dead(&b, "/tmp");
	before = now_ms();
	assert_int_equal(placing_step(p, &r, &err), 0);
	assert_true(now_ms() < before + PATIENCE_MS);
	placing_free(p, now_ms());
	assert_true(now_ms() < before + 2 * PATIENCE_MS);
	close(server);
	box_stop(&b);
}

/* What says that it is our mount lies where nobody answers. */
static void test_dead_mount(void **state)
{
	uint64_t before;
	struct box b;
	int server;

	(void)state;
	box_start(&b, &(struct shape){0});
	assert_int_equal(mkdir(in(&b, "/secret/x"), 0755), 0);
	in_box(&b, PLACE_SOURCE, "/secret/x", "tmpfs", "mode=0700,uid=1234");
	server = mount_dead(&b, "/secret");
	in_box(&b, NULL, "/", NULL, NULL);
	before = now_ms();
	placed(&b, &jar, "/mnt/agent.jar", "Read-only");
	assert_true(now_ms() < before + PATIENCE_MS);
	close(server);
	box_stop(&b);
}

/* ---- older kernels, other file systems ---- */

/* A directory that does not become as it was made: by a default ACL here, elsewhere as the file
 * system keeps no modes. */
static void test_directory_of_another_mode(void **state)
{
	static const unsigned char acl[] = {2,	 0,   0, 0, 1,	 0,   5,   0,	255, 255,
					    255, 255, 4, 0, 0,	 0,   255, 255, 255, 255,
					    32,	 0,   0, 0, 255, 255, 255, 255};
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){.tmp = "mode=1777"});
	assert_int_equal(setxattr(in(&b, "/tmp"), "system.posix_acl_default", acl, sizeof(acl), 0),
			 0);
	placed(&b, &jar, "/var/tmp" OURS "/agent.jar", "/tmp: '" PLACE_DIR "' there is not");
	assert_int_equal(entries(&b, "/tmp"), 0);
	box_stop(&b);
}

/* With that system call failing: where the file comes to lie, "" nowhere. */
static void placed_without(const struct shape *s, unsigned int nr, unsigned int errnum,
			   const char *path)
{
	struct box b;
	int status;
	pid_t pid;

	box_start(&b, s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct place_result r = {.path = ""};

		deny_syscall(nr, errnum);
		_exit(place(&b, &jar, &r) == (*path ? 1 : -1) && strcmp(r.path, path) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("system call %u, errno %u: not '%s'", nr, errnum, path);
	if (*path) {
		assert_int_equal(entries(&b, *path == '/' && path[1] == 't' ? "/tmp" OURS : "/mnt"),
				 1);
	} else {
		clean_of_ours(&b);
		assert_false(mountinfo_has(&b, PLACE_SOURCE));
	}
	box_stop(&b);
}

static void test_without_system_calls(void **state)
{
	static const char *const path = "/tmp" OURS "/agent.jar";
	const struct shape open_box = {0}, closed = {.read_only = true};

	(void)state;
	placed_without(&open_box, SYS_renameat2, EINVAL, path);
	placed_without(&open_box, SYS_renameat2, ENOSYS, path);
	placed_without(&open_box, SYS_openat2, ENOSYS, path);
	placed_without(&open_box, SYS_close_range, ENOSYS, path);
	placed_without(&closed, SYS_renameat2, EINVAL, "/mnt/agent.jar");
	placed_without(&closed, SYS_mount_setattr, ENOSYS, "/mnt/agent.jar");
	placed_without(&closed, SYS_openat2, ENOSYS, "");
	placed_without(&closed, SYS_fsopen, ENOSYS, "");
	placed_without(&closed, SYS_fspick, EPERM, "");
	placed_without(&closed, SYS_move_mount, EPERM, "");
	placed_without(&closed, SYS_fsmount, EPERM, "");
	placed_without(&open_box, SYS_clone, EAGAIN, "");
	placed_without(&open_box, SYS_setns, EPERM, "");
	placed_without(&open_box, SYS_chroot, EPERM, "");
	placed_without(&open_box, SYS_utimensat, EPERM, "");
}

/* ---- tidy ---- */

struct told {
	unsigned int removed, stay, other;
};

static void tell(void *ctx, const char *what, const char *kept)
{
	struct told *t = ctx;

	(void)what;
	if (!kept)
		t->removed++;
	else if (kept == sweep_stays)
		t->stay++;
	else
		t->other++;
}

static void test_sweep(void **state)
{
	static const char *const left = "/tmp" OURS "/.new-0123456789abcdef";
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct told told = {0};
	struct box b;
	int fd;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	fd = open(in(&b, left), O_WRONLY | O_CREAT, 0400);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, UID, UID), 0);
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_true(is_there(&b, left)); /* somebody may be at it */
	assert_int_equal(told.stay, 1);
	assert_int_equal(futimens(fd, old), 0);
	close(fd);
	sweep_process(&proc, b.pid, true, tell, &told);
	assert_true(is_there(&b, left));
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_false(is_there(&b, left));
	assert_int_equal(told.stay, 3);
	assert_int_equal(unlink(in(&b, "/tmp" OURS "/agent.jar")), 0);
	sweep_process(&proc, b.pid, true, tell, &told);
	assert_true(is_there(&b, "/tmp" OURS));
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_int_equal(told.removed, 2);
	assert_int_equal(told.stay, 3);
	assert_int_equal(told.other, 0);
	clean_of_ours(&b);
	box_stop(&b);
	told = (struct told){0};
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "");
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_int_equal(told.stay, 1);
	assert_int_equal(told.removed + told.other, 0);
	assert_true(is_there(&b, "/mnt/agent.jar"));
	box_stop(&b);
}

/* A helper that was killed left it writable, or empty. */
static void test_sweep_mount(void **state)
{
	struct agent_mount m = AGENT_MOUNT_INIT;
	struct told told = {0};
	struct box b;

	(void)state;
	box_start(&b, &nowhere);
	placed(&b, &jar, "/mnt/agent.jar", "");
	assert_true(agent_mount_find(&b.target, NULL, &m));
	assert_int_equal(agent_mount_writable(&b.target, &m, true, &err), 0);
	sweep_process(&proc, b.pid, true, tell, &told);
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " rw,"));
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_true(mountinfo_has(&b, " - tmpfs " PLACE_SOURCE " ro,"));
	assert_int_equal(told.stay, 2);
	assert_int_equal(agent_mount_writable(&b.target, &m, true, &err), 0);
	assert_int_equal(unlink(in(&b, "/mnt/agent.jar")), 0);
	assert_int_equal(agent_mount_lock(&m, &err), 0);
	sweep_process(&proc, b.pid, false, tell, &told); /* somebody is at it */
	assert_int_equal(told.stay, 3);
	agent_mount_close(&m);
	sweep_process(&proc, b.pid, true, tell, &told);
	assert_true(mountinfo_has(&b, PLACE_SOURCE));
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_false(mountinfo_has(&b, PLACE_SOURCE));
	assert_int_equal(told.stay, 3);
	assert_int_equal(told.removed, 2);
	assert_int_equal(told.other, 0);
	box_stop(&b);
}

/* The container can call a mount as we do: it is not taken where its path could not be told. */
static void test_mount_of_that_name(void **state)
{
	struct place_result r;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){.no_empty = true});
	assert_int_equal(mkdir(in(&b, "/secret/a=b"), 0755), 0);
	assert_int_equal(mkdir(in(&b, "/secret/other"), 0755), 0);
	in_box(&b, PLACE_SOURCE, "/secret/a=b", "tmpfs", "mode=0700,uid=1234");
	in_box(&b, PLACE_SOURCE, "/secret/other", "tmpfs", "mode=0700,uid=4321");
	in_box(&b, NULL, "/", NULL, NULL);
	assert_int_equal(place(&b, &jar, &r), -1);
	assert_int_equal(err.sys, EROFS);
	assert_int_equal(entries(&b, "/secret/a=b"), 0);
	assert_int_equal(entries(&b, "/secret/other"), 0);
	box_stop(&b);
}

/* The helper goes on with what answers, and says that it has not seen all. */
static void test_sweep_dead(void **state)
{
	static const char *const dead[] = {"/var/tmp", "/dev/shm", "/secret"};
	int servers[ARRAY_SIZE(dead)];
	struct told told = {0};
	uint64_t before;
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	plant_dir(in(&b, "/tmp/.jdiag-0123456789abcdef"), 0700, UID);
	plant_dir(in(&b, "/secret/x"), 0755, 0);
	in_box(&b, MOUNT_SOURCE, "/secret/x", "tmpfs", "mode=1777");
	for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
		servers[i] = mount_dead(&b, dead[i]);
	before = now_ms();
	sweep_process(&proc, b.pid, false, tell, &told);
	assert_true(now_ms() < before + PATIENCE_MS);
	assert_int_equal(told.stay, 1);
	assert_int_equal(told.removed, 1);
	assert_int_equal(told.other, 2); /* the mount; the container as a whole */
	assert_int_equal(entries(&b, "/tmp"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
		close(servers[i]);
	box_stop(&b);
}

/* The working directory is looked at by the process, the others by their paths. */
static void test_look(void **state)
{
	auto_free struct look *l = xcalloc(1, sizeof(*l));
	struct stat st;
	struct box b;
	int server;

	(void)state;
	box_start(&b, &(struct shape){0});
	plant_dir(in(&b, "/.jdiag-0123456789abcdef"), 0700, UID);
	plant_dir(in(&b, "/.jdiag-0123456789abcdeg"), 0700, UID);
	plant_dir(in(&b, OURS), 0700, OTHER);
	close(look_into(&b.target, LOOK_CWD, l));
	assert_int_equal(l->n, 1);
	assert_string_equal(l->dirs[0].name, ".jdiag-0123456789abcdef");
	assert_int_equal(l->dirs[0].uid, UID);
	assert_true(l->has_agents && !l->more);
	assert_int_equal(l->agents.st_uid, OTHER);
	assert_int_equal(look_into(&b.target, "/nowhere", l), -ENOENT);
	assert_int_equal(look_for(&b.target, "/", "nothing", &st), -ENOENT);
	server = mount_dead(&b, "/tmp");
	assert_int_equal(look_into(&b.target, "/tmp", l), -ETIMEDOUT);
	assert_int_equal(look_for(&b.target, "/tmp", "x", &st), -ETIMEDOUT);
	close(server);
	box_stop(&b);
}

static void test_locked(void **state)
{
	auto_target struct target other = TARGET_INIT;
	char name[PLACE_NAME_SIZE];
	struct box b;

	(void)state;
	box_start(&b, &(struct shape){0});
	assert_int_equal(target_hold(&other, &proc, b.pid, 0, &err), 0);
	assert_int_equal(target_lock(&other, &err), 0);
	assert_null(begin(&b, &jar));
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(place_remove(&b.target, "/tmp" OURS "/agent.jar", "", name, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	clean_of_ours(&b);
	box_stop(&b);
}

/* All of a JVM, whatever port is in their names; nobody else's. */
static void test_removed_by_both_ends(void **state)
{
	static const char *const names[] = {"jmx-9404-17.yaml", "jmx-9500-17.yaml",
					    "jmx-9500-117.yaml", "jmx-17.yaml",
					    "jmx-9500-17.yaml2"};
	struct box b;
	struct file f = yaml;

	(void)state;
	box_start(&b, &(struct shape){0});
	placed(&b, &jar, "/tmp" OURS "/agent.jar", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *path = xasprintf("/tmp" OURS "/%s", names[i]);

		f.name = names[i];
		placed(&b, &f, path, NULL);
	}
	assert_string_equal(unplaced_like(&b, "/tmp" OURS "/-18.yaml", "jmx-"), "");
	assert_memory_equal(unplaced_like(&b, "/tmp" OURS "/-17.yaml", "jmx-"), "jmx-9", 5);
	assert_int_equal(entries(&b, "/tmp" OURS), 4);
	assert_false(is_there(&b, "/tmp" OURS "/jmx-9404-17.yaml"));
	assert_false(is_there(&b, "/tmp" OURS "/jmx-9500-17.yaml"));
	assert_string_equal(unplaced_like(&b, "/tmp" OURS "/-17.yaml", "jmx-"), "");
	box_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed_by_both_ends),
		cmocka_unit_test(test_first_place),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_content),
		cmocka_unit_test(test_planted_directory),
		cmocka_unit_test(test_planted_file),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_noexec),
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_mount_with_open_file),
		cmocka_unit_test(test_mount_of_a_user),
		cmocka_unit_test(test_no_place_at_all),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_times_to_come),
		cmocka_unit_test(test_replace_what_is_gone),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_given_up_in_a_mount),
		cmocka_unit_test(test_exchanged_directory),
		cmocka_unit_test(test_open_to_others),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_two_jvms),
		cmocka_unit_test(test_two_jvms_in_a_mount),
		cmocka_unit_test(test_dead_directory),
		cmocka_unit_test(test_dead_mount),
		cmocka_unit_test(test_directory_of_another_mode),
		cmocka_unit_test(test_without_system_calls),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_mount),
		cmocka_unit_test(test_mount_of_that_name),
		cmocka_unit_test(test_sweep_dead),
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_locked),
	};

	if (procfs_open(&proc, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
