/*
 * A small process that lets the JVM go when the capture cannot: when it has died, or when its drain
 * has. Without a reader a JVM thread hangs in open(2) of a FIFO, and the whole JVM with it, for
 * ever. The guard waits on a pipe for either word. It allocates nothing, reads nothing, and is the
 * last to be killed for memory.
 */
#ifndef REMOTE_CAPTURE_GUARD_H
#define REMOTE_CAPTURE_GUARD_H

#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/capture/fifos.h"
#include "remote/nodedir.h"
#include "remote/procfs.h"

struct guard {
	pid_t pid;
	int line; /* write end: a byte is "all is well", its end is the alarm */
};

#define GUARD_INIT ((struct guard){.pid = -1, .line = -1})

/* From now on. node: the directory that their dump/ is in. Single-threaded callers only. */
int guard_start(struct guard *g, const struct procfs *p, const struct fifos *f,
		const struct nodedir *node, struct error *err) must_check;

/* If it was killed, start another: cheap, to be called as long as the JVM may hang. What cannot be
 * started now may be the next time. Not behind guard_alarm or guard_end. */
void guard_renew(struct guard *g, const struct procfs *p, const struct fifos *f,
		 const struct nodedir *node);

/*
 * The alarm: the FIFOs and dump/ are removed, so that nothing in there can be opened or made any
 * more, and whoever hangs in an open of one is let go. It has begun when this comes back, and takes
 * a second; guard_end waits for it. GUARD_INIT is fine.
 */
void guard_alarm(struct guard *g);

/* The JVM has answered: it is not needed any more. After an alarm: wait for its end. */
void guard_end(struct guard *g);

#endif
