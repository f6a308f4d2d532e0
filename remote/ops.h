/*
 * The operations of the helper (PROTOCOL.md section 4): one record each in op_<name>.c, one table
 * in ops.c. The dispatcher in main.c owns the connection; an operation only sends on it (conn.h).
 * Long ones give descriptors to poll and are stepped.
 */
#ifndef REMOTE_OPS_H
#define REMOTE_OPS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/conn.h"
#include "remote/procfs.h"
#include "remote/wire/json.h"

#define MAX_LIFELINES 16
#define MAX_CLAIMS 128

/* What lives as long as the helper. */
struct helper_state {
	struct procfs proc;
	struct connection *conn;
	/* Write ends of pipes: a capture without a spool ends when its helper does. */
	int lifelines[MAX_LIFELINES];
	unsigned int n_lifelines;
	/* Ports (port_claim) that a JVM was told to take without a word since: it may yet. */
	int claims[MAX_CLAIMS];
	unsigned int n_claims;
	uint64_t end_by; /* now_ms() at which it is to have ended; 0: not yet */
};

struct op_request {
	uint32_t id;
	struct jsonr params; /* valid during start only */
	uint64_t received;   /* bytes of DATA so far, by the dispatcher */
	void *state;	     /* owned by the operation */
	const struct op *op;
};

struct op {
	const char *name;
	/* Begin. 0: goes on (it has step), 1: done, its answer was sent, -1: failed, err is sent
	 * by the dispatcher. */
	int (*start)(struct helper_state *h, struct op_request *r, struct error *err);
	/* DATA of the client, in order and without a gap: offset is what came before. As start.
	 * NULL for those that take none. The bytes are valid during the call only. */
	int (*data)(struct helper_state *h, struct op_request *r, uint64_t offset, const void *data,
		    size_t len, struct error *err);
	/* Something of poll is ready, or its interval has passed. As start. NULL for short ones. */
	int (*step)(struct helper_state *h, struct op_request *r, struct error *err);
	/* Descriptors to poll: fills at most max, returns their number; *interval_ms (infinite at
	 * first) may be lowered. May be NULL. */
	unsigned int (*poll)(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms);
	/* Release r->state; called exactly once, however it ended: also when it was cancelled or
	 * the connection went, and then it undoes what it did. May be NULL. */
	void (*end)(struct helper_state *h, struct op_request *r);
};

#define OP_MAX_FDS 2

extern const struct op op_ps, op_inspect, op_begin, op_watch, op_fetch, op_stop, op_remove,
	op_spools, op_upload, op_tidy, op_ask, op_survey, op_connect, op_place, op_unplace;

const struct op *ops_find(const char *name);	   /* NULL when there is none */
void ops_names(struct jsonw *w, const char *name); /* for the hello's capabilities */

#endif
