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
#define MAX_ENTRIES (1u << 20) /* at once; what is left is for the next time */

struct removal {
	int top;	     /* the directory of ours: nobody else can make a name in it */
	unsigned int left;   /* entries that may be removed yet */
	unsigned int n_deep; /* directories that were moved up into it */
};

static int remove_entry(struct removal *r, int dir, const char *name, int depth);

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
static int remove_contents(struct removal *r, int fd, int depth)
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
			rc = remove_entry(r, fd, e->d_name, depth);
	closedir(d);
	return rc;
}

static void deep_name(unsigned int i, char name[32])
{
	snprintf(name, 32, "deep.%u", i);
}

/* However deep a container nests directories, it gets no descriptor and no stack of ours by that.
 */
static int move_up(struct removal *r, int dir, const char *name)
{
	char to[32];
	int rc;

	do {
		deep_name(r->n_deep++, to);
		rc = renameat(dir, name, r->top, to) < 0 ? -errno : 0;
	} while ((rc == -ENOTEMPTY || rc == -EEXIST) && r->n_deep < MAX_ENTRIES);
	return rc;
}

/* What was moved up, and what is moved up meanwhile. */
static int remove_deep(struct removal *r)
{
	char name[32];
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < r->n_deep; i++) {
		deep_name(i, name);
		rc = remove_entry(r, r->top, name, 1);
	}
	return rc;
}

/* The JVM's user can put anything into `dump` while it is mounted: nothing is followed, the number
 * is bounded. */
static int remove_entry(struct removal *r, int dir, const char *name, int depth)
{
	int fd, rc;

	if (r->left == 0)
		return -E2BIG;
	r->left--;
	rc = unlink_file(dir, name);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	if (rc != -EISDIR && rc != -EPERM)
		return rc;
	if (depth >= MAX_DEPTH)
		return move_up(r, dir, name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) /* somebody else removes it as well */
		return errno == ENOENT ? 0 : -errno;
	rc = remove_contents(r, fd, depth + 1);
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

/* With the deep ones, which are entries of `top`, before it goes itself. */
static int remove_directory(int base, const char *name)
{
	auto_fd int top = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal r = {.top = top, .left = MAX_ENTRIES};
	int fd, rc;

	if (top < 0 && errno != ENOTDIR && errno != ELOOP)
		return errno == ENOENT ? 0 : -errno;
	if (top < 0) /* not what it was any more: never ours */
		return remove_entry(&r, base, name, 0);
	fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -errno : remove_contents(&r, fd, 1);
	if (rc == 0)
		rc = remove_deep(&r);
	if (rc == 0 && unlinkat(base, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

int nodedir_delete(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	auto_fd int base = -1;
	char parent[320];
	int rc;

	snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	base = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -errno;
	rc = remove_directory(base, name);
	if (rc == 0)
		remove_link(name);
	return rc;
}

int nodedir_remove_inside(const struct nodedir *n, const char *name)
{
	struct removal r = {.top = n->dir, .left = MAX_ENTRIES};
	int rc = remove_entry(&r, n->dir, name, 1);

	return rc == 0 ? remove_deep(&r) : rc;
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
