/* remote: the path of a file that was placed, which the client hands back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/place/place.h"
#include "remote/place/spots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken apart has a name of ours, and is what it was when it is put together. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[PLACE_PATH_SIZE], name[PLACE_NAME_SIZE], again[PLACE_PATH_SIZE + 200];
	auto_free char *path = xstrndup((const char *)data, size);
	bool below;

	if (!place_path_split(path, dir, name, &below))
		return 0;
	if (!place_name_is(name) || strchr(name, '/') || dir[0] != '/')
		abort();
	snprintf(again, sizeof(again), "%s%s/%s", strcmp(dir, "/") == 0 && below ? "" : dir,
		 below ? "/" PLACE_DIR : "", name);
	if (strcmp(again, path) != 0)
		abort();
	return 0;
}
