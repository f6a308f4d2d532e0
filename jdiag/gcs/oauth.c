#include <string.h>
#include <time.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/exchange.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"

#define JWT_LIFE_S 3600
#define JWT_GRANT "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"

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
	form_add(form, "grant_type", "refresh_token");
	form_add(form, "client_id", c->client_id);
	form_add(form, "client_secret", secret_str(&c->key));
	form_add(form, "refresh_token", secret_str(&c->refresh_token));
}

int oauth_fetch(const struct google_token *t, const struct credentials *c, const char *scope,
		struct access_token *ret, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_buf struct buf form = BUF_INIT(128 * KiB);
	int rc = 0;

	exchange_reserve(&form);
	if (c->kind == CRED_USER)
		add_refresh(&form, c);
	else
		rc = add_assertion(&form, c, scope, err);
	if (rc == 0)
		rc = exchange_post(t, c->token_uri, NULL, &form, true, &r, err);
	if (rc == 0)
		rc = exchange_take(t, c, &r, NULL, ret, err);
	secret_wipe(form.data, form.cap);
	return rc;
}
