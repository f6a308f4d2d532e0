/* A directory of a test's own under TMPDIR, filled by relative paths and removed at its end. */
#ifndef TESTS_UNIT_TREE_H
#define TESTS_UNIT_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char path[256];
	int fd;
};

static inline void tree_check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static inline void tree_open(struct tree *t)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(t->path, sizeof(t->path), "%s/jdiag-test-XXXXXX", tmp ? tmp : "/tmp");
	tree_check(mkdtemp(t->path) != NULL && chmod(t->path, 0755) == 0, t->path);
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_check(t->fd >= 0, t->path);
}

/* The directories above the last component. */
static inline void tree_parents(const struct tree *t, const char *path)
{
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *s = dir; (s = strchr(s, '/')) != NULL; *s++ = '/') {
		*s = '\0';
		tree_check(mkdirat(t->fd, dir, 0755) == 0 || errno == EEXIST, dir);
	}
}

static inline void tree_dir(const struct tree *t, const char *path)
{
	tree_parents(t, path);
	tree_check(mkdirat(t->fd, path, 0755) == 0 || errno == EEXIST, path);
}

static inline void tree_write(const struct tree *t, const char *path, const void *data, size_t len)
{
	int fd;

	tree_parents(t, path);
	fd = openat(t->fd, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	tree_check(fd >= 0 && write(fd, data, len) == (ssize_t)len, path);
	close(fd);
}

static inline void tree_text(const struct tree *t, const char *path, const char *text)
{
	tree_write(t, path, text, strlen(text));
}

static inline void tree_link(const struct tree *t, const char *target, const char *path)
{
	tree_parents(t, path);
	tree_check(symlinkat(target, t->fd, path) == 0, path);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline void tree_close(struct tree *t)
{
	close(t->fd);
	tree_check(nftw(t->path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, t->path);
}

#endif
