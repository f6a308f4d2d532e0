/* Where runtimes keep their files, by the mounts of a container (proc(5), mountinfo). */
#include <string.h>

#include "remote/base/str.h"
#include "remote/runtime/inside.h"

void places_add(struct places *p, const char *path, size_t len)
{
	char copy[PLACE_SIZE];

	if (len < 2 || len >= sizeof(copy) || path[0] != '/' || memchr(path, '\0', len) ||
	    p->n == MAX_PLACES)
		return;
	memcpy(copy, path, len);
	copy[len] = '\0';
	for (unsigned int i = 0; i < p->n; i++)
		if (strcmp(p->path[i], copy) == 0)
			return;
	memcpy(p->path[p->n++], copy, len + 1);
}

/* Who writes a pod chooses what lies there, and parts of the path. */
static bool is_volume(const char *path, size_t len)
{
	static const char kubelet[] = "/var/lib/kubelet/";
	static const char *const inside[] = {"/kubernetes.io~", "/volume-subpaths/"};

	if (len >= strlen(kubelet) && memcmp(path, kubelet, strlen(kubelet)) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		if (memmem(path, len, inside[i], strlen(inside[i])))
			return true;
	return false;
}

/* The part of a path before a directory that runtimes have in their roots. */
static void add_root_of(struct places *p, const char *path, size_t len, const char *id)
{
	/* docker's overlay2 and vfs, podman's overlay; the others for each of them */
	static const char *const inside[] = {"/overlay2/", "/overlay/", "/vfs/dir/",
					     "/fuse-overlayfs/", "/btrfs/subvolumes/"};
	static const char containers[] = "/containers/";
	size_t n = strlen(containers), id_len = strlen(id);
	const char *at;

	if (is_volume(path, len))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		at = memmem(path, len, inside[i], strlen(inside[i]));
		if (at)
			places_add(p, path, (size_t)(at - path));
	}
	/* what docker binds over /etc/hostname, whatever its storage is */
	at = memmem(path, len, containers, n);
	if (at && (size_t)(path + len - at) > n + id_len && memcmp(at + n, id, id_len) == 0 &&
	    at[n + id_len] == '/')
		places_add(p, path, (size_t)(at - path));
}

static bool is_octal(const char *s, const char *end)
{
	for (int i = 0; i < 3; i++, s++)
		if (s == end || *s < '0' || *s > '7')
			return false;
	return true;
}

/* Up to an end of the field, \040 and its like turned back; 0 when it does not fit. */
static size_t take_path(const char *s, const char *end, char stop, char dst[PLACE_SIZE * 2])
{
	size_t n = 0;

	while (s < end && *s != ' ' && *s != stop) {
		char c = *s++;

		if (c == '\\' && is_octal(s, end)) {
			c = (char)((s[0] - '0') * 64 + (s[1] - '0') * 8 + (s[2] - '0'));
			s += 3;
		}
		if (n + 1 >= PLACE_SIZE * 2)
			return 0;
		dst[n++] = c;
	}
	return n;
}

struct line {
	char root[PLACE_SIZE * 2], point[PLACE_SIZE * 2]; /* not terminated */
	size_t root_len, point_len;
	const char *type, *super; /* in the text: the options of the file system */
	size_t type_len;
};

static const char *next_field(const char *s, const char *end)
{
	s = s ? memchr(s, ' ', (size_t)(end - s)) : NULL;
	return s ? s + 1 : NULL;
}

static bool split(const char *line, const char *end, struct line *ret)
{
	static const char dash[] = " - ";
	const char *root = next_field(next_field(next_field(line, end), end), end);
	const char *point = next_field(root, end), *blank;

	if (!point)
		return false;
	ret->root_len = take_path(root, end, ' ', ret->root);
	ret->point_len = take_path(point, end, ' ', ret->point);
	ret->type = memmem(point, (size_t)(end - point), dash, strlen(dash));
	if (!ret->type)
		return false;
	ret->type += strlen(dash);
	blank = memchr(ret->type, ' ', (size_t)(end - ret->type));
	ret->type_len = blank ? (size_t)(blank - ret->type) : 0;
	ret->super = next_field(next_field(ret->type, end), end);
	return ret->super != NULL;
}

static bool is_type(const struct line *l, const char *type)
{
	return l->type_len == strlen(type) && memcmp(l->type, type, l->type_len) == 0;
}

static bool is_at(const struct line *l, const char *point)
{
	return l->point_len == strlen(point) && memcmp(l->point, point, l->point_len) == 0;
}

static void look_at_overlay(struct places *p, const struct line *l, const char *end, const char *id)
{
	static const char upper[] = "upperdir=";
	char path[PLACE_SIZE * 2];

	for (const char *s = l->super, *comma; s; s = comma ? comma + 1 : NULL) {
		comma = memchr(s, ',', (size_t)(end - s));
		if ((size_t)(end - s) > strlen(upper) && memcmp(s, upper, strlen(upper)) == 0)
			add_root_of(p, path, take_path(s + strlen(upper), end, ',', path), id);
	}
}

void places_from_mounts(struct places *p, const char *mountinfo, size_t len, const char *id)
{
	const char *line = mountinfo, *end = mountinfo + len, *nl;
	struct line l;

	for (; line < end && (nl = memchr(line, '\n', (size_t)(end - line))); line = nl + 1) {
		if (!split(line, nl, &l) || (!is_at(&l, "/") && !is_at(&l, "/etc/hostname")))
			continue;
		add_root_of(p, l.root, l.root_len, id);
		if (is_at(&l, "/") && is_type(&l, "overlay"))
			look_at_overlay(p, &l, nl, id);
	}
}

/* ---- the node's own mounts ---- */

static bool is_local(const struct line *l)
{
	static const char *const types[] = {"ext2",   "ext3",	 "ext4",    "xfs",   "btrfs",
					    "zfs",    "f2fs",	 "jfs",	    "tmpfs", "ramfs",
					    "rootfs", "overlay", "bcachefs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (is_type(l, types[i]))
			return true;
	return false;
}

/* "/" is 0 long. */
static bool is_above(const struct line *l, const char *path, size_t *len)
{
	*len = is_at(l, "/") ? 0 : l->point_len;
	return l->point_len && memcmp(l->point, "/", 1) == 0 && strlen(path) > *len &&
	       memcmp(path, l->point, *len) == 0 && path[*len] == '/';
}

bool places_local_mount(const char *mountinfo, size_t len, const char *path, size_t *ret)
{
	const char *line = mountinfo, *end = mountinfo + len, *nl;
	bool found = false;
	struct line l;
	size_t n;

	*ret = 0;
	for (; line < end && (nl = memchr(line, '\n', (size_t)(end - line))); line = nl + 1) {
		if (!split(line, nl, &l) || !is_above(&l, path, &n))
			continue;
		if (!is_local(&l))
			return false;
		*ret = n > *ret ? n : *ret;
		found = true;
	}
	return found;
}
