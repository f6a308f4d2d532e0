/* A directory of a test, and files in it. */
#ifndef TESTS_UNIT_TEMPDIR_H
#define TESTS_UNIT_TEMPDIR_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tempdir[64];

static inline int tempdir_make(void **state)
{
	(void)state;
	snprintf(tempdir, sizeof(tempdir), "/tmp/jdiag-test-XXXXXX");
	return mkdtemp(tempdir) ? 0 : -1;
}

static inline int tempdir_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline int tempdir_remove(void **state)
{
	(void)state;
	return nftw(tempdir, tempdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* tempdir/name with that content; name may hold one directory, which is made. */
static inline void tempdir_file(const char *name, int mode, const char *text)
{
	char path[256];
	const char *slash = strchr(name, '/');
	int fd;

	if (slash) {
		snprintf(path, sizeof(path), "%s/%.*s", tempdir, (int)(slash - name), name);
		mkdir(path, 0700);
	}
	snprintf(path, sizeof(path), "%s/%s", tempdir, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		perror(path);
		abort();
	}
	close(fd);
}

/* Its path; valid until the next but three calls. */
static inline const char *tempdir_path(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", tempdir, name);
	return path;
}

#endif
