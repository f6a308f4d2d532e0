#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/ssh/openssh_session.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define PREFIX "jdiag-ssh-"
#define MAX_BASE 60 /* a socket's name has 107 bytes, and ssh puts 17 behind it at first */
#define MAX_SEEN 4096
#define TRIES 8

/* Characters that mean nothing to an ssh_config, to ssh's tokens and to a shell. */
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-"

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Ours, and nobody else's. */
static bool is_private(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

static void empty(int fd)
{
	auto_cleanup(dir_close) DIR *d = NULL;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	if (copy < 0)
		return;
	d = fdopendir(copy);
	if (!d) {
		close(copy);
		return;
	}
	while ((e = readdir(d)))
		(void)unlinkat(fd, e->d_name, 0); /* "." and ".." are refused */
}

/* One that nobody holds any more: its process was killed. */
static void sweep_one(int base, const char *name)
{
	auto_fd int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !is_private(fd) || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	empty(fd);
	(void)unlinkat(base, name, AT_REMOVEDIR);
}

static void sweep(const char *base)
{
	auto_cleanup(dir_close) DIR *d = opendir(base);
	const struct dirent *e;

	for (int i = 0; d && i < MAX_SEEN && (e = readdir(d)); i++)
		if (str_starts(e->d_name, PREFIX))
			sweep_one(dirfd(d), e->d_name);
}

static const char *choose_base(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (base && *base == '/' && strlen(base) <= MAX_BASE && str_only(base, PLAIN) &&
	    stat(base, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    access(base, W_OK) == 0)
		return base;
	return "/tmp";
}

/* A sweep of another process may come between making and locking: then it is gone, or going. */
static bool hold(struct open_dir *d)
{
	struct stat st;

	d->lock = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return d->lock >= 0 && is_private(d->lock) && flock(d->lock, LOCK_EX | LOCK_NB) == 0 &&
	       stat(d->path, &st) == 0;
}

int open_dir_make(struct open_dir *d, struct error *err)
{
	const char *base = choose_base();

	sweep(base);
	for (int i = 0; i < TRIES; i++) {
		d->path = xasprintf("%s/" PREFIX "XXXXXX", base);
		if (!mkdtemp(d->path)) {
			free(STEAL(d->path));
			return error_sys(err, ERR_SSH, errno, "cannot make a directory in '%s'",
					 base);
		}
		if (hold(d))
			return 0;
		open_dir_remove(d);
	}
	return error_set(err, ERR_SSH, "cannot keep a directory in '%s'", base);
}

void open_dir_remove(struct open_dir *d)
{
	if (d->lock >= 0 && d->path)
		empty(d->lock);
	if (d->path)
		(void)rmdir(d->path);
	fd_close(&d->lock);
	free(STEAL(d->path));
}

char *open_dir_path(const struct open_dir *d, const char *name)
{
	return xasprintf("%s/%s", d->path, name);
}

int open_dir_write(const struct open_dir *d, const char *name, const struct buf *text,
		   struct error *err)
{
	auto_fd int fd =
		openat(d->lock, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : io_write_full(fd, buf_str(text), text->len);

	return rc == 0 ? 0 : error_sys(err, ERR_SSH, -rc, "cannot write '%s/%s'", d->path, name);
}
