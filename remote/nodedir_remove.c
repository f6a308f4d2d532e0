/* Removing a directory of ours, whatever a container has put into its dump/. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/nodedir.h"

#define MAX_DEPTH 16
#define MAX_ENTRIES 65536

static int remove_entry(int dir, const char *name, int depth, unsigned int *left);

/* A thread of the JVM may hang in open(2) of a FIFO whose reader is dead: one that comes and goes
 * lets it out, and what it writes then fails. Through the descriptor: behind the name there may be
 * something else by now, and the FIFO itself is unlinked, so nobody new can hang in it. */
static void release_fifo(int fd)
{
	char path[40];
	int opened;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	fd_close(&opened);
}

/* 0 or -errno. */
static int unlink_file(int dir, const char *name)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (unlinkat(dir, name, 0) < 0)
		return -errno;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		release_fifo(fd);
	return 0;
}

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
	rc = unlink_file(dir, name);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	if (rc != -EISDIR && rc != -EPERM)
		return rc;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) /* somebody else removes it as well */
		return errno == ENOENT ? 0 : -errno;
	rc = remove_contents(fd, depth + 1, left);
	if (rc < 0)
		return rc;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* The link of one that is not in a usual place. */
static void remove_link(const char *name)
{
	auto_fd int run = open(NODEDIR_RUN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (run >= 0 && fstatat(run, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		(void)unlinkat(run, name, 0);
}

int nodedir_delete(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	unsigned int left = MAX_ENTRIES;
	auto_fd int base = -1;
	char parent[320];
	int rc;

	snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	base = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -errno;
	rc = remove_entry(base, name, 0, &left);
	if (rc == 0)
		remove_link(name);
	return rc;
}

int nodedir_remove_inside(const struct nodedir *n, const char *name)
{
	unsigned int left = MAX_ENTRIES;

	return remove_entry(n->dir, name, 0, &left);
}

int nodedir_remove(struct nodedir *n, struct error *err)
{
	char path[sizeof(n->path)];
	int rc = n->base < 0 ? 0 : nodedir_delete(n->path);

	snprintf(path, sizeof(path), "%s", n->path);
	fd_close(&n->dump);
	fd_close(&n->dir);
	fd_close(&n->lock);
	fd_close(&n->base);
	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot remove '%s'", path);
	return 0;
}
