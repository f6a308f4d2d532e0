#include "remote/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/rootpath.h"

#define HEX_ID_LEN 64

/* ---- ids in paths ---- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Anything that cannot be part of a word: the runtimes use '/', '-', ':' and '.', the kernel puts
 * " (deleted)" behind. */
static bool is_delimiter(char c)
{
	return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		 c == '_');
}

/* crio-conmon-ID.scope, libpod-conmon-ID.scope: the monitor, which is outside of the container. */
static bool is_conmon(const char *path, const char *id)
{
	static const char word[] = "conmon-";
	size_t len = sizeof(word) - 1;

	return (size_t)(id - path) >= len && memcmp(id - len, word, len) == 0;
}

/* The next delimited run of 64 hexadecimal digits at or behind s, or NULL. */
static const char *next_hex_id(const char *path, const char *s)
{
	while (*s) {
		size_t n = 0;

		while (is_hex(s[n]))
			n++;
		if (n == HEX_ID_LEN && (s == path || is_delimiter(s[-1])) &&
		    (!s[n] || is_delimiter(s[n])) && !is_conmon(path, s))
			return s;
		s += n ? n : 1;
	}
	return NULL;
}

/* "KIND:NAME" of one component, given the one before it. */
static bool named_container(const char *comp, size_t len, const char *before, size_t before_len,
			    char id[CONTAINER_ID_SIZE])
{
	static const char payload[] = "lxc.payload.", machine[] = "machine-", scope[] = ".scope";
	const char *kind = "lxc";

	if (len > strlen(payload) && memcmp(comp, payload, strlen(payload)) == 0) {
		comp += strlen(payload);
		len -= strlen(payload);
	} else if (before_len == 3 && memcmp(before, "lxc", 3) == 0) {
		/* lxc 3 and older: /lxc/NAME */
	} else if (len > strlen(machine) + strlen(scope) &&
		   memcmp(comp, machine, strlen(machine)) == 0 &&
		   memcmp(comp + len - strlen(scope), scope, strlen(scope)) == 0) {
		kind = "nspawn";
		comp += strlen(machine);
		len -= strlen(machine) + strlen(scope);
	} else {
		return false;
	}
	if (len == 0 || strlen(kind) + 1 + len >= CONTAINER_ID_SIZE)
		return false;
	snprintf(id, CONTAINER_ID_SIZE, "%s:%.*s", kind, (int)len, comp);
	return true;
}

/* The innermost named container; *next moves behind each component. */
static bool next_named(const char **next, const char **before, size_t *before_len,
		       char id[CONTAINER_ID_SIZE])
{
	while (**next) {
		const char *comp = *next + strspn(*next, "/");
		size_t len = strcspn(comp, "/");
		bool found = named_container(comp, len, *before, *before_len, id);

		*next = comp + len;
		*before = comp;
		*before_len = len;
		if (found)
			return true;
	}
	return false;
}

bool cgroup_path_container(const char *path, char id[CONTAINER_ID_SIZE])
{
	const char *last = NULL, *before = "", *next = path;
	size_t before_len = 0;
	bool named = false;

	for (const char *s = path; (s = next_hex_id(path, s)) != NULL; s += HEX_ID_LEN)
		last = s;
	if (last) {
		memcpy(id, last, HEX_ID_LEN);
		id[HEX_ID_LEN] = '\0';
		return true;
	}
	id[0] = '\0';
	while (next_named(&next, &before, &before_len, id))
		named = true;
	return named;
}

bool cgroup_path_has(const char *path, const char *id)
{
	const char *before = "", *next = path;
	char name[CONTAINER_ID_SIZE];
	size_t before_len = 0;

	for (const char *s = path; (s = next_hex_id(path, s)) != NULL; s += HEX_ID_LEN)
		if (strlen(id) == HEX_ID_LEN && memcmp(s, id, HEX_ID_LEN) == 0)
			return true;
	while (next_named(&next, &before, &before_len, name))
		if (strcmp(name, id) == 0)
			return true;
	return false;
}

/* ---- /proc/PID/cgroup ---- */

struct cgroup_line {
	const char *controllers, *path; /* not terminated */
	size_t controllers_len, path_len;
};

/* "ID:CONTROLLERS:PATH\n" at *s, which moves behind it. The path may hold colons. */
static bool take_line(const char **s, const char *end, struct cgroup_line *ret)
{
	const char *nl = memchr(*s, '\n', (size_t)(end - *s)), *colon;

	if (!nl)
		return false;
	colon = memchr(*s, ':', (size_t)(nl - *s));
	if (!colon)
		return false;
	ret->controllers = colon + 1;
	colon = memchr(ret->controllers, ':', (size_t)(nl - ret->controllers));
	if (!colon || colon + 1 == nl || colon[1] != '/')
		return false;
	ret->controllers_len = (size_t)(colon - ret->controllers);
	ret->path = colon + 1;
	ret->path_len = (size_t)(nl - ret->path);
	*s = nl + 1;
	return memchr(ret->path, '\0', ret->path_len) == NULL;
}

/* Is name in the comma-separated list? "" is in the empty list, which is cgroup v2's. */
static bool has_controller(const struct cgroup_line *l, const char *name)
{
	size_t len = strlen(name), left = l->controllers_len;
	const char *s = l->controllers;

	while (left >= len) {
		const char *comma = memchr(s, ',', left);
		size_t n = comma ? (size_t)(comma - s) : left;

		if (n == len && memcmp(s, name, len) == 0)
			return true;
		if (!comma)
			return false;
		s += n + 1;
		left -= n + 1;
	}
	return false;
}

/* The path of the first line that holds the controller (NULL: any line; from then only those with
 * a container). 1 found, 0 not, -errno. */
static int controller_path(const char *text, size_t len, const char *controller,
			   bool need_container, char *ret, size_t size)
{
	const char *s = text, *end = text + len;
	struct cgroup_line l;

	while (s < end) {
		char path[PATH_MAX], id[CONTAINER_ID_SIZE];

		if (!take_line(&s, end, &l))
			return -EPROTO;
		if (controller && !has_controller(&l, controller))
			continue;
		if (l.path_len >= sizeof(path) || l.path_len >= size)
			return -ENAMETOOLONG;
		memcpy(path, l.path, l.path_len);
		path[l.path_len] = '\0';
		if (need_container && !cgroup_path_container(path, id))
			continue;
		memcpy(ret, path, l.path_len + 1);
		return 1;
	}
	return 0;
}

int cgroup_pick_path(const char *text, size_t len, char *ret, size_t size)
{
	static const char *const order[] = {"", "name=systemd", "memory", "pids", NULL};

	/* On hybrid nodes the runtime may use only one of the hierarchies: docker without systemd
	 * leaves 0:: at "/". So a line that names a container goes before one that does not. */
	for (int need = 1; need >= 0; need--) {
		for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
			int r = controller_path(text, len, order[i], need, ret, size);

			if (r)
				return r < 0 ? r : 0;
		}
	}
	return -EPROTO;
}

static int read_cgroup(const struct procfs *p, pid_t pid, struct buf *b)
{
	return proc_read_strings(p, pid, "cgroup", b);
}

int cgroup_read_path(const struct procfs *p, pid_t pid, char *ret, size_t size)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	int r = read_cgroup(p, pid, &b);

	return r < 0 ? r : cgroup_pick_path(buf_str(&b), b.len, ret, size);
}

int cgroup_container_of(const struct procfs *p, pid_t pid, char id[CONTAINER_ID_SIZE])
{
	char path[PATH_MAX];
	int r = cgroup_read_path(p, pid, path, sizeof(path));

	if (r < 0)
		return r;
	if (!cgroup_path_container(path, id))
		id[0] = '\0';
	return 0;
}

/* ---- the directories of its limits ---- */

struct walk {
	int (*fn)(void *ctx, int dir, bool v2);
	void *ctx;
	bool v2;
};

/* From the process's cgroup up to the root of the hierarchy. */
static bool walk_up(int root, char *path, const struct walk *w)
{
	bool found = false;

	for (;;) {
		auto_fd int dir = rootpath_open(root, *path ? path : "/", O_PATH | O_DIRECTORY);
		char *slash;

		if (dir >= 0 && w->fn(w->ctx, dir, w->v2))
			found = true;
		slash = strrchr(path, '/');
		if (!slash)
			return found;
		*slash = '\0';
	}
}

static bool walk_hierarchy(const char *root, const char *below, const char *path,
			   const struct walk *w)
{
	char dir[PATH_MAX], copy[PATH_MAX];
	auto_fd int fd = -1;

	if (!str_copy(copy, sizeof(copy), path) ||
	    (size_t)snprintf(dir, sizeof(dir), "%s%s", root, below) >= sizeof(dir))
		return false;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && walk_up(fd, copy, w);
}

bool cgroup_each_level(const struct procfs *p, pid_t pid, const char *root, const char *controller,
		       int (*fn)(void *ctx, int dir, bool v2), void *ctx)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	const struct walk v1 = {fn, ctx, false}, v2 = {fn, ctx, true};
	char path[PATH_MAX], below[64];

	if (!root)
		root = "/sys/fs/cgroup";
	snprintf(below, sizeof(below), "/%s", controller);
	if (read_cgroup(p, pid, &b) < 0)
		return false;
	if (controller_path(buf_str(&b), b.len, controller, false, path, sizeof(path)) == 1 &&
	    walk_hierarchy(root, below, path, &v1))
		return true;
	return controller_path(buf_str(&b), b.len, "", false, path, sizeof(path)) == 1 &&
	       (walk_hierarchy(root, "", path, &v2) || walk_hierarchy(root, "/unified", path, &v2));
}
