/*
 * A heap dump that the helper holds: where the JVM writes it, the descriptor that it is read by,
 * and how all of that is undone. Ways to do it are strategies, one record each in <name>.c, in the
 * order of preference in strategies.c.
 *
 * As soon as the dump is complete, everything in the container and on the node is removed and only
 * the descriptor is kept: whatever happens to the helper then, nothing is left.
 */
#ifndef REMOTE_CAPTURE_CAPTURE_H
#define REMOTE_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/base/sha256.h"
#include "remote/nodedir.h"
#include "remote/target.h"

#define CAPTURE_FILE "h.hprof"

struct capture;

/* What a strategy would do for a target. */
struct strategy_info {
	bool usable;
	char reason[256]; /* why not */
	char where[320];  /* directory on the node or in the container */
	uint64_t free;	  /* bytes there */
	bool memory;	  /* a file there is memory of the container's cgroup */
};

struct strategy {
	const char *name;

	/* Could it be used? Changes nothing anywhere. node_dir: the user's choice or "". */
	void (*probe)(const struct target *t, const char *node_dir, struct strategy_info *ret);

	/* Make a place that the JVM can write to: sets c->jvm_path, c->where and c->dir. On failure
	 * all is undone (by settle). */
	int (*prepare)(struct capture *c, struct error *err);

	/* Undo what prepare did, and remove the file; c->data stays open. Once only. */
	int (*settle)(struct capture *c, struct error *err);
};

extern const struct strategy strategy_growing_file, strategy_container_file;

const struct strategy *strategy_at(size_t i);		/* NULL behind the last */
const struct strategy *strategy_find(const char *name); /* NULL when there is none */

struct capture {
	unsigned int refs;
	struct target target;
	char node_dir[256];	    /* where the user wants it, or "" */
	char name[JDIAG_NAME_SIZE]; /* of our directories, in the container and on the node */
	int tmp;		    /* O_PATH of the JVM's /tmp */
	int cover;		    /* the private tmpfs over it, or -1 */
	int place;		    /* O_PATH of our directory in tmp, or -1 */

	const struct strategy *strategy;
	void *state;	    /* the strategy's; NULL: nothing to undo */
	char jvm_path[512]; /* what the JVM is asked to write */
	char where[320];    /* for people */
	int dir;	    /* where the file appears, as seen from here; the strategy's */

	int data;		    /* the file, -1 until it is there */
	bool patches;		    /* the JVM goes back in it: not readable before it is final */
	uint64_t bytes;		    /* readable now */
	bool final;		    /* no more will come, and the JVM said that it is whole */
	struct error failure, left; /* why it ended; what could not be undone (code ERR_NONE: no) */

	struct sha256 *hash; /* of the first `hashed` bytes */
	uint64_t hashed;
	bool being_read;
	bool unswept; /* something that a killed helper left could not be removed yet */
};

/* Lock the JVM, make /tmp usable and prepare the strategy of that name, or the first that works
 * ("" ). Takes the target over. ERR_REFUSED when somebody else captures this JVM. A reference. */
struct capture *capture_new(struct target *t, const char *strategy, const char *node_dir,
			    struct error *err) must_check;

/* Look for the file and at its size. ERR_CAPTURE when it is not a plain file of the JVM's user. */
int capture_refresh(struct capture *c, struct error *err) must_check;

/* The JVM says that it is written: fix the size and settle. ERR_CAPTURE without a file. */
int capture_finish(struct capture *c, struct error *err) must_check;

/* It ended otherwise: reads end with this error, everything is undone. */
void capture_fail(struct capture *c, const struct error *why);

/* Bytes at an offset, at most what is readable; 0: none now. */
int capture_read(struct capture *c, uint64_t offset, void *buf, size_t len, size_t *ret_len,
		 struct error *err) must_check;

struct capture *capture_ref(struct capture *c);
void capture_unref(struct capture *c); /* NULL is fine; the last one settles */

#endif
