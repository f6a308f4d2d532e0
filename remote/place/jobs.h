/* What is done in a container for place and unplace: each a child with the JVM's credentials in its
 * mount namespace (enter.h). */
#ifndef REMOTE_PLACE_JOBS_H
#define REMOTE_PLACE_JOBS_H

#include "remote/enter.h"
#include "remote/place/dir.h"
#include "remote/place/place.h"
#include "remote/place/spots.h"

#define PLACE_TEMP_SIZE (sizeof(PLACE_TEMP) + 16)

/* One file, and where. */
struct place_job {
	const struct spots *spots; /* directories in which ours is looked for or made */
	bool shared;		   /* there where others of the pod may be, too */
	unsigned int tried;	   /* bit n: not in spot n */
	size_t spot;		   /* once it is staged: in this one */
	int dir;		   /* instead: our directory itself, or -1 */
	const char *name, *temp;
	const char *begin; /* to remove all that begin with this and end with name; else NULL */
	struct place_content content; /* fd -1 but to stage */
	bool exec, replace;
	bool existed;		  /* it was there before, under its name */
	struct place_inode inode; /* of the file that was staged; dev and ino 0: not yet */
	const char *path;	  /* by which the JVM opens it; NULL: it does not yet */
};

struct staged {
	bool found;	    /* a place */
	size_t spot;	    /* which (0 with dir) */
	unsigned int tried; /* bit n: spot n takes nothing, even if others may have it, too */
	bool existed;	    /* the same file lay there */
	struct place_inode inode;
	int worst; /* ENOSPC when one was full, else EROFS */
	char why[PLACE_WHY_SIZE];
};

/* Write it under its temporary name into the first place that takes it; the answer is a struct
 * staged. Nothing is left where it failed. */
int job_stage_start(const struct target *t, const struct place_job *j, struct enter_child *ret,
		    struct error *err) must_check;

struct committed {
	bool existed; /* another JVM's helper was faster with the same file: that one counts */
	struct place_inode inode;
};

/* Give the staged file its name, unless it existed; with a path that leads to it then, as the JVM
 * sees the file system. The answer is a struct committed. */
int job_commit_start(const struct target *t, const struct place_job *j, struct enter_child *ret,
		     struct error *err) must_check;
int job_commit(const struct target *t, const struct place_job *j, struct committed *ret,
	       struct error *err) must_check;

/* The path leads to it. */
int job_verify(const struct target *t, const struct place_job *j, struct error *err) must_check;

/* Remove what is under the temporary name, and, unless it replaced another, that inode under its
 * own; then our directory, if it is empty. */
int job_undo(const struct target *t, const struct place_job *j, uint64_t timeout_ms,
	     struct error *err) must_check;

struct removed {
	char name[PLACE_NAME_SIZE]; /* of the last one; "": nothing */
	bool left;		    /* other things are there */
};

/* Remove what has the name, and our directory if it is empty. */
int job_remove(const struct target *t, const struct place_job *j, struct removed *ret,
	       struct error *err) must_check;

#endif
