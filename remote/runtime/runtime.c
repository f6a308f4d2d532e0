#include "remote/runtime/runtime.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/rootpath.h"
#include "remote/runtime/inside.h"

static bool read_file(const struct runtime_look *l, const char *dir, const char *rest,
		      struct buf *b)
{
	char path[PATH_MAX];
	struct stat st;

	return (size_t)snprintf(path, sizeof(path), "%s/%s", dir, rest) < sizeof(path) &&
	       rootpath_read(l->root, path, b, &st) == 0 &&
	       ((!l->users && st.st_uid == geteuid()) || st.st_uid == l->owner);
}

static bool parse(struct buf *b, struct jsonr *doc)
{
	struct error ignored;

	return !b->overflow && jsonr_parse(doc, buf_str(b), b->len, &ignored) == 0;
}

bool runtime_read(const struct runtime_look *l, const char *dir, const char *rest, struct buf *b,
		  struct jsonr *doc)
{
	return read_file(l, dir, rest, b) && parse(b, doc);
}

bool runtime_read_list(const struct runtime_look *l, const char *dir, const char *rest,
		       struct buf *b, struct jsonr *doc)
{
	buf_adds(b, "{\"list\":");
	if (!read_file(l, dir, rest, b))
		return false;
	buf_adds(b, "}");
	return parse(b, doc);
}

void runtime_text(const struct jsonr *doc, const char *name, char *dst, size_t size)
{
	struct error ignored;

	dst[0] = '\0';
	if (jsonr_string(doc, name, dst, size, &ignored) < 0)
		dst[0] = '\0';
}

static bool named(const char *id, const char *kind, struct runtime_names *ret)
{
	size_t len = strlen(kind);

	if (strncmp(id, kind, len) != 0 || id[len] != ':')
		return false;
	snprintf(ret->runtime, sizeof(ret->runtime), "%s", kind);
	snprintf(ret->name, sizeof(ret->name), "%s", id + len + 1);
	return true;
}

static void search(struct runtime_look *l, const struct procfs *p, pid_t pid,
		   struct runtime_names *ret)
{
	auto_buf struct buf mounts = BUF_INIT(MAX_PROC_FILE);

	/* too large: what is there will do */
	(void)!proc_read_strings(p, pid, "mountinfo", &mounts);
	places_from_mounts(&l->places, buf_str(&mounts), mounts.len, l->id);
	l->owner = keeper_ns_owner(p, pid);
	if (!keeper_find(p, pid, &l->keeper))
		l->keeper = (struct keeper){.kind = KEEPER_NONE};
	if (!runtime_containerd(l, ret) && !runtime_docker(l, ret) && !runtime_storage(l, ret))
		*ret = (struct runtime_names){.name = ""};
}

void runtime_names_of(int rootfd, const struct procfs *p, pid_t pid, const char *id,
		      struct runtime_names *ret)
{
	static const char containerd[] = "containerd:";
	struct runtime_look l = {.root = rootfd, .id = id};
	char ns[CONTAINER_ID_SIZE];
	const char *slash;

	*ret = (struct runtime_names){.name = ""};
	if (str_starts(id, KEEPER_USER)) {
		slash = strchr(id, '/');
		l.id = slash ? slash + 1 : "";
		l.users = true;
	}
	id = l.id;
	if (!*id || strlen(id) >= sizeof(ns) || named(id, "lxc", ret) || named(id, "nspawn", ret))
		return;
	if (str_starts(id, containerd)) {
		snprintf(ns, sizeof(ns), "%s", id + strlen(containerd));
		slash = strchr(ns, '/');
		if (!slash)
			return;
		ns[slash - ns] = '\0';
		l.ns = ns;
		l.id = slash + 1;
	}
	search(&l, p, pid, ret);
}
