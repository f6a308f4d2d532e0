#include "jdiag/gcs/token.h"

#include <string.h>

#include "jdiag/gcs/exchange.h"
#include "jdiag/gcs/internal.h"
#include "remote/base/io.h"
#include "remote/base/log.h"

/* The metadata server hands out a cached token until 4 minutes before its end (golang/oauth2,
 * computeTokenSource): asking earlier than that brings the same one. */
#define REFRESH_EARLY_MS (225 * 1000ul)

/* A command does not say how long its token lives; gcloud prints one of at least some minutes. */
#define COMMAND_TOKEN_S (5 * 60 + 225)

/* Elsewhere the name does not resolve, or the address swallows packets. */
#define METADATA_CONNECT_MS 3000

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

static void http_cleanup(struct http_client **c)
{
	http_client_free(*c);
}

/* No answer at all means "not there", and trying again would only keep the user waiting. */
static int from_metadata_server(const struct google_token *t, const struct credentials *c,
				const char *scope, struct access_token *ret, struct error *err)
{
	static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
	const struct http_options o = {
		.code = t->code, .no_proxy = true, .connect_timeout_ms = METADATA_CONNECT_MS};
	auto_free char *url = xasprintf("http://%s/computeMetadata/v1/instance/service-accounts/"
					"default/token?scopes=%s",
					c->source, scope);
	const struct http_request req = {.method = "GET", .url = url, .headers = headers};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_cleanup(http_cleanup) struct http_client *http = http_client_new(&o);
	struct error why = {0};

	http_client_set_tick(http, t->tick, t->tick_ctx);
	if (http_do(http, &req, &r, &why) < 0) {
		if (why.code != ERR_INTERRUPTED && why.sys)
			return no_credentials(t, &why, err);
		return gcs_failed(&why, "no access token", err);
	}
	if (gcs_retryable_status(r.status)) {
		http_response_release(&r);
		if (exchange_send(t, http, &req, &r, &why) < 0)
			return gcs_failed(&why, "no access token", err);
	}
	return exchange_take(t, c, &r, NULL, ret, err);
}

static int from_command(const struct google_token *t, const struct credentials *c,
			struct access_token *ret, struct error *err)
{
	auto_secret struct secret token = {0};

	if (gcs_run_token_command(t, &token, err) < 0)
		return -1;
	if (!token.len)
		return error_set(err, t->code, "token command printed nothing");
	if (exchange_keep(t, c, secret_str(&token), COMMAND_TOKEN_S, ret, NULL) < 0)
		return error_set(err, t->code, "token command printed something else than a token");
	return 0;
}

int token_fetch(const struct google_token *t, struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err)
{
	switch (c->kind) {
	case CRED_COMMAND:
		return from_command(t, c, ret, err);
	case CRED_METADATA:
		return from_metadata_server(t, c, scope, ret, err);
	case CRED_EXTERNAL:
		return sts_exchange(t, c, scope, ret, err);
	case CRED_EXTERNAL_USER:
		return sts_refresh(t, c, ret, err);
	case CRED_IMPERSONATED:
		return impersonate(t, c, scope, ret, err);
	default:
		return oauth_fetch(t, c, scope, ret, err);
	}
}

int token_get(struct google_token *t, struct error *err)
{
	auto_cleanup(access_token_release) struct access_token fresh = {0};
	uint64_t life_ms;

	if (t->cred.kind == CRED_NONE || (t->value.len && now_ms() < t->expires))
		return 0;
	if (token_fetch(t, &t->cred, t->scope, &fresh, err) < 0)
		return -1;
	life_ms = fresh.life_s * 1000;
	secret_release(&t->value);
	t->value = fresh.value;
	fresh.value = (struct secret){0};
	t->used = false;
	t->expires = now_ms() + (life_ms > REFRESH_EARLY_MS ? life_ms - REFRESH_EARLY_MS : 0);
	log_at(LOG_DEBUG, "google: new access token, valid for %llu s",
	       (unsigned long long)fresh.life_s);
	return 0;
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
