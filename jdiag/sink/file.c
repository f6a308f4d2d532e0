#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "jdiag/sink/backend.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

/* Written-back in steps of this, so that the fsync at the end has little left to do. */
#define WRITE_BACK (32 * MiB)

/* A file that is being written beside its final name. */
struct partial {
	int dir;    /* borrowed */
	int fd;	    /* owned */
	char *name; /* owned: the final one */
	char *temp; /* owned: NAME.partial */
	bool exists;
};

struct file_sink {
	struct sink base;
	int dir; /* owned: where it lies, so that a moved directory does not matter */
	struct partial file;
	uint64_t written, total;
	bool final;
};

static void partial_release(struct partial *p)
{
	if (p->exists)
		unlinkat(p->dir, p->temp, 0);
	fd_close(&p->fd);
	free(p->name);
	free(p->temp);
	*p = (struct partial){.dir = -1, .fd = -1};
}

static int exists_error(struct error *err, const char *path)
{
	error_set(err, ERR_USAGE, "cannot write '%s': it exists already", path);
	return error_hint(err, "name another file or a directory, or remove this one; nothing is "
			       "ever overwritten");
}

static int partial_exists(const char *shown, struct error *err)
{
	error_set(err, ERR_USAGE, "cannot write '%s': '%s.partial' exists already", shown, shown);
	return error_hint(err, "another run is writing it, or one was killed: then remove it");
}

/* Not renamed since it was opened: a finished artifact must not be truncated. */
static bool is_still(const struct partial *p, const struct stat *opened)
{
	struct stat now;

	return fstatat(p->dir, p->temp, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == opened->st_dev && now.st_ino == opened->st_ino;
}

/* What a killed run has left: its lock went with it. */
static int partial_take_over(struct partial *p, const char *shown, struct error *err)
{
	struct stat st;

	p->fd = openat(p->dir, p->temp, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (p->fd < 0 || fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    flock(p->fd, LOCK_EX | LOCK_NB) < 0 || !is_still(p, &st))
		return partial_exists(shown, err);
	p->exists = true;
	if (ftruncate(p->fd, 0) == 0)
		return 0;
	return error_sys(err, ERR_FAILED, errno, "cannot truncate '%s.partial'", shown);
}

static int partial_open(struct partial *p, int dir, const char *name, const char *shown,
			bool take_over, struct error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return exists_error(err, shown);
	p->dir = dir;
	p->name = xstrdup(name);
	p->temp = xasprintf("%s.partial", name);
	p->fd = openat(dir, p->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->fd >= 0) {
		p->exists = true;
		/* where there are no locks, nobody takes it over either */
		if (flock(p->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0;
		p->exists = false; /* it was taken over already: its new owner's */
		return partial_exists(shown, err);
	}
	if (errno != EEXIST)
		return error_sys(err, ERR_FAILED, errno, "cannot create '%s.partial'", shown);
	return take_over ? partial_take_over(p, shown, err) : partial_exists(shown, err);
}

static int write_error(struct error *err, int errnum, int fd, const char *shown)
{
	char size[16];
	struct statvfs fs;

	error_sys(err, ERR_FAILED, errnum, "cannot write '%s.partial'", shown);
	if (errnum == EDQUOT)
		return error_hint(err, "your disk quota is used up: name another place with --to");
	if (errnum == ENOSPC && fstatvfs(fd, &fs) == 0)
		return error_hint(err,
				  "%s are free there: make room, or name another place with --to",
				  str_format_size(size, (uint64_t)fs.f_bavail * fs.f_frsize));
	if (errnum == EFBIG)
		return error_hint(err, "the file system or 'ulimit -f' does not allow files so "
				       "large: name another place with --to");
	return -1;
}

/* RENAME_NOREPLACE for file systems that do not know it (NFS, some FUSE): O_EXCL takes the name
 * first, so that the rename replaces nothing but our own empty file. */
static int rename_over_placeholder(const struct partial *p)
{
	int fd = openat(p->dir, p->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int errnum;

	if (fd < 0)
		return -errno;
	close(fd);
	if (renameat(p->dir, p->temp, p->dir, p->name) == 0)
		return 0;
	errnum = errno;
	unlinkat(p->dir, p->name, 0);
	return -errnum;
}

static int partial_rename(const struct partial *p)
{
	if (renameat2(p->dir, p->temp, p->dir, p->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return rename_over_placeholder(p);
}

/* Bytes, then the name, then the directory that holds the name: each on the disk before the next.
 */
static int partial_commit(struct partial *p, const char *shown, struct error *err)
{
	int r;

	if (fsync(p->fd) < 0)
		return write_error(err, errno, p->fd, shown);
	r = partial_rename(p);
	if (r == -EEXIST)
		return exists_error(err, shown);
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot rename '%s.partial'", shown);
	p->exists = false;
	if (fsync(p->dir) < 0 && errno != EINVAL)
		return error_sys(err, ERR_FAILED, errno, "cannot sync the directory of '%s'",
				 shown);
	return 0;
}

static uint64_t file_free_bytes(const struct sink *base)
{
	const struct file_sink *s = (const struct file_sink *)base;
	struct statvfs fs;

	if (fstatvfs(s->dir, &fs) < 0 || !fs.f_blocks)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int file_extent(struct sink *base, uint64_t available, bool final, struct error *err)
{
	struct file_sink *s = (struct file_sink *)base;

	(void)err;
	s->total = available;
	s->final = final;
	return 0;
}

static int file_write(struct sink *base, const void *data, size_t len, uint64_t *ret_offset,
		      struct error *err)
{
	struct file_sink *s = (struct file_sink *)base;
	int r = io_write_full(s->file.fd, data, len);

	(void)ret_offset;
	if (r < 0)
		return write_error(err, -r, s->file.fd, base->url);
	if (s->written / WRITE_BACK != (s->written + len) / WRITE_BACK) {
		/* Only a nudge: an error of the disk shows in fsync. */
		(void)sync_file_range(s->file.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	s->written += len;
	return 0;
}

static int file_finish(struct sink *base, uint64_t *ret_offset, struct error *err)
{
	struct file_sink *s = (struct file_sink *)base;

	(void)ret_offset;
	if (s->final && s->written != s->total)
		return error_set(err, ERR_FAILED, "'%s' has %llu bytes instead of %llu", base->url,
				 (unsigned long long)s->written, (unsigned long long)s->total);
	return partial_commit(&s->file, base->url, err);
}

static int file_companion(struct sink *base, const char *suffix, const char *text, size_t len,
			  struct error *err)
{
	struct file_sink *s = (struct file_sink *)base;
	auto_cleanup(partial_release) struct partial p = {.dir = -1, .fd = -1};
	auto_free char *name = xasprintf("%s%s", s->file.name, suffix);
	auto_free char *shown = xasprintf("%s%s", base->url, suffix);
	int r;

	if (partial_open(&p, s->dir, name, shown, false, err) < 0)
		return -1;
	r = io_write_full(p.fd, text, len);
	if (r < 0)
		return write_error(err, -r, p.fd, shown);
	return partial_commit(&p, shown, err);
}

static void file_abort(struct sink *base)
{
	struct file_sink *s = (struct file_sink *)base;

	partial_release(&s->file);
	fd_close(&s->dir);
	free(base->url);
	free(s);
}

static const struct sink_ops file_ops = {
	.free_bytes = file_free_bytes,
	.extent = file_extent,
	.write = file_write,
	.finish = file_finish,
	.companion = file_companion,
	.abort = file_abort,
};

/* Split the destination: an existing directory, or one that is meant (ends in "/"), gets the
 * artifact's own name. */
static void split(const struct sink_options *o, char **ret_dir, char **ret_name)
{
	struct stat st;
	const char *slash = strrchr(o->to, '/');

	if (str_ends(o->to, "/") || (stat(o->to, &st) == 0 && S_ISDIR(st.st_mode))) {
		*ret_dir = xstrdup(o->to);
		*ret_name = xstrdup(o->name);
	} else {
		*ret_dir = !slash	    ? xstrdup(".")
			   : slash == o->to ? xstrdup("/")
					    : xstrndup(o->to, (size_t)(slash - o->to));
		*ret_name = xstrdup(slash ? slash + 1 : o->to);
	}
}

static char *join(const char *dir, const char *name)
{
	char real[PATH_MAX];

	if (!realpath(dir, real))
		return xasprintf("%s/%s", dir, name);
	return xasprintf("%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
}

/* One that was left of an artifact that is gone would tell lies about the new one. */
static int check_companion(const struct file_sink *s, const char *name, const char *suffix,
			   struct error *err)
{
	auto_free char *companion = xasprintf("%s%s", name, suffix ? suffix : "");
	auto_free char *shown = xasprintf("%s%s", s->base.url, suffix ? suffix : "");
	struct stat st;

	return suffix && fstatat(s->dir, companion, &st, AT_SYMLINK_NOFOLLOW) == 0
		       ? exists_error(err, shown)
		       : 0;
}

int file_sink_open(struct sink **ret, const struct sink_options *o, struct error *err)
{
	struct file_sink *s;
	auto_free char *dir = NULL, *name = NULL;
	auto_fd int fd = -1;

	split(o, &dir, &name);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int errnum = errno;

		error_sys(err, errnum == ENOENT || errnum == ENOTDIR ? ERR_USAGE : ERR_FAILED,
			  errnum, "cannot open the directory '%s'", dir);
		return errnum == ENOENT ? error_hint(err, "create it: mkdir -p '%s'", dir) : -1;
	}
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &file_ops;
	s->base.url = join(dir, name);
	s->dir = STEAL_FD(fd);
	s->file = (struct partial){.dir = -1, .fd = -1};
	if (check_companion(s, name, o->companion, err) < 0 ||
	    partial_open(&s->file, s->dir, name, s->base.url, o->take_over, err) < 0) {
		file_abort(&s->base);
		return -1;
	}
	*ret = &s->base;
	return 0;
}
