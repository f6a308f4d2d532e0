#include "jdiag/targets_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/buf.h"
#include "remote/base/io.h"

#define ENDING ".partial"
#define NEW_MODE 0644

struct beside {
	char *path; /* owned; NULL: none is there */
	int fd;	    /* owned */
};

static void beside_release(struct beside *b)
{
	if (b->path)
		unlink(b->path);
	free(b->path);
	fd_close(&b->fd);
}

static int write_error(const char *path, int errnum, struct error *err)
{
	return error_sys(err, errnum == ENOENT || errnum == ENOTDIR ? ERR_USAGE : ERR_FAILED,
			 errnum, "cannot write '%s'", path);
}

/* *ret: of the file that is there; st_mode 0 when there is none. */
static int look(const char *path, struct stat *ret, struct error *err)
{
	*ret = (struct stat){.st_mode = 0};
	if (lstat(path, ret) == 0)
		return S_ISREG(ret->st_mode)
			       ? 0
			       : error_set(err, ERR_USAGE,
					   "cannot write '%s': it is there, and no regular file",
					   path);
	return errno == ENOENT ? 0 : write_error(path, errno, err);
}

static bool has_content(const char *path, const char *text, size_t len)
{
	auto_buf struct buf b = BUF_INIT(len);

	return io_read_file(AT_FDCWD, path, &b) == 0 && b.len == len &&
	       memcmp(buf_str(&b), text, len) == 0;
}

/* The name is on the disk, too. Not every file system can. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dir = !slash	      ? xstrdup(".")
			      : slash == path ? xstrdup("/")
					      : xstrndup(path, (size_t)(slash - path));
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		return -errno;
	return 0;
}

static int make_beside(struct beside *b, const char *path, const struct stat *old)
{
	b->path = xasprintf("%s.XXXXXX" ENDING, path);
	b->fd = mkostemps(b->path, (int)strlen(ENDING), O_CLOEXEC);
	if (b->fd < 0) {
		int errnum = errno;

		free(STEAL(b->path));
		return -errnum;
	}
	/* only root may give files away; whose directory this is can read it all the same */
	if (old->st_mode && (old->st_uid != geteuid() || old->st_gid != getegid()) &&
	    fchown(b->fd, old->st_uid, old->st_gid) < 0)
		errno = 0;
	return fchmod(b->fd, old->st_mode ? old->st_mode & 0777 : NEW_MODE) < 0 ? -errno : 0;
}

static int replace(const char *path, const struct stat *old, const char *text, size_t len)
{
	auto_cleanup(beside_release) struct beside b = {NULL, -1};
	int rc = make_beside(&b, path, old);

	if (rc == 0)
		rc = io_write_full(b.fd, text, len);
	if (rc < 0)
		return rc;
	if (fsync(b.fd) < 0 || rename(b.path, path) < 0)
		return -errno;
	free(STEAL(b.path));
	return sync_directory(path);
}

int targets_file_write(const char *path, const char *text, size_t len, bool *ret_changed,
		       struct error *err)
{
	struct stat old;
	int rc;

	if (look(path, &old, err) < 0)
		return -1;
	*ret_changed = !old.st_mode || !has_content(path, text, len);
	if (!*ret_changed)
		return 0;
	rc = replace(path, &old, text, len);
	return rc < 0 ? write_error(path, -rc, err) : 0;
}
