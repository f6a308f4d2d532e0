#include "remote/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define MAX_ANCESTORS 64

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define HEX_ID_LEN 64
/* What containerd lets ids and namespaces consist of. */
#define NAME_CHARS LOWER DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-"

/* The target of a link in the process's directory, NUL-terminated; false: none, or too long. */
static bool read_link(const struct procfs *p, pid_t pid, const char *name, char *dst, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	n = readlinkat(p->fd, path, dst, size);
	if (n <= 0 || (size_t)n >= size)
		return false;
	dst[n] = '\0';
	return true;
}

uid_t keeper_ns_owner(const struct procfs *p, pid_t pid)
{
	uid_t owner = (uid_t)-1;
	auto_fd int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, NS_GET_OWNER_UID, &owner) < 0)
		return (uid_t)-1;
	return owner;
}

/* ---- command lines ---- */

/* The argument behind the option; NULL when it is not there. */
static const char *option(const char *cmdline, size_t len, const char *name)
{
	const char *s = cmdline, *end = cmdline + len;
	bool next = false;

	while (s < end) {
		size_t n = strnlen(s, (size_t)(end - s));

		if (s + n == end) /* cut */
			return NULL;
		if (next)
			return s;
		next = strcmp(s, name) == 0;
		s += n + 1;
	}
	return NULL;
}

static bool take_name(const char *text, char *dst, size_t size)
{
	return text && *text && *text != '.' && str_only(text, NAME_CHARS) &&
	       str_copy(dst, size, text);
}

/* Anything else could be what another container is called, which is not for a user to choose. */
static bool take_hex_id(const char *text, char *dst, size_t size)
{
	return text && strlen(text) == HEX_ID_LEN && str_only(text, DIGITS "abcdef") &&
	       str_copy(dst, size, text);
}

bool keeper_parse(enum keeper_kind kind, const char *cmdline, size_t len, struct keeper *ret)
{
	struct keeper k = {.kind = kind};
	const char *dir;

	if (kind == KEEPER_SHIM) {
		if (!take_name(option(cmdline, len, "-namespace"), k.ns, sizeof(k.ns)) ||
		    !take_name(option(cmdline, len, "-id"), k.id, sizeof(k.id)))
			return false;
	} else {
		if (!take_hex_id(option(cmdline, len, "-c"), k.id, sizeof(k.id)))
			return false;
		dir = option(cmdline, len, "-b");
		if (!dir || dir[0] != '/' || !str_copy(k.dir, sizeof(k.dir), dir))
			k.dir[0] = '\0';
	}
	*ret = k;
	return true;
}

/* ---- ancestors ---- */

static enum keeper_kind kind_of(const struct procfs *p, pid_t pid)
{
	char exe[PATH_MAX];
	const char *name;

	if (!read_link(p, pid, "exe", exe, sizeof(exe)))
		return KEEPER_NONE;
	name = strrchr(exe, '/');
	if (!name)
		return KEEPER_NONE;
	if (str_starts(name, "/containerd-shim"))
		return KEEPER_SHIM;
	return strcmp(name, "/conmon") == 0 ? KEEPER_CONMON : KEEPER_NONE;
}

static bool look_at(const struct procfs *p, pid_t pid, const struct proc_status *st, uid_t owner,
		    struct keeper *ret)
{
	auto_buf struct buf b = BUF_INIT(64 * KiB);
	enum keeper_kind kind;

	if (st->ns_levels != 1 || (st->euid != 0 && st->euid != owner))
		return false;
	kind = kind_of(p, pid);
	if (kind == KEEPER_NONE || proc_read_strings(p, pid, "cmdline", &b) < 0 ||
	    !keeper_parse(kind, buf_str(&b), b.len, ret))
		return false;
	ret->uid = st->euid;
	if (kind == KEEPER_SHIM && !read_link(p, pid, "cwd", ret->dir, sizeof(ret->dir)))
		ret->dir[0] = '\0';
	return true;
}

bool keeper_find(const struct procfs *p, pid_t pid, struct keeper *ret)
{
	uid_t owner = keeper_ns_owner(p, pid);
	struct proc_status st;

	for (int i = 0; i < MAX_ANCESTORS; i++) {
		if (proc_read_status(p, pid, &st) < 0)
			return false;
		if (i > 0 && look_at(p, pid, &st, owner, ret))
			return true;
		if (st.ppid <= 1)
			return false;
		pid = st.ppid;
	}
	return false;
}

bool keeper_name(const struct keeper *k, char id[CONTAINER_ID_SIZE])
{
	char user[32] = "";
	int n;

	if (k->uid != 0)
		snprintf(user, sizeof(user), KEEPER_USER "%u/", (unsigned int)k->uid);
	if (k->kind == KEEPER_CONMON)
		n = snprintf(id, CONTAINER_ID_SIZE, "%s%s", user, k->id);
	else
		n = snprintf(id, CONTAINER_ID_SIZE, "%scontainerd:%s/%s", user, k->ns, k->id);
	if (n < CONTAINER_ID_SIZE)
		return true;
	id[0] = '\0';
	return false;
}

int keeper_container_of(const struct procfs *p, pid_t pid, char id[CONTAINER_ID_SIZE])
{
	int r = cgroup_container_of(p, pid, id);
	struct keeper k;

	if (r == 0 && !*id && keeper_find(p, pid, &k))
		(void)keeper_name(&k, id);
	return r;
}
