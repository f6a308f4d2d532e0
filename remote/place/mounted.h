/*
 * A tmpfs of ours in a container where no directory can be written: nosuid, nodev, of the
 * JVM's user alone, and read-only as a file system, so that nobody in the container fills it. Its
 * memory is not the container's: who writes it is the helper's child. It goes away with the
 * container's mount namespace. Kernel 5.6: what is covered must be proved to be no mount of
 * somebody else's.
 */
#ifndef REMOTE_PLACE_MOUNTED_H
#define REMOTE_PLACE_MOUNTED_H

#include <stdbool.h>

#include "remote/base/error.h"
#include "remote/target.h"

struct agent_mount {
	int fd;		 /* O_PATH of its root; -1: none */
	int lock;	 /* the same, flocked, or -1 */
	bool attached;	 /* it has its place in the container */
	bool is_new;	 /* made by us now */
	char point[512]; /* where */
};

#define AGENT_MOUNT_INIT ((struct agent_mount){.fd = -1, .lock = -1})

/* One that is there already, for this JVM's user: on `point` if not NULL. False: none. */
bool agent_mount_find(const struct target *t, const char *point, struct agent_mount *ret);

struct mount_line;

/* The one of a line of mountinfo, whoever's it is: t->jvm.uid and gid become its owner's. Close it
 * in any case. */
bool agent_mount_open(struct target *t, const struct mount_line *line, struct agent_mount *ret);

/* The JVMs of a container share it. ERR_REFUSED when another helper is at it; until it is closed.
 */
int agent_mount_lock(struct agent_mount *m, struct error *err) must_check;

/* A new one, writable, nowhere yet. */
int agent_mount_make(const struct target *t, struct agent_mount *ret, struct error *err) must_check;

/* Its contents can be changed, or cannot: the file system's, or where that is not possible while a
 * file that was replaced is open, the mount's; before kernel 5.12 it stays writable then, with a
 * warning, until the next run or tidy. */
int agent_mount_writable(const struct target *t, const struct agent_mount *m, bool writable,
			 struct error *err) must_check;

/* Put it on an empty directory of the image. ERR_NODE, err->sys EROFS: there is none. */
int agent_mount_attach(const struct target *t, struct agent_mount *m, struct error *err) must_check;

/* Take it away; one that is attached nowhere goes with its descriptor. */
int agent_mount_remove(const struct target *t, struct agent_mount *m, struct error *err) must_check;

void agent_mount_close(struct agent_mount *m);

#endif
