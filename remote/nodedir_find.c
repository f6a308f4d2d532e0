/* Directories of ours that exist: where they are, and who holds them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/nodedir.h"
#include "remote/procref.h"

#define YOUNG_S 60 /* a directory without a lock is being made, unless it is older */

/* Root's own directory, not one that somebody planted in /tmp under such a name. */
static int open_ours(int base, const char *name)
{
	auto_fd int dir = -1;
	struct stat st;

	if (!jdiag_name_is(name))
		return -1;
	dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0 || st.st_uid != 0)
		return -1;
	return STEAL_FD(dir);
}

static int open_in(const char *base_path, const char *name)
{
	auto_fd int base = open(base_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return base < 0 ? -1 : open_ours(base, name);
}

/* What a link in /run says: root's, as /run is. */
static int open_linked(int run, const char *name, struct nodedir_found *f)
{
	char path[sizeof(f->path)], *slash;
	ssize_t n = readlinkat(run, name, path, sizeof(path) - 1);

	if (n <= 0 || path[0] != '/')
		return -1;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (strcmp(slash + 1, name) != 0)
		return -1;
	memcpy(f->path, path, sizeof(path));
	*slash = '\0';
	f->dir = open_in(slash == path ? "/" : path, name);
	return f->dir;
}

/* The directory of that name in this base, or that a link in it leads to; false: none. */
static bool look_in(const char *base_path, const char *name, struct nodedir_found *ret)
{
	auto_fd int base = open(base_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct nodedir_found f = {.dir = -1};

	if (base < 0 || !str_copy(f.name, sizeof(f.name), name))
		return false;
	snprintf(f.path, sizeof(f.path), "%s/%s", base_path, name);
	f.dir = open_ours(base, name);
	if (f.dir < 0 && strcmp(base_path, NODEDIR_RUN) == 0)
		f.dir = open_linked(base, name, &f);
	if (f.dir >= 0)
		*ret = f;
	return f.dir >= 0;
}

struct walk {
	int (*fn)(void *ctx, struct nodedir_found *f);
	void *ctx;
};

static int walk_base(void *ctx, const char *path)
{
	const struct walk *w = ctx;
	DIR *d = opendir(path);
	struct nodedir_found f;
	struct dirent *e;
	int rc = 0;

	if (!d)
		return 0;
	while (!rc && (e = readdir(d))) {
		if (!jdiag_name_is(e->d_name) || !look_in(path, e->d_name, &f))
			continue;
		rc = w->fn(w->ctx, &f);
		fd_close(&f.dir);
	}
	closedir(d);
	return rc;
}

int nodedir_each(int (*fn)(void *ctx, struct nodedir_found *f), void *ctx)
{
	struct walk w = {fn, ctx};

	return nodedir_each_base(walk_base, &w);
}

static int find_in(void *ctx, const char *path)
{
	struct nodedir_found *f = ctx;

	return look_in(path, f->name, f);
}

int nodedir_find(const char *name, struct nodedir_found *ret)
{
	struct nodedir_found f = {.dir = -1};

	if (!jdiag_name_is(name) || !str_copy(f.name, sizeof(f.name), name) ||
	    !nodedir_each_base(find_in, &f))
		return -ENOENT;
	*ret = f;
	return 0;
}

/* ---- who holds it ---- */

const char *nodedir_keep_reason(int dir)
{
	auto_fd int lock = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	/* Shared: two that ask at the same time must not take each other for the holder. */
	if (lock >= 0)
		return flock(lock, LOCK_SH | LOCK_NB) < 0 ? "in use by a running helper" : NULL;
	if (errno != ENOENT || fstat(dir, &st) < 0)
		return strerror(errno);
	return st.st_mtime + YOUNG_S > time(NULL) ? "it is being made" : NULL;
}

/* Who noted itself in the lock; false: nobody yet. */
static bool read_holder(int dir, pid_t *pid, uint64_t *start_time)
{
	auto_buf struct buf b = BUF_INIT(64);
	uint64_t number;
	char *space, *end;

	if (io_read_file(dir, "lock", &b) < 0 || !b.len)
		return false;
	space = strchr(b.data, ' ');
	end = strchr(b.data, '\n');
	if (!space || !end || end < space)
		return false;
	*space = *end = '\0';
	if (!str_to_u64(b.data, INT32_MAX, &number) ||
	    !str_to_u64(space + 1, UINT64_MAX, start_time))
		return false;
	*pid = (pid_t)number;
	return true;
}

int nodedir_signal(int dir, int sig)
{
	auto_procfs struct procfs p = {.fd = -1};
	struct procref ref = PROCREF_INIT;
	uint64_t start_time;
	pid_t pid;
	int rc = procfs_open(&p, NULL);

	if (rc < 0)
		return rc;
	if (!read_holder(dir, &pid, &start_time) ||
	    procref_open(&p, pid, start_time, &ref, NULL) < 0)
		return 0;
	/* Held now, and by one that runs: it is the one that noted itself. */
	rc = nodedir_keep_reason(dir) ? procref_signal(&p, &ref, sig) : 0;
	procref_close(&ref);
	return rc == -ESRCH ? 0 : rc;
}

bool nodedir_is_one(int parent, const char *name)
{
	auto_fd int dir = open_ours(parent, name);

	return dir >= 0 && faccessat(dir, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool nodedir_is_live(const char *name)
{
	struct nodedir_found f;
	bool live;

	if (nodedir_find(name, &f) < 0)
		return false;
	live = nodedir_keep_reason(f.dir) != NULL;
	fd_close(&f.dir);
	return live;
}
