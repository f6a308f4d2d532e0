/* The directories of a container in which ours may be made, in the order of preference. */
#ifndef REMOTE_PLACE_SPOTS_H
#define REMOTE_PLACE_SPOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/place/place.h"
#include "remote/target.h"

#define MAX_SPOTS 5

struct spot {
	char path[PLACE_PATH_SIZE]; /* as the JVM sees it */
	const char *name;	    /* for people; static */
};

struct spots {
	struct spot list[MAX_SPOTS];
	size_t n;
};

/* /tmp, /var/tmp, the working directory, the home, /dev/shm. A path with "=" (which ends the name
 * of an agent) or with anything but printable ASCII (which depends on the JVM's locale) is none. */
void spots_find(const struct target *t, struct spots *ret);

/* In the child, which has the container's root: O_PATH of that directory, or -errno. */
int spot_open(const char *path) must_check;

/* path + "/" + name; false when it is too long. */
bool spot_join(char dst[PLACE_PATH_SIZE], const char *path, const char *name) must_check;

/* The first empty directory of the image that the own user can look into: in the child with the
 * JVM's credentials. NULL: none. */
const char *spot_empty_dir(void);

#endif
