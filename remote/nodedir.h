/*
 * A directory of ours on one of the node's disks: BASE/.jdiag-ID/ (root, 0700) with `lock`, held by
 * flock as long as its helper lives, and `dump/`, which belongs to the JVM's user and is mounted
 * into its container.
 */
#ifndef REMOTE_NODEDIR_H
#define REMOTE_NODEDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"

#define JDIAG_PREFIX ".jdiag-"
#define JDIAG_ID_DIGITS 16
#define JDIAG_NAME_SIZE (sizeof(JDIAG_PREFIX) + JDIAG_ID_DIGITS)

/* ".jdiag-" and 16 random hexadecimal digits. */
int jdiag_name_new(char name[JDIAG_NAME_SIZE], struct error *err) must_check;

/* Is it such a name? */
bool jdiag_name_is(const char *name);

struct nodedir_base {
	char path[256];
	uint64_t free; /* bytes */
};

/*
 * Where such a directory would be made: forced (a directory of root's) unless "", else the best of
 * /var/lib, /var/tmp, /mnt/stateful_partition, /mnt/disks/... and /tmp: a writable disk, the most
 * free bytes. ERR_NODE when there is none.
 */
int nodedir_choose(const char *forced, struct nodedir_base *ret, struct error *err) must_check;

struct nodedir {
	char path[320];
	char name[JDIAG_NAME_SIZE];
	int base, dir, dump, lock;
};

#define NODEDIR_INIT ((struct nodedir){.base = -1, .dir = -1, .dump = -1, .lock = -1})

int nodedir_create(struct nodedir *n, const struct nodedir_base *base, const char *name, uid_t uid,
		   gid_t gid, struct error *err) must_check;

/* Remove it with all that is in it, and close. NODEDIR_INIT is fine. On failure n is closed too. */
int nodedir_remove(struct nodedir *n, struct error *err) must_check;

/* Is this name a directory, in one of the bases, whose helper lives? */
bool nodedir_is_live(const char *name);

/* Does the directory in parent (O_PATH) look like one of a node, and not like a container's? It is
 * nodedir_sweep's then. */
bool nodedir_is_one(int parent, const char *name);

/* Find the directories that dead helpers left. For each, fn is told the path and why it is kept
 * (NULL: it was removed, or would be if dry). */
void nodedir_sweep(bool dry, void (*fn)(void *ctx, const char *path, const char *kept), void *ctx);

#endif
