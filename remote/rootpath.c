#include "remote/rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "remote/base/io.h"

#define OPENAT2_TRIES 64

int rootpath_root(const struct procfs *p, pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%d/root", (int)pid);
	fd = openat(p->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The next component of *path, which moves behind it. 0: there is none; -errno. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
	size_t len;

	do {
		*path += strspn(*path, "/");
		len = strcspn(*path, "/");
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, *path, len);
		name[len] = '\0';
		*path += len;
	} while (strcmp(name, ".") == 0);
	if (strcmp(name, "..") == 0)
		return -EXDEV;
	return len > 0;
}

static int check_path(const char *path)
{
	char name[NAME_MAX + 1];
	int n;

	do {
		n = next_component(&path, name);
	} while (n > 0);
	return n;
}

/* openat2 refuses with O_PATH what O_PATH ignores. */
static int add_flags(int flags)
{
	return flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_PATH ? 0 : O_NOCTTY);
}

/* One step down: a directory, and no link to one. */
static int step_down(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -ENOTDIR;
	return STEAL_FD(fd);
}

static int open_by_walk(int rootfd, const char *path, int flags)
{
	auto_fd int dir = step_down(rootfd, ".");
	char name[NAME_MAX + 1] = ".", next[NAME_MAX + 1];
	int fd;

	while (dir >= 0 && next_component(&path, next) > 0) {
		fd = step_down(dir, name);
		fd_close(&dir);
		dir = fd;
		memcpy(name, next, sizeof(name));
	}
	if (dir < 0)
		return STEAL_FD(dir);
	fd = openat(dir, name, add_flags(flags));
	return fd < 0 ? -errno : fd;
}

static int open_raw(int rootfd, const char *path, int flags, unsigned int resolve)
{
	struct open_how how = {
		.flags = (unsigned int)flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};

	/* EAGAIN: something was renamed or mounted during the walk and the kernel cannot prove
	 * that it stayed inside. */
	for (int i = 0; i < OPENAT2_TRIES; i++) {
		long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS)
			return resolve & RESOLVE_NO_XDEV ? -ENOSYS
							 : open_by_walk(rootfd, path, flags);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

static bool is_link(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || S_ISLNK(st.st_mode);
}

/* The kernel says ENOTDIR for a link where O_DIRECTORY is asked for. */
static int why_no_directory(int rootfd, const char *path)
{
	auto_fd int fd = open_raw(rootfd, path, add_flags(O_PATH), RESOLVE_NO_SYMLINKS);

	return fd >= 0 && is_link(fd) ? -ELOOP : -ENOTDIR;
}

int rootpath_open(int rootfd, const char *path, int flags)
{
	int bad = check_path(path);
	auto_fd int fd = -1;

	if (flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE)
		return -EINVAL;
	if (bad < 0)
		return bad;
	fd = open_raw(rootfd, path, add_flags(flags), RESOLVE_NO_SYMLINKS);
	if (fd == -ENOTDIR && flags & O_DIRECTORY)
		return why_no_directory(rootfd, path);
	if (fd < 0)
		return STEAL_FD(fd);
	/* With O_PATH the last component may be a link itself, even under RESOLVE_NO_SYMLINKS. */
	if (flags & O_PATH && is_link(fd))
		return -ELOOP;
	return STEAL_FD(fd);
}

int rootpath_open_here(int rootfd, const char *path)
{
	auto_fd int fd =
		open_raw(rootfd, path, add_flags(O_PATH), RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);

	return fd >= 0 && is_link(fd) ? -ELOOP : STEAL_FD(fd);
}

int rootpath_tmp(int rootfd)
{
	int fd = open_raw(rootfd, "tmp", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	return fd == -ENOTDIR ? why_no_directory(rootfd, "tmp") : fd;
}

int rootpath_read_opened(int fd, struct buf *b, struct stat *ret_stat)
{
	auto_fd int file = -1;
	char self[64];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* The inode that was looked at, whatever the name means now. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	file = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	if (ret_stat)
		*ret_stat = st;
	return io_read_all(file, b);
}

int rootpath_read(int rootfd, const char *path, struct buf *b, struct stat *ret_stat)
{
	auto_fd int fd = rootpath_open(rootfd, path, O_PATH);

	return fd < 0 ? STEAL_FD(fd) : rootpath_read_opened(fd, b, ret_stat);
}
