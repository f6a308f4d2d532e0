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

/* The part of a path before a directory that runtimes have in their roots. */
static void add_root_of(struct places *p, const char *path, size_t len, const char *id)
{
	/* docker's overlay2 and vfs, podman's overlay; the others for each of them */
	static const char *const inside[] = {"/overlay2/", "/overlay/", "/vfs/dir/",
					     "/fuse-overlayfs/", "/btrfs/subvolumes/"};
	static const char containers[] = "/containers/";
	size_t n = strlen(containers), id_len = strlen(id);
	const char *at;

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

static void look_at_line(struct places *p, const char *line, const char *end, const char *id)
{
	static const char upper[] = "upperdir=";
	char path[PLACE_SIZE * 2];
	const char *s = line;

	for (int field = 1; field < 4 && s; field++) {
		s = memchr(s, ' ', (size_t)(end - s));
		s = s ? s + 1 : NULL;
	}
	if (!s)
		return;
	add_root_of(p, path, take_path(s, end, ' ', path), id);
	s = memmem(s, (size_t)(end - s), upper, strlen(upper));
	if (s)
		add_root_of(p, path, take_path(s + strlen(upper), end, ',', path), id);
}

void places_from_mounts(struct places *p, const char *mountinfo, size_t len, const char *id)
{
	const char *line = mountinfo, *end = mountinfo + len, *nl;

	for (; line < end && (nl = memchr(line, '\n', (size_t)(end - line))) != NULL; line = nl + 1)
		look_at_line(p, line, nl, id);
}
