#include "jdiag/gcs/token.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define JWT_LIFE_S 3600
#define JWT_GRANT "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"

/* The metadata server hands out a cached token until 4 minutes before its end (golang/oauth2,
 * computeTokenSource): asking earlier than that brings the same one. */
#define REFRESH_EARLY_MS (225 * 1000ul)

/* A command does not say how long its token lives; gcloud prints one of at least some minutes. */
#define COMMAND_TOKEN_S (5 * 60 + 225)

static int no_credentials(const struct google_token *t, const struct error *why, struct error *err)
{
	error_set(err, t->code,
		  "no Google credentials: no key file is named, and the metadata "
		  "server '%s' is not there (%s)",
		  t->cred.source, why->msg);
	return error_hint(err, "set GOOGLE_APPLICATION_CREDENTIALS to a key file,\n"
			       "or run: gcloud auth application-default login,\n"
			       "or use: --token-command 'gcloud auth print-access-token'");
}

/* Whether text repeats what it was sent. */
static bool repeats(const char *text, const struct secret *s)
{
	return s->len && strstr(text, secret_str(s));
}

static int refused(const struct google_token *t, const struct http_response *r, struct error *err)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", t->code, NULL);
	const char *error = json_str_at(root, "error", "");
	const char *why = json_str_at(root, "error_description", "");

	if (repeats(why, &t->cred.key) || repeats(why, &t->cred.refresh_token))
		why = "";
	error_set(err, t->code, "no access token for %s '%s': status %ld%s%.100s%s%.200s",
		  t->cred.account ? "account" : "credentials from",
		  t->cred.account ? t->cred.account : t->cred.source, r->status, *error ? ", " : "",
		  error, *why ? ": " : "", why);
	switch (t->cred.kind) {
	case CRED_SERVICE_ACCOUNT:
		return error_hint(err,
				  "is the key in '%s' deleted or disabled, or this machine's "
				  "clock wrong?",
				  t->cred.source);
	case CRED_USER:
		return error_hint(err, "log in again: gcloud auth application-default login");
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
	return n && n <= 16 * KiB;
}

static int keep(struct google_token *t, const char *token, uint64_t life_s, struct error *err)
{
	uint64_t life = life_s * 1000;

	if (!is_token(token))
		return error_set(err, t->code, "credentials from '%s' gave no usable access token",
				 t->cred.source);
	secret_set(&t->value, token, strlen(token));
	t->used = false;
	t->expires = now_ms() + (life > REFRESH_EARLY_MS ? life - REFRESH_EARLY_MS : 0);
	log_at(LOG_DEBUG, "google: new access token, valid for %llu s", (unsigned long long)life_s);
	return 0;
}

static int take_answer(struct google_token *t, const struct http_response *r, struct error *err)
{
	auto_json json_t *root = NULL;
	const char *token;
	uint64_t life;
	int ret;

	if (r->status != 200)
		return refused(t, r, err);
	root = json_from_text(buf_str(&r->body), r->body.len, "answer of the token endpoint",
			      t->code, err);
	if (!root)
		return -1;
	if (strcasecmp(json_str_at(root, "token_type", "Bearer"), "Bearer") != 0)
		return error_set(err, t->code,
				 "credentials from '%s' gave a token that is not a "
				 "bearer token",
				 t->cred.source);
	token = json_str_at(root, "access_token", "");
	life = json_u64_at(root, "expires_in", 0);
	ret = keep(t, token, life > 86400 ? 86400 : life, err);
	secret_wipe((char *)(uintptr_t)token, strlen(token));
	return ret;
}

/* base64url(header).base64url(claims): what is signed. */
static void add_claims(struct buf *b, const struct credentials *c, const char *scope)
{
	int64_t now = (int64_t)time(NULL);
	auto_json json_t *header =
		json_pack("{s:s,s:s,s:s*}", "alg", "RS256", "typ", "JWT", "kid", c->key_id);
	auto_json json_t *claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", c->account, "scope",
					     scope, "aud", c->token_uri, "iat", (json_int_t)now,
					     "exp", (json_int_t)(now + JWT_LIFE_S));
	auto_free char *header_text = json_to_line(header), *claims_text = json_to_line(claims);

	base64_encode(b, header_text, strlen(header_text), true);
	buf_adds(b, ".");
	base64_encode(b, claims_text, strlen(claims_text), true);
}

static int add_assertion(struct buf *form, const struct credentials *c, const char *scope,
			 struct error *err)
{
	auto_buf struct buf jwt = BUF_INIT(64 * KiB), signature = BUF_INIT(4 * KiB);

	add_claims(&jwt, c, scope);
	if (rsa_sha256_sign(secret_str(&c->key), jwt.data, jwt.len, &signature, err) < 0) {
		error_prefix(err, "credential file '%s': field 'private_key'", c->source);
		return error_hint(err, "download or create the key file anew");
	}
	buf_addf(form, "grant_type=%s&assertion=%s.", JWT_GRANT, buf_str(&jwt));
	base64_encode(form, signature.data, signature.len, true);
	return 0;
}

static void add_refresh(struct buf *form, const struct credentials *c)
{
	buf_adds(form, "grant_type=refresh_token&client_id=");
	http_escape(form, c->client_id);
	buf_adds(form, "&client_secret=");
	http_escape(form, secret_str(&c->key));
	buf_adds(form, "&refresh_token=");
	http_escape(form, secret_str(&c->refresh_token));
}

/* One exchange, tried again where that can help. probe: no answer at all means "not there". */
static int exchange(struct google_token *t, struct http_client *http,
		    const struct http_request *req, bool probe, struct error *err)
{
	for (unsigned int failures = 0;;) {
		struct http_response r = {0};
		struct error why = {0};
		uint64_t wait = 0;
		int ret;

		if (http_do(http, req, &r, &why) == 0) {
			if (!gcs_retryable_status(r.status) || failures + 1 >= GCS_TRIES_START) {
				ret = take_answer(t, &r, err);
				http_response_release(&r);
				return ret;
			}
			wait = http_retry_after_ms(&r);
			http_response_release(&r);
		} else if (probe && why.code != ERR_INTERRUPTED && why.sys) {
			return no_credentials(t, &why, err);
		} else if (!gcs_retryable_error(&why) || failures + 1 >= GCS_TRIES_START) {
			return gcs_failed(&why, "no access token", err);
		}
		if (gcs_backoff(t, ++failures, wait, err) < 0)
			return -1;
	}
}

static void http_cleanup(struct http_client **c)
{
	http_client_free(*c);
}

static int from_file(struct google_token *t, struct error *err)
{
	static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
					      NULL};
	auto_buf struct buf form = BUF_INIT(128 * KiB);
	auto_cleanup(http_cleanup) struct http_client *http = NULL;
	struct http_request req = {.method = "POST", .url = t->cred.token_uri, .headers = headers};
	struct http_options o = {.code = t->code};
	struct endpoint e;
	int r = 0;

	o.no_proxy = endpoint_parse(t->cred.token_uri, &e) && endpoint_is_loopback(&e);
	http = http_client_new(&o);
	http_client_set_tick(http, t->tick, t->tick_ctx);
	if (!buf_reserve(&form, form.max)) /* all at once: growing leaves copies */
		die_oom();
	buf_reset(&form);
	if (t->cred.kind == CRED_USER)
		add_refresh(&form, &t->cred);
	else
		r = add_assertion(&form, &t->cred, t->scope, err);
	req.body = form.data;
	req.body_len = form.len;
	if (r == 0)
		r = exchange(t, http, &req, false, err);
	secret_wipe(form.data, form.cap);
	return r;
}

static int from_metadata_server(struct google_token *t, struct error *err)
{
	static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
	/* Elsewhere the name does not resolve, or the address swallows packets. */
	const struct http_options o = {
		.code = t->code, .no_proxy = true, .connect_timeout_ms = 3000};
	auto_free char *url = xasprintf("http://%s/computeMetadata/v1/instance/service-accounts/"
					"default/token?scopes=%s",
					t->cred.source, t->scope);
	const struct http_request req = {.method = "GET", .url = url, .headers = headers};
	auto_cleanup(http_cleanup) struct http_client *http = http_client_new(&o);

	http_client_set_tick(http, t->tick, t->tick_ctx);
	return exchange(t, http, &req, true, err);
}

static int from_command(struct google_token *t, struct error *err)
{
	auto_secret struct secret token = {0};

	if (gcs_run_token_command(t, &token, err) < 0)
		return -1;
	if (!token.len)
		return error_set(err, t->code, "token command printed nothing");
	if (!is_token(secret_str(&token)))
		return error_set(err, t->code, "token command printed something else than a token");
	return keep(t, secret_str(&token), COMMAND_TOKEN_S, err);
}

int token_get(struct google_token *t, struct error *err)
{
	if (t->cred.kind == CRED_NONE || (t->value.len && now_ms() < t->expires))
		return 0;
	switch (t->cred.kind) {
	case CRED_COMMAND:
		return from_command(t, err);
	case CRED_METADATA:
		return from_metadata_server(t, err);
	default:
		return from_file(t, err);
	}
}

bool token_answered(struct google_token *t, long status)
{
	if (status != 401 || !t->used) {
		t->used = true;
		return false;
	}
	secret_release(&t->value);
	t->used = false; /* also where there is none to be renewed */
	return true;
}

void token_release(struct google_token *t)
{
	credentials_release(&t->cred);
	secret_release(&t->value);
}
