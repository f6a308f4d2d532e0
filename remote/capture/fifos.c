#include "remote/capture/fifos.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"

#define MAX_FDS 1000000 /* of a process, when it is searched */

int fifos_add(struct fifos *f, const char *name, uid_t uid, gid_t gid, struct error *err)
{
	auto_fd int path = -1;
	struct fifo *one;
	struct stat st;

	if (f->n == FIFOS_MAX)
		return error_set(err, ERR_FAILED, "too many FIFOs");
	one = &f->one[f->n];
	if (!str_copy(one->name, sizeof(one->name), name))
		return error_set(err, ERR_FAILED, "the name of a FIFO is too long");
	if (mkfifoat(f->dir, name, 0600) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a FIFO");
	path = openat(f->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path < 0 || fstat(path, &st) < 0 || fchownat(path, "", uid, gid, AT_EMPTY_PATH) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot set up a FIFO");
	one->dev = st.st_dev;
	one->ino = st.st_ino;
	one->path = STEAL_FD(path);
	f->n++;
	return 0;
}

static bool same(const struct fifo *one, const struct stat *st)
{
	return S_ISFIFO(st->st_mode) && st->st_dev == one->dev && st->st_ino == one->ino;
}

int fifos_check(const struct fifos *f, unsigned int i, struct error *err)
{
	const struct fifo *one = &f->one[i];
	struct stat st;

	if (fstatat(f->dir, one->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, ERR_CAPTURE, errno,
				 "the FIFO of the dump was removed in the container");
	if (!same(one, &st))
		return error_set(err, ERR_CAPTURE,
				 "the FIFO of the dump was replaced in the container (mode %o, uid "
				 "%u)",
				 st.st_mode, st.st_uid);
	return 0;
}

bool fifos_segment_is_file(const struct fifos *f, unsigned int i)
{
	struct stat st;

	return fstatat(f->dir, f->one[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size > 0;
}

/* Exactly that FIFO, whatever its name leads to now. */
static int reopen(const struct fifo *one, int flags)
{
	char self[48];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", one->path);
	return open(self, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_one(const struct fifo *one, bool segment, struct drain_stream *s, struct error *err)
{
	*s = (struct drain_stream){.fd = -1, .hold = -1, .segment = segment};
	snprintf(s->name, sizeof(s->name), "%s", one->name);
	s->fd = reopen(one, O_RDONLY);
	if (s->fd >= 0 && segment)
		s->hold = reopen(one, O_WRONLY);
	if (s->fd < 0 || (segment && s->hold < 0))
		return error_sys(err, ERR_NODE, errno, "cannot open a FIFO");
	return 0;
}

int fifos_open(const struct fifos *f, struct drain_stream *streams, struct error *err)
{
	for (unsigned int i = 0; i < f->n; i++) {
		if (open_one(&f->one[i], i > 0, &streams[i], err) == 0)
			continue;
		for (unsigned int j = 0; j <= i; j++) {
			fd_close(&streams[j].fd);
			fd_close(&streams[j].hold);
		}
		return -1;
	}
	return 0;
}

bool fifos_in_use(const struct fifos *f, const struct procfs *p, pid_t pid)
{
	char path[32];
	struct dirent *e;
	struct stat st;
	bool found = false;
	int fd;
	DIR *d;

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return false;
	}
	for (int i = 0; i < MAX_FDS && !found && (e = readdir(d)); i++)
		if (e->d_name[0] != '.' && fstatat(fd, e->d_name, &st, 0) == 0)
			for (unsigned int j = 0; j < f->n && !found; j++)
				found = same(&f->one[j], &st);
	closedir(d);
	return found;
}

void fifos_touch(const struct fifos *f, const struct procfs *p)
{
	for (unsigned int i = 0; i < f->n; i++) {
		char self[48];
		int fd;

		snprintf(self, sizeof(self), "self/fd/%d", f->one[i].path);
		fd = openat(p->fd, self, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		fd_close(&fd);
	}
}

void fifos_remove(struct fifos *f)
{
	for (unsigned int i = 0; i < f->n; i++) {
		(void)unlinkat(f->dir, f->one[i].name, 0); /* dump/ is removed as a whole later */
		fd_close(&f->one[i].path);
	}
	f->n = 0;
	f->dir = -1;
}
