/*
 * Google Cloud Storage: credentials and the JSON resumable upload. Sources: Google's documentation
 * of resumable uploads and the client libraries, as gathered in the project's facts.
 * Tokens and session URIs are secrets. Errors have ERR_UPLOAD (ERR_USAGE for credential files).
 */
#ifndef JDIAG_GCS_GCS_H
#define JDIAG_GCS_GCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;
struct gcs;
struct gcs_upload;

#define GCS_QUANTUM (256 * 1024ul) /* a non-final chunk is a multiple of this */
#define GCS_REWIND 1

struct gcs_options {
	const char *token_command;
	int (*tick)(void *ctx, struct error *err);
	void *tick_ctx;
};

/* Find credentials: token command, STORAGE_EMULATOR_HOST (none are sent), ADC order. No request
 * yet. */
int gcs_open(struct gcs **ret, const struct gcs_options *o, struct error *err) must_check;
void gcs_close(struct gcs *g);

/* Names as the service allows them; an object of more than 1024 bytes, "." or one with line breaks
 * is refused. ERR_USAGE. */
int gcs_check_names(const char *bucket, const char *object, struct error *err) must_check;

/* Fails when the object is known to exist. Not being allowed to look is no failure: the upload's
 * own precondition decides in the end. */
int gcs_check_absent(struct gcs *g, const char *bucket, const char *object,
		     struct error *err) must_check;

/* Whether anybody on the internet may read the bucket's objects, as far as can be told in a moment;
 * false when in doubt. */
bool gcs_is_public(struct gcs *g, const char *bucket);

/* Open a resumable session for a new object (ifGenerationMatch=0). metadata: flat object of
 * strings, or NULL. */
int gcs_upload_begin(struct gcs *g, const char *bucket, const char *object,
		     const char *content_type, const struct json_t *metadata,
		     struct gcs_upload **ret, struct error *err) must_check;

/* As sink.h: extent, write, finish; GCS_REWIND with *ret_offset when bytes must come again. */
int gcs_upload_extent(struct gcs_upload *u, uint64_t available, bool final,
		      struct error *err) must_check;
int gcs_upload_write(struct gcs_upload *u, const void *data, size_t len, uint64_t *ret_offset,
		     struct error *err) must_check;
int gcs_upload_finish(struct gcs_upload *u, uint64_t *ret_offset, struct error *err) must_check;

/* Cancels the session unless finished; frees. NULL is fine. */
void gcs_upload_free(struct gcs_upload *u);

/* A small object in one request, ifGenerationMatch=0, CRC32C declared. */
int gcs_put_small(struct gcs *g, const char *bucket, const char *object, const char *content_type,
		  const char *data, size_t len, struct error *err) must_check;

#endif
