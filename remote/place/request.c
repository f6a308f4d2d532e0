#include <stdio.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/place/place.h"

bool place_name_is(const char *name)
{
	return strlen(name) < PLACE_NAME_SIZE && *name != '.' &&
	       str_only(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			      "0123456789._-");
}

bool place_path_split(const char *path, char dir[PLACE_PATH_SIZE], char name[PLACE_NAME_SIZE],
		      bool *ret_below)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	bool below;

	if (*path != '/' || strstr(path, "//") || len >= PLACE_PATH_SIZE ||
	    !place_name_is(slash + 1))
		return false;
	below = len > strlen(PLACE_DIR) &&
		strncmp(slash - strlen("/" PLACE_DIR), "/" PLACE_DIR, strlen("/" PLACE_DIR)) == 0;
	if (below)
		len -= strlen("/" PLACE_DIR);
	if (!below && !len)
		return false;
	snprintf(dir, PLACE_PATH_SIZE, "%.*s", (int)len, path);
	if (!len)
		snprintf(dir, PLACE_PATH_SIZE, "/");
	snprintf(name, PLACE_NAME_SIZE, "%s", slash + 1);
	*ret_below = below;
	return true;
}

int place_request_check(const struct place_request *r, struct error *err)
{
	char dir[PLACE_PATH_SIZE], name[PLACE_NAME_SIZE];
	bool below;

	if (!place_name_is(r->name))
		return error_set(err, ERR_USAGE, "'%s' is no name for a file in a container",
				 r->name);
	if (!r->size || r->size > MAX_PLACED)
		return error_set(err, ERR_USAGE, "'%s' has %llu bytes; 1 to %lu can be placed",
				 r->name, (unsigned long long)r->size, MAX_PLACED);
	if (strlen(r->sha256) != SHA256_HEX_SIZE - 1 || !str_only(r->sha256, "0123456789abcdef"))
		return error_set(err, ERR_USAGE, "'sha256' is not the digest of a file");
	if (!*r->path)
		return 0;
	if (!place_path_split(r->path, dir, name, &below) || strcmp(name, r->name) != 0)
		return error_set(err, ERR_USAGE, "'%s' is not where '%s' was placed", r->path,
				 r->name);
	return 0;
}
