#include "remote/place/spots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/enter.h"
#include "remote/place/dir.h"
#include "remote/place/private.h"
#include "remote/rootpath.h"

#define HOME_MS 5000

bool spot_is_plain(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '=')
			return false;
	return path[0] == '/';
}

static void add(struct spots *s, const char *path, const char *name)
{
	size_t len = strlen(path);
	struct spot *spot = &s->list[s->n];

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (!spot_is_plain(path) || len >= sizeof(spot->path))
		return;
	snprintf(spot->path, sizeof(spot->path), "%.*s", (int)len, path);
	spot->name = name;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->list[i].path, spot->path) == 0)
			return;
	s->n++;
}

/* While a JVM is asked, a /tmp that it cannot write is covered: nothing may lie below. */
static void add_outside_tmp(struct spots *s, const char *path, const char *name)
{
	if (!str_starts(path, "/tmp/"))
		add(s, path, name);
}

static void add_cwd(const struct target *t, struct spots *s)
{
	char path[PLACE_PATH_SIZE], link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "%d/cwd", (int)t->ref.pid);
	n = readlinkat(t->proc->fd, link, path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	add_outside_tmp(s, path, "its working directory");
}

struct home {
	const struct procfs *proc;
	pid_t pid;
};

static int run_home(void *ctx, struct buf *answer, struct error *err)
{
	auto_buf struct buf env = BUF_INIT(MAX_PROC_FILE);
	const struct home *h = ctx;

	if (proc_read_strings(h->proc, h->pid, "environ", &env) < 0)
		return error_set(err, ERR_NODE, "cannot read the environment");
	for (size_t at = 0; at < env.len; at += strlen(env.data + at) + 1) {
		if (!str_starts(env.data + at, "HOME="))
			continue;
		buf_adds(answer, env.data + at + strlen("HOME="));
		return 0;
	}
	return 0;
}

/* By a child: the memory that it is read from may be one that a file server has to bring, and the
 * rest of the environment is none of the helper's business. */
bool place_home(const struct procfs *p, pid_t pid, char dst[PLACE_PATH_SIZE])
{
	auto_buf struct buf home = BUF_INIT(PLACE_PATH_SIZE - 1);
	struct home h = {p, pid};
	struct enter_request r = {
		.fds = {p->fd},
		.n_fds = 1,
		.run = run_home,
		.ctx = &h,
		.timeout_ms = HOME_MS,
	};
	struct error unimportant = {0};

	return enter_run(p, &r, &home, &unimportant) == 0 && spot_is_plain(buf_str(&home)) &&
	       str_copy(dst, PLACE_PATH_SIZE, buf_str(&home));
}

static void add_home(const struct target *t, struct spots *s)
{
	char path[PLACE_PATH_SIZE];

	if (place_home(t->proc, t->ref.pid, path))
		add_outside_tmp(s, path, "its home");
}

uid_t spots_root(const struct target *t)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	unsigned int inside, outside;
	char path[32], *line, *rest;

	snprintf(path, sizeof(path), "%d/uid_map", (int)t->ref.pid);
	if (io_read_file(t->proc->fd, path, &b) < 0 || !b.len)
		return 0;
	for (line = strtok_r(b.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%10u %10u", &inside, &outside) == 2 && inside == 0)
			return outside;
	return 0;
}

void spots_find(const struct target *t, struct spots *ret)
{
	ret->n = 0;
	add(ret, "/tmp", "/tmp");
	add(ret, "/var/tmp", "/var/tmp");
	add_cwd(t, ret);
	add_home(t, ret);
	add(ret, "/dev/shm", "/dev/shm");
	ret->root = spots_root(t);
	ret->n_own = private_tmpfs(t->proc, t->ref.pid, ret->own, MAX_OWN_TMPFS);
}

int spot_open(const char *path)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	return strcmp(path, "/tmp") == 0 ? rootpath_tmp(root)
					 : rootpath_open(root, path, O_PATH | O_DIRECTORY);
}

/* Before 5.8 the kernel does not tell the mount: that of a volume is another file system than an
 * overlay. */
static bool same_mount(int a, int b)
{
	unsigned int want = STATX_MNT_ID;
	struct statx x, y;

	if (statx(a, "", AT_EMPTY_PATH, want, &x) < 0 || statx(b, "", AT_EMPTY_PATH, want, &y) < 0)
		return false;
	if (x.stx_mask & y.stx_mask & STATX_MNT_ID)
		return x.stx_mnt_id == y.stx_mnt_id;
	return x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor;
}

static bool is_own(const struct spots *s, dev_t dev)
{
	for (size_t i = 0; i < s->n_own; i++)
		if (s->own[i] == dev)
			return true;
	return false;
}

int spot_check(const struct spots *s, int dir, bool shared)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (root < 0 || fstat(dir, &st) < 0)
		return -errno;
	if (st.st_uid != 0 && st.st_uid != s->root && st.st_uid != geteuid())
		return -EPERM;
	if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
		return -EPERM;
	return shared || is_own(s, st.st_dev) || same_mount(root, dir) ? 0 : -EXDEV;
}

bool spot_join(char dst[PLACE_PATH_SIZE], const char *path, const char *name)
{
	const char *slash = strcmp(path, "/") == 0 ? "" : "/";

	return snprintf(dst, PLACE_PATH_SIZE, "%s%s%s", path, slash, name) < PLACE_PATH_SIZE;
}

static bool is_empty(int at)
{
	DIR *d = placedir_list(at);
	const struct dirent *e;
	bool empty = true;

	if (!d)
		return false;
	while (empty && (e = readdir(d)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return empty;
}

int spot_empty_dir(const char **ret)
{
	static const char *const list[] = {
		"/mnt",		 "/media",	 "/srv",
		"/opt",		 "/var/opt",	 "/home",
		"/var/lib/misc", "/var/local",	 "/usr/local/games",
		"/usr/games",	 "/usr/src",	 "/usr/local/src",
		"/boot",	 "/var/backups",
	};
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root >= 0 && i < ARRAY_SIZE(list); i++) {
		auto_fd int at = rootpath_open_here(root, list[i]);

		if (at == -ENOSYS)
			return at;
		if (at < 0 || !is_empty(at))
			continue;
		*ret = list[i];
		return STEAL_FD(at);
	}
	return -ENOENT;
}
