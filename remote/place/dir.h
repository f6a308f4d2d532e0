/*
 * One directory with files of ours, by descriptor. These run in the child that has the JVM's
 * credentials (enter.h). They return 0 or -errno; -ENOTUNIQ: it is no directory of ours.
 */
#ifndef REMOTE_PLACE_DIR_H
#define REMOTE_PLACE_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/compiler.h"
#include "remote/place/place.h"

struct place_content {
	int fd; /* read from its beginning by offset */
	uint64_t size;
	const char *sha256;
};

struct place_inode {
	uint64_t dev, ino;
};

/* Our directory below parent, made if `make`; a descriptor to read it. Nothing is made on failure.
 */
int placedir_open(int parent, bool make) must_check;

/* A directory of the own user's that nobody else can look into? */
int placedir_check(int dir) must_check;

/* Room for that, and code can be mapped from it if exec? -ENOSPC, -ENOEXEC. */
int placedir_fits(int dir, uint64_t size, bool exec) must_check;

/* 1: a file of this name with this content; 0: nothing of the name; -EEXIST: something else. */
int placedir_has(int dir, const char *name, const struct place_content *c,
		 struct place_inode *ret) must_check;

/* A new file, mode 0400, its time in whole seconds, read back. Nothing is left of it on failure. */
int placedir_write(int dir, const char *temp, const struct place_content *c,
		   struct place_inode *ret) must_check;

/* Give it its name, atomically. replace: what has the name goes, and the time is later than its by
 * a second at least; else -EEXIST. */
int placedir_commit(int dir, const char *temp, const struct place_inode *inode, const char *name,
		    bool replace) must_check;

/* Remove what has the name, if it is that inode (NULL: whatever it is). -ENOENT. */
int placedir_remove(int dir, const char *name, const struct place_inode *inode) must_check;

/* Its entries from the first on, whoever has read it before. NULL: cannot be read. closedir(3). */
DIR *placedir_list(int dir) must_check;

/* Remove the files whose name begins and ends so. ret_name: of the last one, a name that place
 * could have given. -ENOENT: there is none. */
int placedir_remove_like(int dir, const char *begin, const char *end,
			 char ret_name[PLACE_NAME_SIZE]) must_check;

/* Remove what a child left that was killed long ago. The number of other things there. */
int placedir_clean(int dir, bool dry) must_check;

#endif
