#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/exchange.h"
#include "jdiag/gcs/subject.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"

#define OAUTH "urn:ietf:params:oauth:"
#define ACCESS_TOKEN OAUTH "token-type:access_token"

/* "Authorization: Basic ..." of an OAuth client; empty without one. */
static void basic(const struct credentials *c, struct secret *ret)
{
	auto_buf struct buf plain = BUF_INIT(16 * KiB), header = BUF_INIT(32 * KiB);

	if (!c->client_id)
		return;
	exchange_reserve(&plain);
	exchange_reserve(&header);
	buf_addf(&plain, "%s:", c->client_id);
	buf_add(&plain, c->key.data, c->key.len);
	buf_adds(&header, "Authorization: Basic ");
	base64_encode(&header, plain.data, plain.len, false);
	secret_set(ret, buf_str(&header), header.len);
	secret_wipe(plain.data, plain.cap);
	secret_wipe(header.data, header.cap);
}

static int post(const struct google_token *t, const struct credentials *c, const struct buf *form,
		struct http_response *ret, struct error *err)
{
	auto_secret struct secret header = {0};

	basic(c, &header);
	return exchange_post(t, c->token_uri, header.data, form, true, ret, err);
}

/* https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
static void add_exchange(struct buf *form, const struct credentials *c, const char *scope,
			 const struct secret *subject)
{
	form_add(form, "grant_type", OAUTH "grant-type:token-exchange");
	form_add(form, "audience", c->audience);
	form_add(form, "scope", scope);
	form_add(form, "requested_token_type", ACCESS_TOKEN);
	form_add(form, "subject_token_type", c->subject_type);
	form_add(form, "subject_token", secret_str(subject));
	/* a client of its own has its own project */
	if (c->user_project && !c->client_id) {
		auto_json json_t *options = json_pack("{s:s}", "userProject", c->user_project);
		auto_free char *line = json_to_line(options);

		form_add(form, "options", line);
	}
}

/* Another kind of token would be sent to the bucket and be refused there, with words that tell
 * nothing. */
static int check_type(const struct google_token *t, const struct credentials *c,
		      const struct http_response *r, struct error *err)
{
	auto_json json_t *root =
		json_from_text(buf_str(&r->body), r->body.len, "answer", t->code, NULL);
	const char *type = json_str_at(root, "issued_token_type", ACCESS_TOKEN);

	if (r->status != 200 || strcmp(type, ACCESS_TOKEN) == 0)
		return 0;
	return error_set(err, t->code,
			 "credentials from '%s' were exchanged for a token of type "
			 "'%.100s'",
			 c->source, type);
}

int sts_exchange(const struct google_token *t, struct credentials *c, const char *scope,
		 struct access_token *ret, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_buf struct buf form = BUF_INIT(3 * MAX_SUBJECT_TOKEN + 64 * KiB);
	auto_secret struct secret subject = {0};
	int rc;

	if (subject_get(t, c, &subject, err) < 0)
		return -1;
	exchange_reserve(&form);
	add_exchange(&form, c, scope, &subject);
	rc = post(t, c, &form, &r, err);
	if (rc == 0)
		rc = check_type(t, c, &r, err);
	if (rc == 0)
		rc = exchange_take(t, c, &r, &subject, ret, err);
	secret_wipe(form.data, form.cap);
	return rc;
}

/* The answer may bring another refresh token, and the old one is then good no more. */
static void take_refresh(struct credentials *c, const struct http_response *r)
{
	auto_json json_t *root = NULL;
	const char *fresh;

	if (r->status != 200)
		return;
	root = json_from_text(buf_str(&r->body), r->body.len, "answer", ERR_FAILED, NULL);
	fresh = json_str_at(root, "refresh_token", "");
	if (*fresh)
		secret_set(&c->refresh_token, fresh, strlen(fresh));
}

int sts_refresh(const struct google_token *t, struct credentials *c, struct access_token *ret,
		struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_buf struct buf form = BUF_INIT(128 * KiB);
	int rc;

	exchange_reserve(&form);
	form_add(&form, "grant_type", "refresh_token");
	form_add(&form, "refresh_token", secret_str(&c->refresh_token));
	rc = post(t, c, &form, &r, err);
	if (rc == 0)
		rc = exchange_take(t, c, &r, NULL, ret, err);
	if (rc == 0)
		take_refresh(c, &r);
	secret_wipe(form.data, form.cap);
	return rc;
}
