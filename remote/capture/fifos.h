/*
 * FIFOs that the JVM writes a dump into. They lie in dump/ of the spool directory, which belongs to
 * the JVM's user and is mounted into its container: from then on names there mean nothing. They are
 * held by O_PATH descriptors, taken before the mount, which do not keep a FIFO open: when its
 * reader dies, the JVM gets EPIPE.
 */
#ifndef REMOTE_CAPTURE_FIFOS_H
#define REMOTE_CAPTURE_FIFOS_H

#include <stdbool.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/drain/drain.h"
#include "remote/procfs.h"

#define FIFOS_MAX (SPOOL_MAX_PARTS - 1) /* the main one and its segments */

struct fifo {
	char name[24];
	int path; /* O_PATH, owned */
	dev_t dev;
	ino_t ino;
};

struct fifos {
	int dir; /* dump/, borrowed */
	unsigned int n;
	struct fifo one[FIFOS_MAX];
};

#define FIFOS_INIT ((struct fifos){.dir = -1})

/* One more, empty, mode 0600, of that user. ERR_NODE. */
int fifos_add(struct fifos *f, const char *name, uid_t uid, gid_t gid,
	      struct error *err) must_check;

/* Does its name still lead to it? ERR_CAPTURE when the container has put something else there. */
int fifos_check(const struct fifos *f, unsigned int i, struct error *err) must_check;

/* Something with bytes in it lies where a segment should be: the JVM wrote a file after all. */
bool fifos_segment_is_file(const struct fifos *f, unsigned int i);

/* The reading ends, as streams of the drain; the first is the main one, the others are segments and
 * are held for writing too. n_streams is f->n. */
int fifos_open(const struct fifos *f, struct drain_stream *streams, struct error *err) must_check;

/* Has that process one of them open? */
bool fifos_in_use(const struct fifos *f, const struct procfs *p, pid_t pid);

/* Open and close each for both sides: whoever hangs in open(2) of one goes on. */
void fifos_touch(const struct fifos *f, const struct procfs *p);

/* Unlink them all and close. FIFOS_INIT is fine. */
void fifos_remove(struct fifos *f);

#endif
