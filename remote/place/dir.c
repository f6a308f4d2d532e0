#include "remote/place/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"
#include "remote/base/str.h"
#include "remote/place/place.h"

#define SLACK (256 * KiB) /* what stays free */
#define OLD_S 300	  /* a child lives a minute at most */
#define MAX_ENTRIES 4096
#define LATEST ((time_t)INT64_MAX)

int placedir_check(int dir)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return -errno;
	/* In a volume with fsGroup the directory inherits the set-group-id bit. */
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 07777 & ~S_ISGID) != 0700)
		return -ENOTUNIQ;
	return 0;
}

static int open_checked(int parent)
{
	auto_fd int fd = openat(parent, PLACE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP || errno == EACCES ? -ENOTUNIQ : -errno;
	rc = placedir_check(fd);
	return rc < 0 ? rc : STEAL_FD(fd);
}

int placedir_open(int parent, bool make)
{
	bool made = make && mkdirat(parent, PLACE_DIR, 0700) == 0;
	int fd;

	if (make && !made && errno != EEXIST)
		return -errno;
	fd = open_checked(parent);
	/* Some file systems keep neither owner nor mode (SMB, FUSE), or have others in mind. */
	if (fd < 0 && made)
		(void)unlinkat(parent, PLACE_DIR, AT_REMOVEDIR);
	return fd;
}

int placedir_fits(int dir, uint64_t size, bool exec)
{
	struct statvfs v;

	if (fstatvfs(dir, &v) < 0)
		return -errno;
	if (v.f_flag & ST_RDONLY)
		return -EROFS;
	if (exec && v.f_flag & ST_NOEXEC)
		return -ENOEXEC;
	/* A file system without a size (f_blocks 0) does not tell. */
	if (v.f_blocks && (uint64_t)v.f_bavail * v.f_frsize < size + SLACK)
		return -ENOSPC;
	return 0;
}

/* The digest of what lies behind fd; at most size bytes and one more are read. */
static int check_content(int fd, uint64_t size, const char *sha256)
{
	auto_free char *chunk = xmalloc(MAX_FRAME_DATA);
	struct sha256 *s = sha256_new();
	char hex[SHA256_HEX_SIZE];
	uint64_t at = 0;
	int rc = 0;

	while (at <= size && rc == 0) {
		ssize_t n = pread(fd, chunk, MAX_FRAME_DATA, (off_t)at);

		if (n == 0)
			break;
		if (n > 0) {
			sha256_add(s, chunk, (size_t)n);
			at += (uint64_t)n;
		} else if (errno != EINTR) {
			rc = -errno;
		}
	}
	sha256_hex(s, hex);
	sha256_free(s);
	return rc == 0 && (at != size || strcmp(hex, sha256) != 0) ? -EIO : rc;
}

static bool is_our_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

int placedir_has(int dir, const char *name, const struct place_content *c, struct place_inode *ret)
{
	auto_fd int fd = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_our_file(&st) || (uint64_t)st.st_size != c->size)
		return -EEXIST;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !is_our_file(&st) || (st.st_mode & 07777) != 0400 ||
	    check_content(fd, c->size, c->sha256) < 0)
		return -EEXIST;
	*ret = (struct place_inode){st.st_dev, st.st_ino};
	return 1;
}

static int copy(int from, uint64_t size, int to)
{
	auto_free char *chunk = xmalloc(MAX_FRAME_DATA);

	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(from, chunk, MAX_FRAME_DATA, (off_t)at);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rc = io_write_full(to, chunk, (size_t)n);
		if (rc < 0)
			return rc;
		at += (uint64_t)n;
	}
	return 0;
}

/* Java 8 tells a file's time in whole seconds: who compares needs nothing finer. */
static int set_time(int fd, time_t seconds)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};

	return futimens(fd, times) < 0 ? -errno : 0;
}

static int fill(int fd, const struct place_content *c, struct place_inode *ret)
{
	int rc = copy(c->fd, c->size, fd);
	struct stat st;

	if (rc == 0)
		rc = check_content(fd, c->size, c->sha256);
	if (rc == 0)
		rc = set_time(fd, time(NULL));
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!is_our_file(&st) || (st.st_mode & 07777) != 0400)
		return -ENOTUNIQ;
	*ret = (struct place_inode){st.st_dev, st.st_ino};
	return 0;
}

int placedir_write(int dir, const char *temp, const struct place_content *c,
		   struct place_inode *ret)
{
	int fd = openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fill(fd, c, ret);
	/* A network file system tells here that it is full. */
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc < 0)
		(void)unlinkat(dir, temp, 0);
	return rc;
}

static bool is_inode(const struct stat *st, const struct place_inode *inode)
{
	return st->st_dev == inode->dev && st->st_ino == inode->ino;
}

/* Not on every file system; a link is, and does not replace either. */
static int rename_new(int dir, const char *temp, const char *name)
{
	if (renameat2(dir, temp, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dir, temp, dir, name, 0) < 0 || unlinkat(dir, temp, 0) < 0)
		return -errno;
	return 0;
}

/* Later than the one that has the name. */
static int set_later_time(int dir, const char *temp, const char *name)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL)}};
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode) && st.st_mtime == LATEST)
		return -EOVERFLOW;
	if (S_ISREG(st.st_mode) && st.st_mtime >= times[1].tv_sec)
		times[1].tv_sec = st.st_mtime + 1;
	return utimensat(dir, temp, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int placedir_commit(int dir, const char *temp, const struct place_inode *inode, const char *name,
		    bool replace)
{
	struct stat st;
	int rc;

	if (fstatat(dir, temp, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!is_inode(&st, inode))
		return -ESTALE;
	if (!replace)
		return rename_new(dir, temp, name);
	rc = set_later_time(dir, temp, name);
	if (rc == 0 && renameat(dir, temp, dir, name) < 0)
		rc = -errno;
	return rc;
}

int placedir_remove(int dir, const char *name, const struct place_inode *inode)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (inode && !is_inode(&st, inode))
		return -ESTALE;
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

DIR *placedir_list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		fd_close(&fd);
	return d;
}

static bool is_like(const char *name, const char *begin, const char *end)
{
	return strlen(name) > strlen(begin) + strlen(end) && str_starts(name, begin) &&
	       str_ends(name, end) && place_name_is(name);
}

int placedir_remove_like(int dir, const char *begin, const char *end,
			 char ret_name[PLACE_NAME_SIZE])
{
	DIR *d = placedir_list(dir);
	struct dirent *e;
	int rc = -ENOENT;

	if (!d)
		return -EACCES;
	for (int i = 0; i < MAX_ENTRIES && (e = readdir(d)); i++) {
		if (!is_like(e->d_name, begin, end))
			continue;
		rc = placedir_remove(dir, e->d_name, NULL);
		if (rc < 0)
			break;
		snprintf(ret_name, PLACE_NAME_SIZE, "%s", e->d_name);
	}
	closedir(d);
	return rc;
}

static bool is_left(int dir, const char *name)
{
	struct stat st;

	return str_starts(name, PLACE_TEMP) && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtime < time(NULL) - OLD_S;
}

int placedir_clean(int dir, bool dry)
{
	DIR *d = placedir_list(dir);
	struct dirent *e;
	int others = 0;

	if (!d)
		return -EACCES;
	for (int i = 0; i < MAX_ENTRIES && (e = readdir(d)); i++) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!is_left(dir, e->d_name) || (!dry && unlinkat(dir, e->d_name, 0) < 0))
			others++;
	}
	closedir(d);
	return others;
}
