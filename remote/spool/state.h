/*
 * What is known of a capture: the file `state` in its spool directory, JSON, written by the capture
 * process alone and replaced atomically. Capture and delivery share nothing else (PROTOCOL.md
 * section 5). Readers take it for what it is: a file of root's, possibly of another version.
 */
#ifndef REMOTE_SPOOL_STATE_H
#define REMOTE_SPOOL_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"
#include "remote/wire/json.h"

#define SPOOL_VERSION 1
#define SPOOL_ID_SIZE 17   /* 16 hexadecimal digits */
#define SPOOL_MAX_PARTS 34 /* main stream, 32 segments, the end */

enum spool_phase {
	SPOOL_STARTING, /* the directory exists, nothing was done to the JVM */
	SPOOL_ATTACH,	/* the JVM is being attached to and asked */
	SPOOL_DUMP,	/* it stands still and writes */
	SPOOL_SPOOL,	/* it goes on; what it wrote is still checked and compressed */
	SPOOL_COMPLETE, /* the artifact is whole and checked */
	SPOOL_FAILED,	/* error says why; there are no data */
};

/* "starting", "attach", "dump", "spool", "complete", "failed". */
const char *spool_phase_name(enum spool_phase phase);

/* The artifact is the concatenation of its parts, in order: `data.0`, `data.1` ... A part that is
 * final does not grow any more; only then does the next one begin to be of use to a reader. */
struct spool_part {
	uint64_t bytes; /* readable now */
	bool final;
};

struct spool_state {
	unsigned int version; /* SPOOL_VERSION of its writer */
	char program[32];     /* and its version, for people */
	char id[SPOOL_ID_SIZE];
	enum spool_phase phase;
	bool ring; /* --no-spool: bytes behind the reader are gone */

	/* whose: for people and for the tool that resumes */
	char owner[128]; /* "ana@bastion-1" */
	char *label; /* owned; text that the client gave, at most MAX_SPOOL_LABEL; "" none. NULL:
		      * it is not written. Not NULL when it was parsed. */
	char container[80];
	pid_t pid; /* of the JVM, host view */
	uint64_t start_time;
	int64_t created, expires; /* seconds since the epoch, by the node's clock */

	/* how */
	char strategy[32], format[16], redact[16];
	uint64_t buffer;   /* bytes of memory that were touched for it; 0: raw to disk */
	uint64_t expected; /* size of the dump as the client expects it; 0 unknown */

	/* what */
	uint64_t raw;	     /* bytes that the JVM has written so far */
	uint64_t stored;     /* bytes of the artifact so far: the sum of the parts */
	uint64_t overflow;   /* bytes that went raw to disk because the buffer was full */
	uint64_t stalled_ms; /* how long the JVM waited for us (redaction or ring, buffer full) */
	uint64_t pause_ms;   /* by the JVM's text; 0: it does not say */
	uint64_t elapsed_ms; /* by our clock, from the command to the reply */
	uint64_t written_ms; /* by our clock, from the first byte to the last */
	struct spool_part parts[SPOOL_MAX_PARTS];
	unsigned int n_parts;
	uint64_t records;	      /* of the dump */
	char sha256[SHA256_HEX_SIZE]; /* of the artifact; "" until complete */
	uint32_t crc32c;	      /* of the artifact, when complete */
	char text[4097];	      /* the JVM's reply */
	char notice[512];   /* what a person should know (a segment that was a file ...) */
	struct error error; /* when failed */
};

void spool_state_release(struct spool_state *s); /* frees label; a zeroed one is fine */
#define auto_state auto_cleanup(spool_state_release)

/* How many bytes of the artifact can be read: parts behind the first that still grows do not count
 * yet. */
uint64_t spool_state_readable(const struct spool_state *s);

/* As JSON: the file, the frames of `watch` and the entries of `spools` all are this object; name
 * NULL in an array or at the top. */
void spool_state_write(struct jsonw *w, const char *name, const struct spool_state *s);

/* ERR_NODE with a hint when it is of another version (version, program and, if it has that,
 * expires are filled then), without one when it is none at all. */
int spool_state_parse(const struct jsonr *doc, struct spool_state *ret,
		      struct error *err) must_check;

#endif
