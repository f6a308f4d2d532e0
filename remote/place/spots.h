/* The directories of a container in which ours may be made, in the order of preference. */
#ifndef REMOTE_PLACE_SPOTS_H
#define REMOTE_PLACE_SPOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "remote/place/place.h"
#include "remote/target.h"

#define MAX_SPOTS 5
#define MAX_OWN_TMPFS 32

struct spot {
	char path[PLACE_PATH_SIZE]; /* as the JVM sees it */
	const char *name;	    /* for people; static */
};

struct spots {
	struct spot list[MAX_SPOTS];
	size_t n;
	dev_t own[MAX_OWN_TMPFS]; /* tmpfs that no other mount namespace has */
	size_t n_own;
	uid_t root; /* whom the container calls root */
};

/* /tmp, /var/tmp, the working directory, the home, /dev/shm. A path with "=" (which ends the name
 * of an agent) or with anything but printable ASCII (which depends on the JVM's locale) is none. */
void spots_find(const struct target *t, struct spots *ret);

/* Host view; 0 when it has no user namespace of its own, or maps nobody to it. */
uid_t spots_root(const struct target *t);

/* In the child, which has the container's root: O_PATH of that directory, or -errno. */
int spot_open(const char *path) must_check;

/*
 * May something of ours lie in it that nobody is to exchange? By the identity that the child has.
 * -EPERM: it is neither the own user's nor a root's, or others can write to it (and it has no
 * sticky bit). -EXDEV unless `shared`: others may have it as well, as it is neither on the mount of
 * the container's root nor one of s->own.
 */
int spot_check(const struct spots *s, int dir, bool shared) must_check;

/* path + "/" + name; false when it is too long. */
bool spot_join(char dst[PLACE_PATH_SIZE], const char *path, const char *name) must_check;

/* Can it be told to a JVM as (a part of) the path of an agent? */
bool spot_is_plain(const char *path);

/* O_PATH of the first empty directory of the image that the own user can look into: in the child
 * with the JVM's credentials. -ENOENT: none; -ENOSYS before kernel 5.6. */
int spot_empty_dir(const char **ret) must_check;

#endif
