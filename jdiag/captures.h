/*
 * Captures on a node, from the client's side: the operations begin, stop, remove and spools and the
 * state that `watch` and `spools` tell (remote/wire/PROTOCOL.md, sections 4 and 5). What a node
 * says is checked as hostile input. Following one and taking its bytes: deliver.h.
 */
#ifndef JDIAG_CAPTURES_H
#define JDIAG_CAPTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/base/sha256.h"

struct helper;
struct json_t;

#define CAPTURE_ID_SIZE 17 /* 16 hexadecimal digits */
#define CAPTURE_TTL_S                                                               \
	(24 * 3600) /* that a finished one waits on its node for whoever fetches it \
		     */

enum capture_phase {
	CAPTURE_STARTING, /* nothing was done to the JVM */
	CAPTURE_ATTACH,
	CAPTURE_DUMP,  /* the JVM stands still */
	CAPTURE_SPOOL, /* it goes on; the dump is still checked and compressed */
	CAPTURE_COMPLETE,
	CAPTURE_FAILED,
};

struct capture_state {
	enum capture_phase phase;
	bool ring;	   /* --no-spool */
	uint64_t raw;	   /* bytes from the JVM so far */
	uint64_t stored;   /* bytes of the artifact so far */
	uint64_t readable; /* of those, what a reader gets now */
	uint64_t pause_ms, elapsed_ms, written_ms, stalled_ms, overflow, records;
	char strategy[32], format[16], redact[16];
	char notice[512];
	char sha256[SHA256_HEX_SIZE]; /* of the artifact, when complete */
	uint32_t crc32c;
};

/* A new random id. */
void capture_new_id(char id[CAPTURE_ID_SIZE]);

bool capture_id_is(const char *text);

/* "starting", "attach" ... as the protocol has them. */
const char *capture_phase_name(enum capture_phase phase);

/* A STATE as it came; ERR_FAILED (the protocol is broken) when it is none. Texts that are too long
 * are cut. */
int capture_state_from_json(const struct json_t *state, struct capture_state *ret,
			    struct error *err) must_check;

/* Give one up that is under way: nothing is kept. */
int capture_stop(struct helper *h, const char *id, struct error *err) must_check;

/* Remove its spool. */
int capture_remove(struct helper *h, const char *id, struct error *err) must_check;

/* What lies on the node: the answer of `spools` ("spools": [...], "now"). *ret: a new reference. */
int capture_list(struct helper *h, struct json_t **ret, struct error *err) must_check;

/* One of them, in an answer of capture_list; borrowed. NULL: ERR_TARGET, it is not there. */
const struct json_t *capture_find(const struct json_t *list, const char *id, const char *node,
				  struct error *err) must_check;

/* Its state now (one PROGRESS of a `watch`), for decisions at the end of a run. */
int capture_ask(struct helper *h, const char *id, struct capture_state *ret,
		struct error *err) must_check;

#endif
