#include "jdiag/gcs/exchange.h"

#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"

#define MAX_TOKEN (16 * KiB)
#define MAX_LIFE_S 86400

void access_token_release(struct access_token *a)
{
	secret_release(&a->value);
	a->life_s = 0;
}

void exchange_reserve(struct buf *body)
{
	if (!buf_reserve(body, body->max))
		die_oom();
	buf_reset(body);
}

void form_add(struct buf *form, const char *name, const char *value)
{
	buf_addf(form, "%s%s=", form->len ? "&" : "", name);
	http_escape(form, value);
}

int exchange_send(const struct google_token *t, struct http_client *http,
		  const struct http_request *req, struct http_response *ret, struct error *err)
{
	for (unsigned int failures = 0;;) {
		struct http_response r = {0};
		struct error why = {0};
		uint64_t wait = 0;

		if (http_do(http, req, &r, &why) == 0) {
			if (!gcs_retryable_status(r.status) || failures + 1 >= GCS_TRIES_START) {
				*ret = r;
				return 0;
			}
			wait = http_retry_after_ms(&r);
			http_response_release(&r);
		} else if (!gcs_retryable_error(&why) || failures + 1 >= GCS_TRIES_START) {
			if (err)
				*err = why;
			return -1;
		}
		if (gcs_backoff(t, ++failures, wait, err) < 0)
			return -1;
	}
}

static void http_cleanup(struct http_client **c)
{
	http_client_free(*c);
}

int exchange_post(const struct google_token *t, const char *url, const char *header,
		  const struct buf *body, bool form, struct http_response *ret, struct error *err)
{
	const char *headers[] = {form ? "Content-Type: application/x-www-form-urlencoded"
				      : "Content-Type: application/json",
				 header, NULL};
	const struct http_request req = {.method = "POST",
					 .url = url,
					 .headers = headers,
					 .body = body->data,
					 .body_len = body->len};
	struct http_options o = {.code = t->code};
	auto_cleanup(http_cleanup) struct http_client *http = NULL;
	struct error why = {0};
	struct endpoint e;

	if (body->overflow)
		return error_set(err, t->code, "no access token: the credentials are too large");
	o.no_proxy = endpoint_parse(url, &e) && endpoint_is_loopback(&e);
	http = http_client_new(&o);
	http_client_set_tick(http, t->tick, t->tick_ctx);
	if (exchange_send(t, http, &req, ret, &why) < 0)
		return gcs_failed(&why, "no access token", err);
	return 0;
}

static bool repeats(const char *text, const struct secret *s)
{
	return s && s->len && strstr(text, secret_str(s));
}

static int refused(const struct google_token *t, const struct credentials *c,
		   const struct http_response *r, const struct secret *sent, struct error *err)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", t->code, NULL);
	const char *error = json_str_at(root, "error", "");
	const char *why = json_str_at(root, "error_description", "");

	if (repeats(why, &c->key) || repeats(why, &c->refresh_token) || repeats(why, sent))
		why = "";
	if (repeats(error, &c->key) || repeats(error, &c->refresh_token) || repeats(error, sent))
		error = "";
	error_set(err, t->code, "no access token for %s '%s': status %ld%s%.100s%s%.200s",
		  c->account ? "account" : "credentials from",
		  c->account ? c->account : credentials_from(c), r->status, *error ? ", " : "",
		  error, *why ? ": " : "", why);
	switch (c->kind) {
	case CRED_SERVICE_ACCOUNT:
		return error_hint(err,
				  "is the key in '%s' deleted or disabled, or this machine's "
				  "clock wrong?",
				  c->source);
	case CRED_USER:
		return error_hint(err, "log in again: gcloud auth application-default login");
	case CRED_EXTERNAL_USER:
		return error_hint(err, "log in again: gcloud auth application-default login "
				       "--login-config=FILE");
	case CRED_EXTERNAL:
		return error_hint(err,
				  "the provider '%s' has to know the issuer and the audience of "
				  "the subject token,\nand its attribute condition has to hold",
				  c->audience);
	default:
		return error_hint(err, "does this machine have a service account?");
	}
}

/* A token goes into a header: nothing but visible characters. */
static bool is_token(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (s[n] <= ' ' || s[n] > '~')
			return false;
	return n && n <= MAX_TOKEN;
}

int exchange_keep(const struct google_token *t, const struct credentials *c, const char *token,
		  uint64_t life_s, struct access_token *ret, struct error *err)
{
	if (!is_token(token))
		return error_set(err, t->code, "credentials from '%s' gave no usable access token",
				 credentials_from(c));
	secret_set(&ret->value, token, strlen(token));
	ret->life_s = life_s < MAX_LIFE_S ? life_s : MAX_LIFE_S;
	return 0;
}

int exchange_take(const struct google_token *t, const struct credentials *c,
		  const struct http_response *r, const struct secret *sent,
		  struct access_token *ret, struct error *err)
{
	auto_json json_t *root = NULL;
	const char *token;
	int rc;

	if (r->status != 200)
		return refused(t, c, r, sent, err);
	root = json_from_text(buf_str(&r->body), r->body.len, "answer of the token endpoint",
			      t->code, err);
	if (!root)
		return -1;
	if (strcasecmp(json_str_at(root, "token_type", "Bearer"), "Bearer") != 0)
		return error_set(err, t->code,
				 "credentials from '%s' gave a token that is not a bearer token",
				 credentials_from(c));
	token = json_str_at(root, "access_token", "");
	rc = exchange_keep(t, c, token, json_u64_at(root, "expires_in", 0), ret, err);
	secret_wipe((char *)(uintptr_t)token, strlen(token));
	return rc;
}
