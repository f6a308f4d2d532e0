/*
 * A delivery under way: the requests of one connection and what the node says to them. deliver.c
 * goes over as many connections as it takes and finishes the sink. For these two files only.
 */
#ifndef JDIAG_DELIVER_WIRE_H
#define JDIAG_DELIVER_WIRE_H

#include "jdiag/captures.h"
#include "jdiag/deliver.h"
#include "jdiag/reconnect.h"
#include "remote/base/sha256.h"

struct helper_message;

struct delivery {
	struct session *session;
	const struct delivery_options *o;
	struct sink *sink; /* that gets its bytes from here; NULL: none, or (yet) from the node */
	struct progress *progress;
	struct reconnect reconnect;
	uint32_t begin_id, watch_id, fetch_id; /* 0: not open */
	bool exists;			       /* the node has answered `begin` */
	bool watched;			       /* this `watch` has told something */
	struct capture_state state;
	uint64_t next;	  /* offset of the next byte for the sink */
	uint64_t seen;	  /* bytes that were hashed; next <= seen after a rewind */
	uint64_t sink_at; /* the sink has all before, from the node itself */
	uint64_t extent;  /* bytes that the sink knows to exist */
	bool rewinding;	  /* the fetch in hand was cancelled, its end is awaited */
	bool complete, fetched;
	struct sha256 *sha; /* owned */
	uint32_t crc;
	uint64_t end_length;
	char end_sha256[SHA256_HEX_SIZE];
	uint32_t end_crc;
	struct error fetch_error; /* code set: that fetch failed, and why */
	bool started, broke;	  /* the requests on this connection; the connection */
	struct delivery_result *result;
};

/* On a new connection: first what was never answered. The same id starts nothing twice. */
int delivery_start(struct delivery *d, struct error *err) must_check;

/* One message of the helper. */
int delivery_take(struct delivery *d, const struct helper_message *m, struct error *err) must_check;

/* rc of a call that uses the connection. ERR_SSH and ERR_NODE are the connection's own there, which
 * broke: an error of the node comes in a message. Returns rc. */
int delivery_over_the_wire(struct delivery *d, int rc, const struct error *err) must_check;

/* rc of a call of the sink: whatever its reason was, the dump is kept and can be delivered again
 * (ERR_UPLOAD). Returns rc. */
int delivery_from_sink(int rc, struct error *err) must_check;

/* So many bytes exist. Only more is news; the total is told once, when the capture is complete. */
int delivery_set_extent(struct delivery *d, uint64_t bytes, bool final,
			struct error *err) must_check;

/* The sink lost bytes: stop the fetch in hand (if it has not ended), then fetch again from offset.
 * Without a connection the next one begins there anyway. */
int delivery_rewind(struct delivery *d, uint64_t offset, struct error *err) must_check;

#endif
