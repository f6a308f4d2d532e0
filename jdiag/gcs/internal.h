/* What the files of this folder share. */
#ifndef JDIAG_GCS_INTERNAL_H
#define JDIAG_GCS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/gcs.h"
#include "jdiag/gcs/token.h"
#include "jdiag/http/http.h"

/* How often one thing is tried without any progress: half a second, doubled each time, makes about
 * a minute. Starting is tried less often: nothing is lost yet. */
#define GCS_TRIES 8
#define GCS_TRIES_START 4

struct gcs {
	struct http_client *http;
	char *base; /* "https://storage.googleapis.com"; no slash at the end */
	struct endpoint endpoint;
	struct google_token token; /* its tick is that of all waiting */
};

/* retry.c: is it worth another try? By status, and by what http_do said. */
bool gcs_retryable_status(long status);
bool gcs_retryable_error(const struct error *err);

/* Hand `why` on as "doing: why"; an interrupt stays just that. Returns -1. */
int gcs_failed(const struct error *why, const char *doing, struct error *err);

/* backoff.c: wait before the next try: exponential with jitter, at least the Retry-After of the
 * answer. failures counts from 1. -1 when interrupted or the tick of t says so. */
int gcs_backoff(const struct google_token *t, unsigned int failures, uint64_t retry_after_ms,
		struct error *err) must_check;

/* command.c: what a shell command prints on its standard output, without the blanks around it. */
int gcs_run_token_command(const struct google_token *t, struct secret *ret,
			  struct error *err) must_check;

/* request.c: a request with the token that is safe to repeat, with its retries. */
struct gcs_request {
	const char *method, *url;
	const char *content_type; /* or NULL */
	const char *extra_header; /* or NULL */
	const char *body;
	size_t body_len;
	size_t max_body;     /* largest answer; 0: MAX_HTTP_BODY */
	uint64_t timeout_ms; /* 0: 30 s */
};
int gcs_do(struct gcs *g, const struct gcs_request *req, struct http_response *ret,
	   struct error *err) must_check;

/* answer.c: what the service said, as our error. Always -1. `doing` is "cannot upload to
 * 'gs://b/o'". */
int gcs_answer_error(const struct gcs *g, const struct http_response *r, const char *doing,
		     const char *bucket, struct error *err);

/* The hint of a permission that is missing on a bucket: the line that grants it. Always -1. */
int gcs_hint_grant(const struct gcs *g, const char *bucket, const char *permission,
		   const char *role, struct error *err);

/* A 308: how many bytes the service has. False when the header is not "bytes=0-N". */
bool gcs_stored_bytes(const struct http_response *r, uint64_t *ret) must_check;

/* The JSON of a finished object has to agree with what was sent. */
int gcs_check_object(const struct http_response *r, const char *object, uint64_t size, uint32_t crc,
		     struct error *err) must_check;

/* crc as the service writes it: base64 of 4 bytes, big end first. */
char *gcs_crc_text(char dst[16], uint32_t crc);

/* Compare the object that is there with what was sent: 0 when it is the same. */
int gcs_is_same(struct gcs *g, const char *bucket, const char *object, uint64_t size, uint32_t crc,
		struct error *err) must_check;

/* "BASE/PREFIX/b/BUCKET/o" */
char *gcs_bucket_url(const struct gcs *g, const char *prefix, const char *bucket) must_check;

#endif
