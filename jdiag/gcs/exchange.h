/* One step on the way to an access token: a request to a token endpoint and its answer. Shared by
 * the ways that credentials go (token.c, sts.c, impersonate.c). Errors have t->code. */
#ifndef JDIAG_GCS_EXCHANGE_H
#define JDIAG_GCS_EXCHANGE_H

#include "jdiag/gcs/token.h"
#include "jdiag/http/http.h"

#define SCOPE_CLOUD_PLATFORM "https://www.googleapis.com/auth/cloud-platform"

struct access_token {
	struct secret value;
	uint64_t life_s;
};

void access_token_release(struct access_token *a);

/* A token of c for scope, asked for now. c may change: a refresh token can be replaced. */
int token_fetch(const struct google_token *t, struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err) must_check;

/* A request that is safe to repeat, with its retries; any status that is not worth another try is
 * an answer. Errors are http.h's. */
int exchange_send(const struct google_token *t, struct http_client *http,
		  const struct http_request *req, struct http_response *ret,
		  struct error *err) must_check;

/* POST of a body (an OAuth form, else JSON) to url, which may see secrets. header: one more, or
 * NULL. */
int exchange_post(const struct google_token *t, const char *url, const char *header,
		  const struct buf *body, bool form, struct http_response *ret,
		  struct error *err) must_check;

/* The answer of an OAuth 2.0 token endpoint (RFC 6749, 5.1 and 5.2). Words that repeat a secret of
 * c, or `sent` (or NULL), are not shown. */
int exchange_take(const struct google_token *t, const struct credentials *c,
		  const struct http_response *r, const struct secret *sent,
		  struct access_token *ret, struct error *err) must_check;

/* Fill ret; refuses what is not visible characters, as it goes into a header. */
int exchange_keep(const struct google_token *t, const struct credentials *c, const char *token,
		  uint64_t life_s, struct access_token *ret, struct error *err) must_check;

/* Memory for a body, all at once: growing leaves copies. Wipe body->cap bytes. */
void exchange_reserve(struct buf *body);

/* "name=" and the value percent-encoded, behind a '&' unless it is the first. */
void form_add(struct buf *form, const char *name, const char *value);

/* sts.c: of CRED_EXTERNAL, CRED_EXTERNAL_USER. impersonate.c: of CRED_IMPERSONATED. */
int sts_exchange(const struct google_token *t, struct credentials *c, const char *scope,
		 struct access_token *ret, struct error *err) must_check;
int sts_refresh(const struct google_token *t, struct credentials *c, struct access_token *ret,
		struct error *err) must_check;
int impersonate(const struct google_token *t, struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err) must_check;

/* oauth.c: of CRED_SERVICE_ACCOUNT and CRED_USER. */
int oauth_fetch(const struct google_token *t, const struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err) must_check;

#endif
