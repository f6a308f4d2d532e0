/*
 * The operations of the helper (PROTOCOL.md section 4): one record each in op_<name>.c, one table
 * in ops.c. The dispatcher in main.c owns the connection; an operation never reads or writes it but
 * through the functions here. Long ones give descriptors to poll and are stepped.
 */
#ifndef REMOTE_OPS_H
#define REMOTE_OPS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/procfs.h"
#include "remote/wire/frame.h"
#include "remote/wire/json.h"

struct connection; /* main.c */
struct capture;	   /* capture/capture.h */

/* What lives as long as the helper. */
struct helper_state {
	struct procfs proc;
	struct connection *conn;
	struct capture *capture; /* the one open capture, or NULL */
};

struct op_request {
	uint32_t id;
	struct jsonr params; /* valid during start only */
	void *state;	     /* owned by the operation */
	const struct op *op;
	bool cancelled;
};

struct op {
	const char *name;
	/* Begin. 0: goes on (it has step), 1: done, its answer was sent, -1: failed, err is sent.
	 */
	int (*start)(struct helper_state *h, struct op_request *r, struct error *err);
	/* Something of poll is ready, or `interval_ms` has passed. As start. NULL for short ones.
	 */
	int (*step)(struct helper_state *h, struct op_request *r, struct error *err);
	/* Descriptors to poll: fills at most max, returns their number; *interval_ms may be
	 * lowered. */
	unsigned int (*poll)(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms);
	/* Release r->state; called exactly once, however it ended. */
	void (*end)(struct helper_state *h, struct op_request *r);
};

extern const struct op op_ps, op_inspect, op_capture, op_read, op_release, op_tidy;

const struct op *ops_find(const char *name);	   /* NULL when there is none */
void ops_names(struct jsonw *w, const char *name); /* for the hello's capabilities */

/* Send one frame. Never blocks: queued (bounded). conn_can_send says whether there is room for a
 * DATA frame; an operation that streams asks it first. */
void conn_send_json(struct connection *c, enum frame_type type, uint32_t request,
		    const struct buf *body);
bool conn_can_send(const struct connection *c);
void conn_send_data(struct connection *c, uint32_t request, uint64_t offset, const void *data,
		    size_t len);

#endif
