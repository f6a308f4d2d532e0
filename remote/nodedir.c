#include "remote/nodedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"

#define MAX_DEPTH 16
#define MAX_ENTRIES 65536
#define MAX_DISKS 64
#define YOUNG_S 60 /* a directory without a lock is being made, unless it is older */

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#define FUSE_MAGIC 0x65735546

int jdiag_name_new(char name[JDIAG_NAME_SIZE], struct error *err)
{
	unsigned char id[JDIAG_ID_DIGITS / 2];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return error_sys(err, ERR_FAILED, errno, "cannot get random bytes");
	memcpy(name, JDIAG_PREFIX, sizeof(JDIAG_PREFIX));
	str_hex(name + strlen(JDIAG_PREFIX), id, sizeof(id));
	return 0;
}

bool jdiag_name_is(const char *name)
{
	return str_starts(name, JDIAG_PREFIX) && strlen(name) == JDIAG_NAME_SIZE - 1 &&
	       str_only(name + strlen(JDIAG_PREFIX), "0123456789abcdef");
}

/* ---- choosing ---- */

/* Call fn for every place where our directories may be. */
static void each_base(void (*fn)(void *ctx, const char *path), void *ctx)
{
	static const char *const fixed[] = {"/var/lib", "/var/tmp", "/mnt/stateful_partition",
					    "/tmp"};
	DIR *d;
	struct dirent *e;
	char path[256];
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		fn(ctx, fixed[i]);
	d = opendir("/mnt/disks"); /* local SSDs and attached disks of GKE nodes */
	if (!d)
		return;
	while ((e = readdir(d)) && n < MAX_DISKS) {
		if (e->d_name[0] == '.' || strlen(e->d_name) > 64)
			continue;
		snprintf(path, sizeof(path), "/mnt/disks/%s", e->d_name);
		fn(ctx, path);
		n++;
	}
	closedir(d);
}

/* NULL when a dump may lie here, else why not. */
static const char *why_not(const char *path, uint64_t *free)
{
	struct statvfs v;
	struct statfs s;
	struct stat st;

	if (stat(path, &st) < 0 || statvfs(path, &v) < 0 || statfs(path, &s) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "not a directory";
	if (v.f_flag & ST_RDONLY)
		return "read-only";
	if (st.st_uid != 0 || (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX)))
		return "others could exchange what is in it";
	switch ((unsigned int)s.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
		return "in memory";
	case NFS_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case FUSE_MAGIC:
		return "on a network";
	}
	*free = (uint64_t)v.f_bavail * v.f_frsize;
	return NULL;
}

static void consider(void *ctx, const char *path)
{
	struct nodedir_base *best = ctx;
	uint64_t free = 0;

	/* The first of equals wins: the fixed ones come in the order of preference. */
	if (why_not(path, &free) || (best->path[0] && free <= best->free))
		return;
	if (str_copy(best->path, sizeof(best->path), path))
		best->free = free;
}

int nodedir_choose(const char *forced, struct nodedir_base *ret, struct error *err)
{
	struct nodedir_base best = {0};
	const char *why;

	if (*forced) {
		if (*forced != '/' || !str_copy(best.path, sizeof(best.path), forced))
			return error_set(err, ERR_USAGE, "'%s' is not an absolute path", forced);
		why = why_not(forced, &best.free);
		if (why && strcmp(why, "in memory") != 0)
			return error_set(err, ERR_NODE, "cannot use the directory '%s': %s", forced,
					 why);
	} else {
		each_base(consider, &best);
		if (!best.path[0])
			return error_set(err, ERR_NODE,
					 "the node has no writable disk for the dump");
	}
	*ret = best;
	return 0;
}

/* ---- making ---- */

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_inside(struct nodedir *n, uid_t uid, gid_t gid)
{
	n->lock = openat(n->dir, "unlocked", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* Only then by its name: a sweep would take one that is not locked for a dead helper's. */
	if (n->lock < 0 || flock(n->lock, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(n->dir, "unlocked", n->dir, "lock") < 0 || mkdirat(n->dir, "dump", 0700) < 0)
		return -1;
	n->dump = open_dir(n->dir, "dump");
	return n->dump < 0 || fchown(n->dump, uid, gid) < 0 ? -1 : 0;
}

int nodedir_create(struct nodedir *n, const struct nodedir_base *base, const char *name, uid_t uid,
		   gid_t gid, struct error *err)
{
	struct nodedir made = NODEDIR_INIT;
	struct error ignored;

	snprintf(made.path, sizeof(made.path), "%s/%s", base->path, name);
	snprintf(made.name, sizeof(made.name), "%s", name);
	made.base = open(base->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made.base < 0 || mkdirat(made.base, name, 0700) < 0) {
		error_sys(err, ERR_NODE, errno, "cannot create '%s'", made.path);
		fd_close(&made.base);
		return -1;
	}
	made.dir = open_dir(made.base, name);
	if (made.dir < 0 || make_inside(&made, uid, gid) < 0) {
		error_sys(err, ERR_NODE, errno, "cannot set up '%s'", made.path);
		if (nodedir_remove(&made, &ignored) < 0)
			return error_prefix(err, "and '%s' is left", made.path);
		return -1;
	}
	*n = made;
	return 0;
}

/* ---- removing ---- */

static int remove_entry(int dir, const char *name, int depth, unsigned int *left);

/* Everything in the directory, whose descriptor is taken. 0 or -errno. */
static int remove_contents(int fd, int depth, unsigned int *left)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = remove_entry(fd, e->d_name, depth, left);
	closedir(d);
	return rc;
}

/* The JVM's user can put anything into `dump` while it is mounted: nothing is followed, depth and
 * number are bounded. */
static int remove_entry(int dir, const char *name, int depth, unsigned int *left)
{
	int fd, rc;

	if ((*left)-- == 0)
		return -E2BIG;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	fd = open_dir(dir, name);
	if (fd < 0)
		return -errno;
	rc = remove_contents(fd, depth + 1, left);
	if (rc < 0)
		return rc;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(int base, const char *name)
{
	unsigned int left = MAX_ENTRIES;

	return remove_entry(base, name, 0, &left);
}

int nodedir_remove(struct nodedir *n, struct error *err)
{
	int rc = n->base < 0 ? 0 : remove_tree(n->base, n->name);
	char path[sizeof(n->path)];

	snprintf(path, sizeof(path), "%s", n->path);
	fd_close(&n->dump);
	fd_close(&n->dir);
	fd_close(&n->lock);
	fd_close(&n->base);
	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot remove '%s'", path);
	return 0;
}

/* ---- what others left ---- */

/* NULL when its helper is dead, else why it is kept. */
static const char *alive(int dir)
{
	auto_fd int lock = openat(dir, "lock", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (lock >= 0)
		return flock(lock, LOCK_EX | LOCK_NB) < 0 ? "in use by a running helper" : NULL;
	if (errno != ENOENT || fstat(dir, &st) < 0)
		return strerror(errno);
	return st.st_mtime + YOUNG_S > time(NULL) ? "it is being made" : NULL;
}

/* Root's own directory, not one that somebody planted in /tmp under such a name. */
static int open_ours(int base, const char *name)
{
	auto_fd int dir = jdiag_name_is(name) ? open_dir(base, name) : -1;
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != 0)
		return -1;
	return STEAL_FD(dir);
}

bool nodedir_is_one(int parent, const char *name)
{
	auto_fd int dir = open_ours(parent, name);

	return dir >= 0 && faccessat(dir, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

struct live_question {
	const char *name;
	bool live;
};

static void ask_live(void *ctx, const char *path)
{
	struct live_question *q = ctx;
	auto_fd int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int dir = base < 0 ? -1 : open_ours(base, q->name);

	q->live = q->live || (dir >= 0 && alive(dir));
}

bool nodedir_is_live(const char *name)
{
	struct live_question q = {.name = name};

	each_base(ask_live, &q);
	return q.live;
}

struct sweep {
	bool dry;
	void (*fn)(void *ctx, const char *path, const char *kept);
	void *ctx;
};

static void sweep_one(struct sweep *s, int base, const char *base_path, const char *name)
{
	auto_fd int dir = open_ours(base, name);
	const char *kept;
	char path[640];
	int rc;

	if (dir < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", base_path, name);
	kept = alive(dir);
	if (!kept && !s->dry) {
		rc = remove_tree(base, name);
		kept = rc < 0 ? strerror(-rc) : NULL;
	}
	s->fn(s->ctx, path, kept);
}

static void sweep_base(void *ctx, const char *path)
{
	auto_fd int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = base < 0 ? -1 : dup(base);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(d)))
		if (jdiag_name_is(e->d_name))
			sweep_one(ctx, base, path, e->d_name);
	closedir(d);
}

void nodedir_sweep(bool dry, void (*fn)(void *ctx, const char *path, const char *kept), void *ctx)
{
	struct sweep s = {dry, fn, ctx};

	each_base(sweep_base, &s);
}
