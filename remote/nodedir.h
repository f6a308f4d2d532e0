/*
 * Directories of ours on the node: BASE/.jdiag-ID/ (root, 0700) with
 *	lock	held by flock as long as its capture process lives, which has written into it who it
 *		is: "PID START_TIME\n"
 *	dump/	belongs to the JVM's user and is mounted into its container
 * and what the spool adds (spool/spool.h). A base is one of a few places, or the user's choice: a
 * directory elsewhere is found by a link /run/.jdiag-ID, which nodedir_create makes.
 */
#ifndef REMOTE_NODEDIR_H
#define REMOTE_NODEDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/procfs.h"

#define JDIAG_PREFIX ".jdiag-"
#define JDIAG_ID_DIGITS 16
#define JDIAG_NAME_SIZE (sizeof(JDIAG_PREFIX) + JDIAG_ID_DIGITS)

#define NODEDIR_RUN "/run" /* a base for rings alone: memory */

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
 * free bytes, and in this order where they have the same. ERR_NODE when there is none.
 */
int nodedir_choose(const char *forced, struct nodedir_base *ret, struct error *err) must_check;

/* Whether a place is taken for its free bytes, although another comes first. Between two looks at
 * one disk others write to it: a difference that they can make is none. */
bool nodedir_has_more(uint64_t free, uint64_t first);

/* All of these places, and /run. fn's non-zero return ends it and is returned. */
int nodedir_each_base(int (*fn)(void *ctx, const char *path), void *ctx);

/* ---- one's own ---- */

struct nodedir {
	char path[320];
	char name[JDIAG_NAME_SIZE];
	int base, dir, dump, lock;
};

#define NODEDIR_INIT ((struct nodedir){.base = -1, .dir = -1, .dump = -1, .lock = -1})

/* ERR_NODE; err->sys is EEXIST when there is one of this name in the base already. The lock is held
 * until the last copy of n->lock is closed: a process that forks another for the capture closes its
 * own. */
int nodedir_create(struct nodedir *n, const struct nodedir_base *base, const char *name, uid_t uid,
		   gid_t gid, struct error *err) must_check;

/* Note in the lock that it is this process that holds it, for nodedir_signal. */
int nodedir_note_pid(const struct nodedir *n, const struct procfs *p, struct error *err) must_check;

/* Remove it with all that is in it, and close. NODEDIR_INIT is fine. On failure n is closed too. */
int nodedir_remove(struct nodedir *n, struct error *err) must_check;

/* Remove one entry of it with all that is in that, as nodedir_delete does. 0 or -errno. */
int nodedir_remove_inside(const struct nodedir *n, const char *name) must_check;

/* ---- anybody's ---- */

struct nodedir_found {
	char path[320];
	char name[JDIAG_NAME_SIZE];
	int dir; /* the callback's to steal */
};

/* Every directory of ours, in every base. fn's non-zero return ends it and is returned. fn may
 * delete the directory. */
int nodedir_each(int (*fn)(void *ctx, struct nodedir_found *f), void *ctx);

/* The one of that name; the caller closes ret->dir. 0 or -ENOENT. */
int nodedir_find(const char *name, struct nodedir_found *ret) must_check;

/* NULL when its capture process is dead, else why it is kept. */
const char *nodedir_keep_reason(int dir);

/* Send a signal to the process that holds its lock: the one that noted itself there, if it still
 * runs and the lock is held. 0 also when there is none. -errno. */
int nodedir_signal(int dir, int sig) must_check;

/* Remove it with all that is in it. A JVM that hangs in opening one of its FIFOs goes on. 0 or
 * -errno. */
int nodedir_delete(const char *path) must_check;

/* Is this name a directory, in one of the bases, whose capture process lives? */
bool nodedir_is_live(const char *name);

/* Does the directory in parent (O_PATH) look like one of a node, and not like a container's? It is
 * the node's sweep's then. */
bool nodedir_is_one(int parent, const char *name);

#endif
