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
struct secret;
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

/* "gs://BUCKET/OBJECT" into its names (free both), checked by gcs_check_names. ERR_USAGE. */
int gcs_split_url(const char *url, char **ret_bucket, char **ret_object,
		  struct error *err) must_check;

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

/*
 * The same upload with the bytes sent by somebody else, who gets the session's address (borrowed; a
 * secret; good for this one object only) and the headers of one PUT that brings all bytes from
 * offset on (free both). Afterwards gcs_upload_check asks the service: 0 when the object is there
 * with this size and CRC32C, GCS_REWIND with *ret_offset when bytes are missing (from the address
 * that gcs_upload_session gives then: it may be another one), or -1.
 */
const struct secret *gcs_upload_session(const struct gcs_upload *u);
void gcs_upload_headers(const struct gcs_upload *u, uint64_t offset, uint64_t size, uint32_t crc,
			char *ret[2]);
int gcs_upload_check(struct gcs_upload *u, uint64_t size, uint32_t crc, uint64_t *ret_offset,
		     struct error *err) must_check;

/* Cancels the session unless finished; frees. NULL is fine. */
void gcs_upload_free(struct gcs_upload *u);

/* An object that exists. */
struct gcs_object {
	uint64_t size, generation;
	uint32_t crc;
	bool has_crc; /* all but a few old ones have it */
};

/* ERR_TARGET when there is no such object. */
int gcs_object_look(struct gcs *g, const char *bucket, const char *object, struct gcs_object *ret,
		    struct error *err) must_check;

/* Bytes of exactly that generation, from offset, at most len (32 MiB): as many as there are, unless
 * the end is nearer. Broken transfers are tried again; nothing comes twice. */
int gcs_object_read(struct gcs *g, const char *bucket, const char *object,
		    const struct gcs_object *o, uint64_t offset, void *buf, size_t len,
		    size_t *ret_len, struct error *err) must_check;

/* A small object in one request, ifGenerationMatch=0, CRC32C declared. */
int gcs_put_small(struct gcs *g, const char *bucket, const char *object, const char *content_type,
		  const char *data, size_t len, struct error *err) must_check;

#endif
