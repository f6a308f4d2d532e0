/* Fuzzes remote/cgroup.c: /proc/PID/cgroup, whose names a privileged container can choose. */
#include "remote/cgroup.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char path[PATH_MAX], id[CONTAINER_ID_SIZE];

	if (cgroup_pick_path((const char *)data, size, path, sizeof(path)) < 0)
		return 0;
	if (path[0] != '/' || memchr(path, '\0', sizeof(path)) == NULL)
		abort();
	/* What was found is found again; nothing is found where there is nothing. */
	if (cgroup_path_container(path, id) != (id[0] != '\0'))
		abort();
	if (id[0] && !cgroup_path_has(path, id))
		abort();
	if (cgroup_path_has(path, ""))
		abort();
	return 0;
}
