/*
 * A capture on its way from its node to a sink: begin it (or find it), watch it and fetch its bytes
 * side by side on one connection, check them, go back where the sink asks for bytes again, and
 * connect again where the connection broke. The capture itself goes on meanwhile: the node checks
 * the dump, this end checks that what arrived is what the node has.
 */
#ifndef JDIAG_DELIVER_H
#define JDIAG_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/captures.h"
#include "remote/base/error.h"
#include "remote/base/sha256.h"

struct json_t;
struct progress;
struct session;
struct sink;

struct delivery_options {
	const char *id;
	const struct json_t *begin; /* parameters of `begin`; NULL: the capture exists already */
	struct sink *sink;	    /* NULL: only wait until it is complete */
	bool from_node; /* the node sends the bytes itself, as far as it can (node_upload.h) */
	const char *last_phase; /* "upload", "transfer": how progress calls what comes last */
	uint64_t expected;	/* size of the dump, an estimate */
};

/* Also set when the delivery failed, as far as it got. */
struct delivery_result {
	bool begun;		  /* `begin` was sent: there may be a capture */
	bool lost;		  /* there is none any more (it failed, it was a ring's) */
	enum capture_phase phase; /* as last heard */
	bool ring;
	uint64_t bytes; /* of the artifact, as stored */
	uint64_t raw;	/* of the dump */
	char sha256[SHA256_HEX_SIZE];
	uint32_t crc32c;
	char strategy[32], format[16], redact[16];
	uint64_t pause_ms;   /* as the JVM says; 0: it does not */
	uint64_t elapsed_ms; /* the node's clock, command to reply */
	uint64_t written_ms; /* ... first byte to last */
	uint64_t stalled_ms; /* that the JVM waited for us */
	uint64_t overflow;   /* bytes that did not fit into the buffer */
	uint64_t records;    /* of the dump */
	char notice[512];    /* what a person should know; "" */
};

/*
 * Up to and including sink_finish: when 0 comes back the artifact is complete, verified and at its
 * place. The session is connected at the start; after a failure its helper may be NULL. On failure
 * the sink is untouched otherwise: the caller aborts it.
 */
int deliver_capture(struct session *s, const struct delivery_options *o, struct progress *progress,
		    struct delivery_result *ret, struct error *err) must_check;

#endif
