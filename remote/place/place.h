/*
 * Files of ours in a container that stay as long as it does: agents and their configurations
 * (PROTOCOL.md `place` and `unplace`). They lie in a directory PLACE_DIR of the JVM's user, or on a
 * small tmpfs of ours that is read-only but for the moment when something is put there.
 *
 * All that is made in the container is made by a child that has joined its mount namespace and has
 * the JVM's credentials and nothing else; what the container plants there can lead it nowhere where
 * the JVM could not go by itself. A file gets its name when it is whole: it is written under
 * another one (PLACE_TEMP and 16 hexadecimal digits), read back, renamed, and looked at once more
 * by the path that the JVM will use.
 */
#ifndef REMOTE_PLACE_PLACE_H
#define REMOTE_PLACE_PLACE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "remote/base/error.h"
#include "remote/base/sha256.h"
#include "remote/target.h"

#define PLACE_DIR ".jdiag-agents"
#define PLACE_SOURCE "jdiag-agent" /* of our tmpfs, in mountinfo */
#define PLACE_TEMP ".new-"
#define PLACE_NAME_SIZE 101
#define PLACE_PATH_SIZE 1024
#define PLACE_WHY_SIZE 256

struct place_request {
	char name[PLACE_NAME_SIZE];
	uint64_t size;
	char sha256[SHA256_HEX_SIZE];
	bool exec;		    /* code will be mapped from it: not where that is forbidden */
	char path[PLACE_PATH_SIZE]; /* of the file to be replaced; "" none */
};

struct place_result {
	char path[PLACE_PATH_SIZE]; /* as the JVM sees it */
	bool mounted;
	bool existed;		  /* it was there: whoever put it there may still want it */
	char why[PLACE_WHY_SIZE]; /* why no better place was taken; "" for the first */
};

/* 1 to 100 of A-Za-z0-9._- and no dot at the beginning. */
bool place_name_is(const char *name);

/* ERR_USAGE when name, size, digest or path is none. */
int place_request_check(const struct place_request *r, struct error *err) must_check;

/* A path that `place` gave: its directory and name. *ret_below: the directory is a PLACE_DIR, and
 * dir the one that this is in; else it is where a tmpfs is mounted. False: it is none. */
bool place_path_split(const char *path, char dir[PLACE_PATH_SIZE], char name[PLACE_NAME_SIZE],
		      bool *ret_below) must_check;

struct placing;

/* Memory for the file. t is borrowed; it gets locked when the file goes into the container. */
int placing_new(struct placing **ret, struct target *t, const struct place_request *r,
		struct error *err) must_check;

/* The next bytes of it. 0: more are missing; 1: it is whole and is on its way into the container:
 * poll and step; -1: ERR_CAPTURE, too many bytes or another digest; ERR_REFUSED, a capture of this
 * JVM is under way. */
int placing_add(struct placing *p, const void *data, size_t len, struct error *err) must_check;

/* 0: not yet; 1: it is there, *ret; -1: ERR_NODE, err->sys is ENOSPC or EROFS when no place is
 * left.
 */
int placing_step(struct placing *p, struct place_result *ret, struct error *err) must_check;

/* The descriptor to wait for, or -1. */
int placing_fd(const struct placing *p);

/* Undo what was done, unless placing_step gave 1, and free it. end_by: now_ms() at which the helper
 * is to have ended, or 0. NULL is fine. */
void placing_free(struct placing *p, uint64_t end_by);

/* Remove a file that was placed, with the directory or mount when it was the last one there. begin:
 * "", or all whose name begins with this and ends with the path's name. ret_name: of the last one,
 * "" if there is none. ERR_USAGE when the path is none of place's. */
int place_remove(struct target *t, const char *path, const char *begin,
		 char ret_name[PLACE_NAME_SIZE], struct error *err) must_check;

/* The home of a process by its environment; false: none that could be a place. */
bool place_home(const struct procfs *p, pid_t pid, char dst[PLACE_PATH_SIZE]);

/* For tidy: PLACE_DIR below parent, by the credentials of its owner (t->jvm.uid and gid). Files of
 * a helper that was killed go, and the directory if there are no others; true then, or, if dry,
 * when that would be so. */
bool place_sweep(const struct target *t, int parent, bool dry);

struct mount_line;

/* For tidy: our tmpfs, of anybody in the container. True: nothing of others is in it, and it is
 * removed (or would be, if dry); else it is read-only, if not dry. t->jvm gets its owner. */
bool place_sweep_mount(struct target *t, const struct mount_line *line, bool dry);

#endif
