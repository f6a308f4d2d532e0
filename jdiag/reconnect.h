/*
 * A connection that broke while a capture goes on: a new one to the same node. Each wait is twice
 * the one before (0.5 s to 15 s, with jitter); after 15 minutes without any progress it is given
 * up. --timeout ends it earlier.
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

#endif
