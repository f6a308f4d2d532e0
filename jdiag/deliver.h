/*
 * A capture on its way from the helper to a sink: requests `capture` and `read`, checks every byte
 * (order, record chain, SHA-256) and goes back where the sink asks for bytes again.
 */
#ifndef JDIAG_DELIVER_H
#define JDIAG_DELIVER_H

#include <stdint.h>

#include "remote/base/error.h"
#include "remote/base/sha256.h"

struct helper;
struct json_t;
struct progress;
struct sink;

struct delivery_result {
	uint64_t bytes;
	char sha256[SHA256_HEX_SIZE];
	uint64_t pause_ms;   /* as the JVM says; 0: it does not */
	uint64_t elapsed_ms; /* the helper's clock, command to reply */
	uint64_t records;    /* of the dump */
};

/*
 * Run a capture (params: as PROTOCOL.md, borrowed) and write it to the sink, up to and including
 * sink_finish: when 0 comes back the artifact is complete, verified and at its place. `expected` is
 * the estimate for the progress line. On failure the sink is untouched otherwise: the caller aborts
 * it.
 */
int deliver_capture(struct helper *h, const struct json_t *params, struct sink *sink,
		    struct progress *progress, uint64_t expected, struct delivery_result *ret,
		    struct error *err) must_check;

#endif
