#include "jdiag/gcs/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/endpoint.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

#define DEFAULT_TOKEN_URI "https://oauth2.googleapis.com/token"

void credentials_release(struct credentials *c)
{
	free(c->source);
	free(c->account);
	free(c->key_id);
	free(c->token_uri);
	free(c->client_id);
	secret_release(&c->key);
	secret_release(&c->refresh_token);
	*c = (struct credentials){0};
}

/* A field that has to be a non-empty string. */
static const char *field(const json_t *root, const char *name, const char *path, struct error *err)
{
	const char *value = json_str_at(root, name, "");

	if (*value)
		return value;
	error_set(err, ERR_USAGE, "credential file '%s': field '%s' is missing or not a string",
		  path, name);
	error_hint(err, "it is not a complete key file: download or create it anew");
	return NULL;
}

/* Go's documentation warns that nobody checks the addresses in such files: whoever can plant one
 * would get the signed claim or the refresh token. */
static int take_token_uri(struct credentials *c, const json_t *root, const char *path,
			  struct error *err)
{
	const char *uri = json_str_at(root, "token_uri", DEFAULT_TOKEN_URI);
	struct endpoint e;

	if (!endpoint_parse(uri, &e) || !endpoint_may_see_secrets(&e)) {
		error_set(err, ERR_USAGE,
			  "credential file '%s': token_uri '%s' is not an address of Google", path,
			  uri);
		return error_hint(err, "only https://*.googleapis.com (or loopback) is trusted "
				       "with credentials; where does this file come from?");
	}
	c->token_uri = xstrdup(uri);
	return 0;
}

static int parse_service_account(struct credentials *c, const json_t *root, const char *path,
				 struct error *err)
{
	const char *email = field(root, "client_email", path, err);
	const char *key = email ? field(root, "private_key", path, err) : NULL;
	const char *key_id = json_str_at(root, "private_key_id", "");

	if (!key || take_token_uri(c, root, path, err) < 0)
		return -1;
	c->kind = CRED_SERVICE_ACCOUNT;
	c->account = xstrdup(email);
	c->key_id = *key_id ? xstrdup(key_id) : NULL;
	secret_set(&c->key, key, strlen(key));
	return 0;
}

static int parse_user(struct credentials *c, const json_t *root, const char *path,
		      struct error *err)
{
	const char *id = field(root, "client_id", path, err);
	const char *secret = id ? field(root, "client_secret", path, err) : NULL;
	const char *refresh = secret ? field(root, "refresh_token", path, err) : NULL;

	if (!refresh || take_token_uri(c, root, path, err) < 0)
		return -1;
	c->kind = CRED_USER;
	c->client_id = xstrdup(id);
	secret_set(&c->key, secret, strlen(secret));
	secret_set(&c->refresh_token, refresh, strlen(refresh));
	return 0;
}

static int parse_root(struct credentials *c, const json_t *root, const char *path,
		      struct error *err)
{
	const char *type = field(root, "type", path, err);

	if (!type)
		return -1;
	c->source = xstrdup(path);
	if (strcmp(type, "service_account") == 0)
		return parse_service_account(c, root, path, err);
	if (strcmp(type, "authorized_user") == 0)
		return parse_user(c, root, path, err);
	error_set(err, ERR_USAGE, "credential file '%s': type '%s' is not supported", path, type);
	return error_hint(err,
			  "let gcloud get the token: "
			  "--token-command 'gcloud auth application-default print-access-token'");
}

/* jansson does not wipe; the tree holds the key. */
static void wipe_tree(json_t *root)
{
	const char *key;
	json_t *value;

	json_object_foreach (root, key, value)
		if (json_is_string(value))
			secret_wipe((char *)(uintptr_t)json_string_value(value),
				    json_string_length(value));
}

int credentials_parse(struct credentials *ret, const char *text, size_t len, const char *path,
		      struct error *err)
{
	auto_free char *what = xasprintf("credential file '%s'", path);
	auto_json json_t *root = json_from_text(text, len, what, ERR_USAGE, err);
	struct credentials c = {0};

	if (!root)
		return -1;
	if (parse_root(&c, root, path, err) < 0) {
		wipe_tree(root);
		credentials_release(&c);
		return -1;
	}
	wipe_tree(root);
	*ret = c;
	return 0;
}

/* 0, -ENOENT, or -1 with err filled. Links are followed: a mounted secret is one. */
static int parse_file(struct credentials *ret, const char *path, struct error *err)
{
	char real[PATH_MAX];
	auto_buf struct buf text = BUF_INIT(MAX_CREDENTIAL_FILE);
	int r;

	if (!realpath(path, real))
		r = -errno;
	else
		r = io_read_file(AT_FDCWD, real, &text);
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
