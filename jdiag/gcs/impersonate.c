#include <string.h>
#include <time.h>

#include <jansson.h>

#include "jdiag/gcs/exchange.h"
#include "jdiag/json.h"
#include "jdiag/rfc3339.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define ROLE "roles/iam.serviceAccountTokenCreator"

static int hint_role(const struct credentials *c, struct error *err)
{
	auto_free char *who = credentials_member(c->base);
	auto_free char *account = str_shell_word(c->account);

	return error_hint(err,
			  "the credentials (from '%s') need the role " ROLE " on that account:\n"
			  "gcloud iam service-accounts add-iam-policy-binding %s --role=" ROLE
			  " --member=%s",
			  credentials_from(c->base), account, who);
}

static int refused(const struct google_token *t, const struct credentials *c,
		   const struct http_response *r, const struct access_token *base,
		   struct error *err)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", t->code, NULL);
	const char *why = json_str_at(root, "error.message", "");

	if (strstr(why, secret_str(&base->value)))
		why = "";
	error_set(err, t->code, "cannot act as service account '%s': %s %ld%s%.200s", c->account,
		  r->status == 403 ? "not permitted, status" : "status", r->status,
		  *why ? ": " : "", why);
	if (r->status == 403)
		return hint_role(c, err);
	if (r->status == 404)
		return error_hint(err, "is there such an account? ('%s' names it)", c->source);
	return -1;
}

static int take(const struct google_token *t, const struct credentials *c,
		const struct http_response *r, struct access_token *ret, struct error *err)
{
	auto_json json_t *root = json_from_text(buf_str(&r->body), r->body.len,
						"answer for the service account", t->code, err);
	const char *token = json_str_at(root, "accessToken", "");
	int64_t end, now = (int64_t)time(NULL);
	int rc;

	if (!root)
		return -1;
	if (!rfc3339_to_unix(json_str_at(root, "expireTime", ""), &end))
		return error_set(err, t->code,
				 "the token of service account '%s' has no expireTime", c->account);
	/* by a clock that is wrong here it may be over already: the service decides */
	rc = exchange_keep(t, c, token, end > now ? (uint64_t)(end - now) : 0, ret, err);
	secret_wipe((char *)(uintptr_t)token, strlen(token));
	return rc;
}

static void add_request(struct buf *body, const struct credentials *c, const char *scope)
{
	auto_json json_t *root =
		json_pack("{s:[s],s:o}", "scope", scope, "lifetime",
			  json_sprintf("%llus", (unsigned long long)c->lifetime_s));
	auto_free char *line = NULL;

	if (c->delegates)
		json_object_set_new(root, "delegates", json_loads(c->delegates, 0, NULL));
	line = json_to_line(root);
	buf_adds(body, line);
}

/* https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/
 * generateAccessToken; the token that asks has to be for all of the platform, or for IAM. */
int impersonate(const struct google_token *t, struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_cleanup(access_token_release) struct access_token base = {0};
	auto_buf struct buf body = BUF_INIT(64 * KiB);
	auto_secret struct secret bearer = {0};

	if (token_fetch(t, c->base, SCOPE_CLOUD_PLATFORM, &base, err) < 0)
		return -1;
	bearer.data = xasprintf("Authorization: Bearer %s", secret_str(&base.value));
	bearer.len = strlen(bearer.data);
	add_request(&body, c, scope);
	if (exchange_post(t, c->token_uri, bearer.data, &body, false, &r, err) < 0)
		return -1;
	if (r.status != 200)
		return refused(t, c, &r, &base, err);
	return take(t, c, &r, ret, err);
}
