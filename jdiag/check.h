/*
 * Is an artifact whole, and what it is said to be? All of it is read once: unpacked, its record
 * chain and every sub-record parsed (remote/hprof/parser.h), its stored bytes digested; then
 * compared with what others say about it - its name, its manifest, its bucket. Where the bytes come
 * from is the caller's (jdiag/archive/input.h).
 */
#ifndef JDIAG_CHECK_H
#define JDIAG_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/archive/input.h"
#include "remote/base/error.h"
#include "remote/base/sha256.h"
#include "remote/hprof/parser.h"

struct json_t;
struct progress;

#define CHECK_UNSAID UINT64_MAX

/* What somebody says about an artifact. Strings are borrowed; NULL: not said. */
struct check_claim {
	const char *by; /* "the manifest", "the bucket": for messages */
	const char *format, *sha256;
	uint64_t size, raw_size, records; /* CHECK_UNSAID; as stored, unpacked */
	uint32_t crc32c;
	bool has_crc32c;
};

#define CHECK_CLAIM(who)                                \
	((struct check_claim){.by = (who),              \
			      .size = CHECK_UNSAID,     \
			      .raw_size = CHECK_UNSAID, \
			      .records = CHECK_UNSAID})

/* What a manifest says (borrowed from it). ERR_CAPTURE when it does not describe a heap dump. */
int check_claim_manifest(const struct json_t *manifest, struct check_claim *ret,
			 struct error *err) must_check;

/* What a name says: its ending, if that is known. */
struct check_claim check_claim_name(const char *name);

struct check_artifact {
	struct artifact_source source;
	uint64_t size; /* stored bytes, for the progress; CHECK_UNSAID: not known */
	const struct check_claim *claims;
	size_t n_claims;
};

/* The marks of cli.md. */
enum check_mark {
	CHECK_SAME = '=',
	CHECK_DIFFERS = '*',
	CHECK_MISSING = '-',
	CHECK_ERROR = '!',
};

struct check_result {
	enum check_mark mark;
	enum codec codec;
	uint64_t stored; /* bytes */
	char sha256[SHA256_HEX_SIZE];
	uint32_t crc32c;
	struct hprof_summary dump;
	char compared[128]; /* "format, size, sha256, records ..."; "" nothing */
	struct error error; /* unless CHECK_SAME: what is wrong */
};

/* Read it and compare. *ret is always filled; error.code is ERR_CAPTURE when the artifact is not
 * valid or differs, else why it could not be read (ERR_INTERRUPTED too). */
void check_run(const struct check_artifact *a, struct progress *p, struct check_result *ret);

#endif
