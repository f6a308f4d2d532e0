/*
 * Another JSON API of Google, with the credentials that the bucket's requests have (credentials.h),
 * their time-outs and their retries (429, 5xx, a connection that breaks: three more tries; a token
 * that was good and is refused: a new one, once).
 */
#ifndef JDIAG_GCS_SERVICE_H
#define JDIAG_GCS_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"

struct http_response;
struct gcs;
struct gcs_options;

struct gcs_service {
	const char *base;     /* "https://compute.googleapis.com" */
	const char *suffix;   /* "/compute/v1": what an override may have at its end */
	const char *variable; /* the override: by the rule of endpoint.h, as it gets the token */
	const char *scope;    /* of its tokens */
	enum err_code code;   /* of its errors */
};

/* Find credentials; no request yet. s has to live as long as *ret (a literal of the caller's).
 * ERR_USAGE; close with gcs_close. */
int gcs_service_open(struct gcs **ret, const struct gcs_service *s, const struct gcs_options *o,
		     struct error *err) must_check;

/* GET of a path with its query ("/compute/v1/..."). Any status comes back as an answer; release it.
 * Errors that are none of the credentials' have the service's code. */
int gcs_service_get(struct gcs *g, const char *path, size_t max_body, struct http_response *ret,
		    struct error *err) must_check;

/* Who asks, for messages: the account, else where the credentials came from. */
const char *gcs_identity(const struct gcs *g);

/* The message that the service put into an answer ({"error": {"message": ...}}), short, or "" when
 * there is none or it repeats the token. */
void gcs_service_words(const struct gcs *g, const struct http_response *r, char *dst, size_t size);

/* Whether credentials are likely to be there: named by token_command or the environment, a file of
 * gcloud's, or a machine of Google's. Nobody is asked. */
bool gcs_credentials_likely(const char *token_command);

#endif
