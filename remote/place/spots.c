#include "remote/place/spots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/rootpath.h"

static bool is_plain(const char *path)
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
	if (!is_plain(path) || len >= sizeof(spot->path))
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

bool place_home(const struct procfs *p, pid_t pid, char dst[PLACE_PATH_SIZE])
{
	auto_buf struct buf env = BUF_INIT(MAX_PROC_FILE);
	const char *home;

	if (proc_read_strings(p, pid, "environ", &env) < 0)
		return false;
	for (size_t at = 0; at < env.len; at += strlen(env.data + at) + 1) {
		if (!str_starts(env.data + at, "HOME="))
			continue;
		home = env.data + at + strlen("HOME=");
		return is_plain(home) && str_copy(dst, PLACE_PATH_SIZE, home);
	}
	return false;
}

static void add_home(const struct target *t, struct spots *s)
{
	char path[PLACE_PATH_SIZE];

	if (place_home(t->proc, t->ref.pid, path))
		add_outside_tmp(s, path, "its home");
}

void spots_find(const struct target *t, struct spots *ret)
{
	ret->n = 0;
	add(ret, "/tmp", "/tmp");
	add(ret, "/var/tmp", "/var/tmp");
	add_cwd(t, ret);
	add_home(t, ret);
	add(ret, "/dev/shm", "/dev/shm");
}

int spot_open(const char *path)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	return strcmp(path, "/tmp") == 0 ? rootpath_tmp(root)
					 : rootpath_open(root, path, O_PATH | O_DIRECTORY);
}

bool spot_join(char dst[PLACE_PATH_SIZE], const char *path, const char *name)
{
	const char *slash = strcmp(path, "/") == 0 ? "" : "/";

	return snprintf(dst, PLACE_PATH_SIZE, "%s%s%s", path, slash, name) < PLACE_PATH_SIZE;
}

static bool is_empty(int root, const char *path)
{
	auto_fd int at = rootpath_open_here(root, path);
	int fd = at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool empty = true;

	if (!d) {
		fd_close(&fd);
		return false;
	}
	while (empty && (e = readdir(d)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return empty;
}

const char *spot_empty_dir(void)
{
	static const char *const list[] = {
		"/mnt",		 "/media",	 "/srv",
		"/opt",		 "/var/opt",	 "/home",
		"/var/lib/misc", "/var/local",	 "/usr/local/games",
		"/usr/games",	 "/usr/src",	 "/usr/local/src",
		"/boot",	 "/var/backups",
	};
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root >= 0 && i < ARRAY_SIZE(list); i++)
		if (is_empty(root, list[i]))
			return list[i];
	return NULL;
}
