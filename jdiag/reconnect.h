/*
 * A connection that broke. While a capture goes on: a new one to the same node. Each wait is twice
 * the one before (0.5 s to 15 s, with jitter); after 15 minutes without any progress it is given
 * up. --timeout ends it earlier. Where nothing is at stake yet, three more tries have to do.
 */
#ifndef JDIAG_RECONNECT_H
#define JDIAG_RECONNECT_H

#include <stdint.h>

#include "remote/base/error.h"

struct progress;
struct session;

#define RECONNECT_GIVE_UP_MS (15 * 60 * 1000ul)

struct reconnect {
	unsigned int tries;  /* since the last progress */
	uint64_t give_up_at; /* now_ms; 0: the time begins with the next loss */
};

/* Bytes have come, or the capture has gone on: the next loss is a new one. */
static inline void reconnect_reset(struct reconnect *r)
{
	*r = (struct reconnect){0};
}

/* Give up what is left of the old connection, then connect until it works. why: how it was lost.
 * ERR_UPLOAD when it is given up. */
int session_reconnect(struct session *s, struct reconnect *r, struct progress *p,
		      const struct error *why, struct error *err) must_check;

/*
 * One step that asks the node, on a connection that is made when there is none: where the
 * connection breaks on the way, again on a new one, three times at most (once, where it is only the
 * helper that has ended). The step must do no harm the second time. Not for a host that cannot be
 * reached, nor for one that does not let us in. p may be NULL.
 */
int session_steadily(struct session *s, struct progress *p,
		     int (*step)(void *ctx, struct error *err), void *ctx,
		     struct error *err) must_check;

#endif
