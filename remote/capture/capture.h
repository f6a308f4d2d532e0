/*
 * The place of a capture in the JVM's container: a directory of the JVM's user in its /tmp, and
 * what the JVM is asked to write there. Ways to do it are strategies, one record each in <name>.c,
 * in the order of preference in strategies.c. Nothing here asks the JVM anything.
 */
#ifndef REMOTE_CAPTURE_CAPTURE_H
#define REMOTE_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/capture/fifos.h"
#include "remote/nodedir.h"
#include "remote/target.h"

#define CAPTURE_FILE "h.hprof"
#define CAPTURE_MAX_PARALLEL (FIFOS_MAX - 1)
#define CAPTURE_MAX_HELP 8192

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
	bool needs_spool; /* cannot be read through a ring: several streams, or a file on a disk */
	bool fifos;	  /* the JVM writes into FIFOs, by GC.heap_dump; else a file, by dumpheap */

	/* Would a JVM of this version do it? help: what it says about GC.heap_dump; NULL: it was
	 * not asked yet. NULL when it would, else why not. NULL itself: every JVM does it. */
	const char *(*unsuited)(const char *version, const char *help);

	/* Could it be used? Changes nothing anywhere. node_dir: the user's choice or "". */
	void (*probe)(const struct target *t, const char *node_dir, struct strategy_info *ret);

	/* Make what the JVM can write to: sets c->path, and c->fifos or c->dir. On failure all is
	 * undone by settle. */
	int (*prepare)(struct capture *c, struct error *err);

	/* Undo in the container what prepare did; c->node is the caller's. Once only. */
	int (*settle)(struct capture *c, struct error *err);
};

extern const struct strategy strategy_fifo, strategy_segments, strategy_growing_file,
	strategy_container_file;

const struct strategy *strategy_at(size_t i);		/* NULL behind the last */
const struct strategy *strategy_find(const char *name); /* NULL when there is none */

struct capture {
	struct target target;	    /* locked; closed by capture_settle */
	const struct nodedir *node; /* the spool directory; borrowed */
	unsigned int parallel;	    /* segments, 1 to CAPTURE_MAX_PARALLEL */
	bool ring;		    /* nothing may lie on the node's disk */
	bool live;
	char help[CAPTURE_MAX_HELP]; /* what the JVM says about GC.heap_dump */

	int tmp;   /* O_PATH of the JVM's /tmp */
	int cover; /* the private tmpfs over it, or -1 */
	int place; /* O_PATH of our directory in it, or -1 */

	const struct strategy *strategy; /* NULL: nothing of it to undo */
	int mount;			 /* of the node's directory on ours, or -1 */
	bool attached;
	void *state;	    /* the strategy's own */
	char path[512];	    /* what the JVM is asked to write */
	struct fifos fifos; /* of a strategy with FIFOs */
	int dir;	    /* of the others: where the file appears; borrowed */
	char notice[256];   /* a better way that could not be used */
	struct error left;  /* what could not be undone (ERR_NONE: all was) */
	bool unswept;	    /* something that a killed helper left is there still */
};

#define CAPTURE_INIT                             \
	((struct capture){.target = TARGET_INIT, \
			  .tmp = -1,             \
			  .cover = -1,           \
			  .place = -1,           \
			  .mount = -1,           \
			  .dir = -1,             \
			  .fifos = FIFOS_INIT})

/* Make our directory in the JVM's /tmp; where its user cannot write, a private tmpfs lies over
 * /tmp until capture_settle. The target is locked. */
int capture_make_place(struct capture *c, struct error *err) must_check;

/* Prepare the strategy of that name, or the first that works (""). */
int capture_prepare(struct capture *c, const char *strategy, struct error *err) must_check;

/* The /tmp where the attach socket is. */
int capture_tmp(const struct capture *c);

/* Open the file that the JVM writes. 1: *ret_fd; 0: it is not there yet; -1: what is there is not a
 * plain file of the JVM's user (ERR_CAPTURE). The container's user can put anything there. */
int capture_open_file(const struct capture *c, int *ret_fd, struct error *err) must_check;

/* Undo everything in the container, in the reverse order, and unlock the JVM. CAPTURE_INIT and what
 * was settled before is fine. What cannot be undone is in c->left. */
void capture_settle(struct capture *c);

/* For strategies that mount the spool's dump/ on our directory. */
void mounted_probe(const char *node_dir, struct strategy_info *ret);
int mounted_attach(struct capture *c, struct error *err) must_check; /* sets mount and path */
int mounted_settle(struct capture *c, struct error *err) must_check;

#endif
