#include "jdiag/gcs/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/external_account.h"
#include "jdiag/gcs/fields.h"
#include "jdiag/gcs/subject.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define DEFAULT_TOKEN_URI "https://oauth2.googleapis.com/token"
#define UNIVERSE "googleapis.com"

void credentials_release(struct credentials *c)
{
	free(c->source);
	free(c->account);
	free(c->key_id);
	free(c->token_uri);
	free(c->client_id);
	secret_release(&c->key);
	secret_release(&c->refresh_token);
	free(c->audience);
	free(c->subject_type);
	free(c->user_project);
	subject_free(c->subject);
	free(c->delegates);
	if (c->base)
		credentials_release(c->base);
	free(c->base);
	*c = (struct credentials){0};
}

/* Go's documentation warns that nobody checks the addresses in such files: whoever can plant one
 * would get the signed claim or the refresh token. */
static int take_token_uri(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *uri;
	struct endpoint e;

	if (field_maybe(f, "token_uri", &uri, err) < 0)
		return -1;
	if (!uri)
		uri = DEFAULT_TOKEN_URI;
	if (!endpoint_parse(uri, &e) || !endpoint_may_see_secrets(&e)) {
		field_bad(f, "token_uri", err, "'%s' is not an address of Google", uri);
		return error_hint(err, "only https://*.googleapis.com (or loopback) is trusted "
				       "with credentials; where does this file come from?");
	}
	c->token_uri = xstrdup(uri);
	return 0;
}

static int parse_service_account(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *email = field_text(f, "client_email", err);
	const char *key = email ? field_lines(f, "private_key", err) : NULL;
	const char *key_id;

	if (!key || field_maybe(f, "private_key_id", &key_id, err) < 0 ||
	    take_token_uri(c, f, err) < 0)
		return -1;
	c->kind = CRED_SERVICE_ACCOUNT;
	c->account = xstrdup(email);
	c->key_id = key_id ? xstrdup(key_id) : NULL;
	secret_set(&c->key, key, strlen(key));
	return 0;
}

static int parse_user(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *id = field_text(f, "client_id", err);
	const char *secret = id ? field_text(f, "client_secret", err) : NULL;
	const char *refresh = secret ? field_text(f, "refresh_token", err) : NULL;

	if (!refresh || take_token_uri(c, f, err) < 0)
		return -1;
	c->kind = CRED_USER;
	c->client_id = xstrdup(id);
	secret_set(&c->key, secret, strlen(secret));
	secret_set(&c->refresh_token, refresh, strlen(refresh));
	return 0;
}

static int parse_impersonated(struct credentials *c, const struct fields *f, struct error *err);

static const struct {
	const char *name;
	int (*parse)(struct credentials *c, const struct fields *f, struct error *err);
} types[] = {
	{"service_account", parse_service_account},
	{"authorized_user", parse_user},
	{"external_account", external_account_parse},
	{"external_account_authorized_user", external_user_parse},
	{"impersonated_service_account", parse_impersonated},
};

/* Another universe is another cloud, with other addresses for everything, the bucket included. */
static int check_universe(const struct fields *f, struct error *err)
{
	const char *universe;

	if (field_maybe(f, "universe_domain", &universe, err) < 0)
		return -1;
	if (!universe || strcmp(universe, UNIVERSE) == 0)
		return 0;
	return field_bad(f, "universe_domain", err, "'%s' is not supported: it is not %s", universe,
			 UNIVERSE);
}

static int parse_fields(struct credentials *c, const struct fields *f, struct error *err)
{
	const char *type = field_text(f, "type", err);

	if (!type || check_universe(f, err) < 0)
		return -1;
	c->source = xstrdup(f->path);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i].name) == 0)
			return types[i].parse(c, f, err);
	field_bad(f, "type", err, "'%s' is not supported", type);
	return error_hint(err,
			  "let gcloud get the token: "
			  "--token-command 'gcloud auth application-default print-access-token'");
}

/* {"source_credentials": {...}, "service_account_impersonation_url": ..., "delegates": [...]}. Not
 * inside each other: a chain of accounts is what delegates are for. */
static int parse_impersonated(struct credentials *c, const struct fields *f, struct error *err)
{
	static const char name[] = "source_credentials";
	auto_free char *path = xasprintf("%s#%s", f->path, name);
	const struct fields inner = {json_at(f->root, name), path};
	struct credentials base = {0};

	if (!json_is_object(inner.root))
		return field_bad(f, name, err, "is missing or not an object");
	if (strcmp(json_str_at(inner.root, "type", ""), "impersonated_service_account") == 0)
		return field_bad(f, name, err, "impersonates once more: use delegates for a chain");
	if (parse_fields(&base, &inner, err) < 0 || impersonation_parse(c, f, &base, err) < 0) {
		credentials_release(&base);
		return -1;
	}
	return 0;
}

/* jansson does not wipe; the tree holds the key. Its depth is bounded by the parser. */
static void wipe_tree(json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		secret_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
	json_object_foreach (value, key, item)
		wipe_tree(item);
	json_array_foreach (value, i, item)
		wipe_tree(item);
}

int credentials_parse(struct credentials *ret, const char *text, size_t len, const char *path,
		      struct error *err)
{
	auto_free char *what = xasprintf("credential file '%s'", path);
	auto_json json_t *root = json_from_text(text, len, what, ERR_USAGE, err);
	struct credentials c = {0};
	int r;

	if (!root)
		return -1;
	r = parse_fields(&c, &(struct fields){root, path}, err);
	wipe_tree(root);
	if (r < 0) {
		credentials_release(&c);
		return -1;
	}
	*ret = c;
	return 0;
}

/* 0, -ENOENT, or -1 with err filled. */
static int parse_file(struct credentials *ret, const char *path, struct error *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_CREDENTIAL_FILE);
	int r = read_secret_file(path, &text);

	if (r == 0)
		r = credentials_parse(ret, buf_str(&text), text.len, path, err);
	else if (r == -EINVAL)
		r = error_set(err, ERR_USAGE, "credential file '%s' is not a file", path);
	else if (r != -ENOENT)
		r = error_sys(err, ERR_USAGE, -r, "cannot read credential file '%s'", path);
	secret_wipe(text.data, text.cap);
	return r;
}

static char *gcloud_file(void)
{
	static const char name[] = "application_default_credentials.json";
	const char *config = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");

	if (config && *config)
		return xasprintf("%s/%s", config, name);
	return home && *home ? xasprintf("%s/.config/gcloud/%s", home, name) : NULL;
}

static void use_metadata_server(struct credentials *c)
{
	const char *host = getenv("GCE_METADATA_HOST");

	c->kind = CRED_METADATA;
	c->source = xstrdup(host && *host ? host : "metadata.google.internal");
}

/* "//iam.googleapis.com/.../POOL/providers/P" */
static char *pool_member(const char *audience)
{
	const char *end = audience ? strstr(audience, "/providers/") : NULL;

	if (!end)
		return xstrdup("MEMBER");
	return xasprintf("principalSet:%.*s/*", (int)(end - audience), audience);
}

static char *member(const struct credentials *c)
{
	switch (c->kind) {
	case CRED_EXTERNAL:
	case CRED_EXTERNAL_USER:
		return pool_member(c->audience);
	case CRED_SERVICE_ACCOUNT:
	case CRED_IMPERSONATED:
	case CRED_METADATA:
		return xasprintf("serviceAccount:%s", c->account ? c->account : "ACCOUNT");
	default:
		return xstrdup("user:ACCOUNT");
	}
}

char *credentials_member(const struct credentials *c)
{
	auto_free char *text = member(c);

	return str_shell_word(text);
}

const char *credentials_from(const struct credentials *c)
{
	if (c->kind == CRED_COMMAND)
		return "--token-command";
	return c->source ? c->source : "nowhere";
}

int credentials_find(struct credentials *ret, const char *token_command, struct error *err)
{
	const char *named = getenv("GOOGLE_APPLICATION_CREDENTIALS");
	auto_free char *gcloud = NULL;
	int r;

	if (token_command) {
		*ret = (struct credentials){.kind = CRED_COMMAND, .source = xstrdup(token_command)};
		return 0;
	}
	if (named && *named) {
		r = parse_file(ret, named, err);
		if (r != -ENOENT)
			return r;
		error_sys(err, ERR_USAGE, ENOENT, "cannot read credential file '%s'", named);
		return error_hint(err, "GOOGLE_APPLICATION_CREDENTIALS names it: correct or unset "
				       "the variable");
	}
	gcloud = gcloud_file();
	/* only its absence leads on: a broken file is not silently replaced by another identity */
	r = gcloud ? parse_file(ret, gcloud, err) : -ENOENT;
	if (r != -ENOENT)
		return r;
	*ret = (struct credentials){0};
	use_metadata_server(ret);
	return 0;
}
