#include "remote/runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/rootpath.h"
#include "remote/runtime/inside.h"

struct runtime_search *runtime_search_new(int rootfd, const struct procfs *p)
{
	struct runtime_search *s = xcalloc(1, sizeof(*s));

	*s = (struct runtime_search){.root = rootfd,
				     .p = p,
				     .mounts = BUF_INIT(MAX_RUNTIME_FILE),
				     .bytes = MAX_RUNTIME_BYTES,
				     .ms_left = MAX_RUNTIME_MS};
	return s;
}

void runtime_search_free(struct runtime_search *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->n_lists; i++)
		buf_release(&s->lists[i].text);
	buf_release(&s->mounts);
	free(s);
}

bool runtime_search_spent(const struct runtime_search *s)
{
	return s->spent;
}

/* ---- files ---- */

static int open_elsewhere(struct runtime_search *s, const char *path)
{
	auto_fd int mount = -1;
	char point[PATH_MAX];
	size_t len;

	if (!s->has_mounts && io_read_file(s->p->fd, "self/mountinfo", &s->mounts) < 0)
		buf_reset(&s->mounts);
	s->has_mounts = true;
	if (!places_local_mount(buf_str(&s->mounts), s->mounts.len, path, &len))
		return -EXDEV;
	snprintf(point, sizeof(point), "./%.*s", (int)len, path);
	mount = rootpath_open(s->root, point, O_PATH | O_DIRECTORY);
	return mount < 0 ? STEAL_FD(mount) : rootpath_open_here(mount, path + len + 1);
}

static bool may_own(const struct runtime_look *l, uid_t uid)
{
	return (!l->users && uid == geteuid()) || uid == l->owner;
}

static bool may_read(const struct runtime_look *l, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !may_own(l, st.st_uid) ||
	    (uint64_t)st.st_size > MAX_RUNTIME_FILE)
		return false;
	if ((uint64_t)st.st_size > l->s->bytes)
		l->s->spent = true;
	return !l->s->spent;
}

static bool read_file(const struct runtime_look *l, const char *path, struct buf *b,
		      struct stat *ret_stat)
{
	struct runtime_search *s = l->s;
	size_t before = b->len;
	auto_fd int fd = -1;

	s->spent |= now_ms() >= s->deadline;
	if (s->spent)
		return false;
	fd = l->elsewhere ? open_elsewhere(s, path) : rootpath_open(s->root, path, O_PATH);
	if (fd < 0 || !may_read(l, fd) || rootpath_read_opened(fd, b, ret_stat) < 0)
		return false;
	s->bytes -= b->len - before < s->bytes ? b->len - before : s->bytes;
	return true;
}

static bool parse(struct buf *b, struct jsonr *doc)
{
	struct error ignored;

	return !b->overflow && jsonr_parse(doc, buf_str(b), b->len, &ignored) == 0;
}

bool runtime_read(const struct runtime_look *l, const char *dir, const char *rest, struct buf *b,
		  struct jsonr *doc)
{
	char path[PATH_MAX];
	struct stat st;

	return (size_t)snprintf(path, sizeof(path), "%s/%s", dir, rest) < sizeof(path) &&
	       read_file(l, path, b, &st) && parse(b, doc);
}

static bool keep_list(struct runtime_search *s, const char *path, uid_t uid, struct buf *b)
{
	struct runtime_list *list = &s->lists[s->n_lists];

	if (s->n_lists == MAX_LISTS || !str_copy(list->path, sizeof(list->path), path))
		return false;
	list->uid = uid;
	list->text = *b;
	*b = BUF_INIT(b->max);
	s->n_lists++;
	return true;
}

bool runtime_read_list(const struct runtime_look *l, const char *dir, const char *rest,
		       struct buf *b, struct jsonr *doc)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, rest) >= sizeof(path))
		return false;
	for (unsigned int i = 0; i < l->s->n_lists; i++) {
		const struct runtime_list *list = &l->s->lists[i];

		if (strcmp(list->path, path) != 0)
			continue;
		*doc = (struct jsonr){buf_str(&list->text), list->text.len};
		l->s->spent |= now_ms() >= l->s->deadline;
		return may_own(l, list->uid) && !l->s->spent;
	}
	buf_adds(b, "{\"list\":");
	if (!read_file(l, path, b, &st))
		return false;
	buf_adds(b, "}");
	if (!parse(b, doc))
		return false;
	(void)keep_list(l->s, path, st.st_uid, b); /* doc's text stays where it is */
	return true;
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

static bool search_defaults(const struct runtime_look *l, struct runtime_names *ret)
{
	return runtime_containerd(l, ret) || runtime_docker(l, "/var/lib/docker", ret) ||
	       runtime_storage(l, "/var/lib/containers/storage", ret) || /* podman */
	       runtime_storage(l, "/run/containers/storage", ret);	 /* CRI-O's bundles */
}

static bool search_mounts(const struct runtime_look *l, pid_t pid, struct runtime_names *ret)
{
	auto_buf struct buf mounts = BUF_INIT(MAX_PROC_FILE);
	struct places places = {.n = 0};

	/* too large: what is there will do */
	(void)!proc_read_strings(l->s->p, pid, "mountinfo", &mounts);
	places_from_mounts(&places, buf_str(&mounts), mounts.len, l->id);
	for (unsigned int i = 0; i < places.n; i++)
		if (runtime_docker(l, places.path[i], ret) ||
		    runtime_storage(l, places.path[i], ret))
			return true;
	return false;
}

/* The keeper knows; what is root's by default cannot be led astray; the mounts may. */
static void search(struct runtime_look *l, pid_t pid, struct runtime_names *ret)
{
	struct runtime_look elsewhere;

	l->owner = keeper_ns_owner(l->s->p, pid);
	if (!keeper_find(l->s->p, pid, &l->keeper))
		l->keeper = (struct keeper){.kind = KEEPER_NONE};
	elsewhere = *l;
	elsewhere.elsewhere = true;
	if (!runtime_conmon(&elsewhere, ret) && !runtime_shim(&elsewhere, ret) &&
	    (l->users || !search_defaults(l, ret)) &&
	    (l->s->spent || !search_mounts(&elsewhere, pid, ret)))
		*ret = (struct runtime_names){.name = ""};
}

static void search_in_time(struct runtime_look *l, pid_t pid, struct runtime_names *ret)
{
	struct runtime_search *s = l->s;
	uint64_t start = now_ms(), took;

	if (s->spent)
		return;
	s->deadline = start + s->ms_left;
	search(l, pid, ret);
	took = now_ms() - start;
	s->ms_left -= took < s->ms_left ? took : s->ms_left;
}

void runtime_names_of(struct runtime_search *s, pid_t pid, const char *id,
		      struct runtime_names *ret)
{
	static const char containerd[] = "containerd:";
	struct runtime_look l = {.s = s, .id = id};
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
	search_in_time(&l, pid, ret);
}
