#include "jdiag/gcs/external_account.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/subject.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define IMPERSONATION_URL "service_account_impersonation_url"
#define LIFETIME "service_account_impersonation.token_lifetime_seconds"
#define NAME_PREFIX "projects/-/serviceAccounts/"
#define MAX_DELEGATES 16

static const char account_set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789.-_@";

static int bad_address(const struct fields *f, const char *name, const char *value,
		       const char *service, struct error *err)
{
	field_bad(f, name, err, "'%s' is not an address of Google's %s", value, service);
	return error_hint(err,
			  "only https://%s.googleapis.com is trusted with these credentials; "
			  "where does this file come from?",
			  service);
}

/* More than below googleapis.com is asked here: a bucket that anybody may write to is there too. */
static int take_sts(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *url = field_text(f, "token_url", err);
	struct endpoint e;

	if (!url)
		return -1;
	if (!endpoint_parse(url, &e) || !endpoint_is_service(&e, "sts"))
		return bad_address(f, "token_url", url, "sts", err);
	c->token_uri = xstrdup(url);
	return 0;
}

/* The credentials of an OAuth client, which a few kinds of providers want. */
static int take_client(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *id, *secret;

	if (field_maybe(f, "client_id", &id, err) < 0 ||
	    field_maybe(f, "client_secret", &secret, err) < 0)
		return -1;
	if (!id != !secret)
		return field_bad(f, id ? "client_secret" : "client_id", err, "is missing");
	if (!id)
		return 0;
	c->client_id = xstrdup(id);
	secret_set(&c->key, secret, strlen(secret));
	return 0;
}

/* Only people of a workforce pool have no project of their own. */
static int take_user_project(struct credentials *c, const struct fields *f, struct error *err)
{
	static const char name[] = "workforce_pool_user_project";
	const char *project, *pool;

	if (field_maybe(f, name, &project, err) < 0)
		return -1;
	if (!project)
		return 0;
	pool = strstr(c->audience, "/workforcePools/");
	if (!str_starts(c->audience, "//iam.googleapis.com/locations/") || !pool)
		return field_bad(f, name, err,
				 "does not go with an audience that is no workforce "
				 "pool");
	c->user_project = xstrdup(project);
	return 0;
}

static int parse_external(struct credentials *c, const struct fields *f, const char *account,
			  struct error *err)
{
	const char *audience = field_text(f, "audience", err);
	const char *type = audience ? field_text(f, "subject_token_type", err) : NULL;

	if (!type)
		return -1;
	c->kind = CRED_EXTERNAL;
	c->audience = xstrdup(audience);
	c->subject_type = xstrdup(type);
	if (take_sts(c, f, err) < 0 || take_client(c, f, err) < 0 ||
	    take_user_project(c, f, err) < 0)
		return -1;
	return subject_parse(&c->subject, f, account, err);
}

int external_account_parse(struct credentials *c, const struct fields *f, struct error *err)
{
	auto_free char *account = NULL;
	struct credentials base = {0};
	const char *url;

	if (field_maybe(f, IMPERSONATION_URL, &url, err) < 0)
		return -1;
	if (!url)
		return parse_external(c, f, NULL, err);
	account = impersonation_account(url);
	base.source = xstrdup(f->path);
	if (parse_external(&base, f, account, err) < 0 ||
	    impersonation_parse(c, f, &base, err) < 0) {
		credentials_release(&base);
		return -1;
	}
	return 0;
}

int external_user_parse(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *refresh = field_text(f, "refresh_token", err);
	const char *id = refresh ? field_text(f, "client_id", err) : NULL;
	const char *secret = id ? field_text(f, "client_secret", err) : NULL, *audience;

	if (!secret || field_maybe(f, "audience", &audience, err) < 0 || take_sts(c, f, err) < 0)
		return -1;
	c->audience = audience ? xstrdup(audience) : NULL;
	c->kind = CRED_EXTERNAL_USER;
	c->client_id = xstrdup(id);
	secret_set(&c->key, secret, strlen(secret));
	secret_set(&c->refresh_token, refresh, strlen(refresh));
	return 0;
}

char *impersonation_account(const char *url)
{
	static const char before[] = "/v1/" NAME_PREFIX, after[] = ":generateAccessToken";
	struct endpoint e;
	const char *path;
	size_t n;

	if (!endpoint_parse(url, &e) || !endpoint_is_service(&e, "iamcredentials"))
		return NULL;
	path = strstr(url, "://") + 3;
	path += strcspn(path, "/?");
	if (!str_starts(path, before))
		return NULL;
	path += strlen(before);
	n = strspn(path, account_set);
	return n && strcmp(path + n, after) == 0 ? xstrndup(path, n) : NULL;
}

/* Each as the API wants it; gcloud writes bare addresses. */
static int take_delegates(struct credentials *c, const struct fields *f, struct error *err)
{
	const json_t *list = json_at(f->root, "delegates");
	auto_json json_t *names = NULL;
	json_t *item;
	size_t i;

	if (!list || json_is_null(list) || (json_is_array(list) && !json_array_size(list)))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > MAX_DELEGATES)
		return field_bad(f, "delegates", err, "is not a list of at most %d names",
				 MAX_DELEGATES);
	names = json_array();
	json_array_foreach (list, i, item) {
		const char *s = json_is_string(item) ? json_string_value(item) : "";

		if (str_starts(s, NAME_PREFIX))
			s += strlen(NAME_PREFIX);
		if (!str_only(s, account_set))
			return field_bad(f, "delegates", err,
					 "has an entry that is not a service "
					 "account");
		json_array_append_new(names, json_sprintf(NAME_PREFIX "%s", s));
	}
	c->delegates = json_to_line(names);
	return 0;
}

int impersonation_parse(struct credentials *c, const struct fields *f, struct credentials *base,
			struct error *err)
{
	const char *url = field_text(f, IMPERSONATION_URL, err);

	if (!url)
		return -1;
	c->account = impersonation_account(url);
	if (!c->account)
		return bad_address(f, IMPERSONATION_URL, url, "iamcredentials", err);
	/* the range is that of the API, https://google.aip.dev/auth/4117 */
	if (field_number(f, LIFETIME, 600, 43200, 3600, &c->lifetime_s, err) < 0 ||
	    take_delegates(c, f, err) < 0)
		return -1;
	c->kind = CRED_IMPERSONATED;
	c->token_uri = xstrdup(url);
	c->base = xcalloc(1, sizeof(*c->base));
	*c->base = *base;
	*base = (struct credentials){0};
	return 0;
}
