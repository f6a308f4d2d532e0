/* A dump with its contents made zero: from one artifact into a sink, in one pass, whole or not at
 * all. The rules are those of a capture (remote/hprof/parser.h). */
#ifndef JDIAG_REDACT_H
#define JDIAG_REDACT_H

#include <stdint.h>

#include "jdiag/archive/input.h"
#include "remote/base/error.h"
#include "remote/base/sha256.h"
#include "remote/hprof/parser.h"

struct progress;
struct sink;

struct redaction {
	struct artifact_input *in; /* borrowed */
	uint64_t size;		   /* of its stored bytes, for the progress; 0: not known */
	struct sink *out;	   /* borrowed */
	enum codec codec;	   /* of what is written */
	enum hprof_redact rule;
	struct progress *progress;
};

struct redact_result {
	uint64_t bytes; /* written */
	char sha256[SHA256_HEX_SIZE];
	uint32_t crc32c;
	struct hprof_summary dump;
};

/* Read, check, redact, encode, write; finish the sink when the dump was whole. ERR_CAPTURE when it
 * is not valid, the sink's errors, ERR_INTERRUPTED. */
int redact_run(const struct redaction *r, struct redact_result *ret, struct error *err) must_check;

#endif
