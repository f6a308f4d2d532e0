#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/kube/internal.h"
#include "jdiag/kube/read_file.h"
#include "remote/base/limits.h"

#define MAX_AUTH_HEADERS 256

void auth_headers_release(struct auth_headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		secret_wipe(h->lines[i], strlen(h->lines[i]));
		free(h->lines[i]);
	}
	free(h->lines);
	*h = (struct auth_headers){0};
}

static void add(struct auth_headers *h, char *line)
{
	h->lines = xrealloc(h->lines, (h->n + 2) * sizeof(*h->lines));
	h->lines[h->n++] = line;
	h->lines[h->n] = NULL;
}

void auth_headers_add(struct auth_headers *h, const char *line)
{
	add(h, xstrdup(line));
}

/* Remembered, so that an answer that echoes it is not shown (status.c). */
static void add_bearer(struct kube *k, struct auth_headers *h, const struct secret *token)
{
	secret_set(&k->sent_token, secret_str(token), token->len);
	add(h, xasprintf("Authorization: Bearer %s", secret_str(token)));
}

static void add_basic(struct auth_headers *h, const struct kube_config *c)
{
	auto_free char *pair = xasprintf("%s:%s", c->username, secret_str(&c->password));
	struct buf text = BUF_INIT(MAX_CREDENTIAL_FILE);

	base64_encode(&text, pair, strlen(pair), false);
	add(h, xasprintf("Authorization: Basic %s", buf_str(&text)));
	secret_wipe(pair, strlen(pair));
	secret_wipe(text.data, text.cap);
	buf_release(&text);
}

/* For each request anew: kubelet rotates a service account's token long before it expires. */
static int read_token_file(const char *path, struct secret *ret, struct error *err)
{
	static const char blank[] = " \t\r\n";
	struct buf b = BUF_INIT(MAX_CREDENTIAL_FILE);
	int rc = read_config_file(path, &b);
	const char *s = buf_str(&b) + strspn(buf_str(&b), blank);
	size_t len = strlen(s);

	while (len && strchr(blank, s[len - 1]))
		len--;
	if (rc < 0)
		rc = error_sys(err, ERR_USAGE, -rc, "cannot read token file '%s'", path);
	else if (!len)
		rc = error_set(err, ERR_USAGE, "token file '%s' is empty", path);
	else
		secret_set(ret, s, len);
	secret_wipe(b.data, b.cap);
	buf_release(&b);
	return rc;
}

static int add_token(struct kube *k, struct auth_headers *h, struct error *err)
{
	const struct kube_config *c = &k->config;
	auto_secret struct secret fresh = {0};

	if (!c->token_file) {
		add_bearer(k, h, &c->token);
		return 0;
	}
	if (read_token_file(c->token_file, &fresh, err) != 0)
		return -1;
	add_bearer(k, h, &fresh);
	return 0;
}

static void add_impersonation(struct auth_headers *h, const struct kube_config *c)
{
	const char *key;
	json_t *list, *v;
	size_t i;

	if (!c->as)
		return;
	add(h, xasprintf("Impersonate-User: %s", c->as));
	if (c->as_uid)
		add(h, xasprintf("Impersonate-Uid: %s", c->as_uid));
	json_array_foreach (c->as_groups, i, v) {
		if (h->n < MAX_AUTH_HEADERS)
			add(h, xasprintf("Impersonate-Group: %s", json_string_value(v)));
	}
	json_object_foreach (c->as_extra, key, list) {
		auto_buf struct buf name = BUF_INIT(4096);

		http_escape(&name, key);
		json_array_foreach (list, i, v) {
			if (h->n < MAX_AUTH_HEADERS)
				add(h, xasprintf("Impersonate-Extra-%s: %s", buf_str(&name),
						 json_string_value(v)));
		}
	}
}

/* A client certificate belongs to the connection: another one, another client. */
static void use_certificate(struct kube *k, const char *cert, const char *key)
{
	const struct http_options o = {.ca_pem = k->config.ca_pem,
				       .cert_pem = cert,
				       .key_pem = key,
				       .server_name = k->config.server_name,
				       .proxy = k->config.proxy,
				       .insecure = k->config.insecure,
				       .code = ERR_API};

	if (k->http && strcmp(secret_str(&k->http_cert), cert) == 0)
		return;
	http_client_free(k->http);
	k->http = http_client_new(&o);
	secret_set(&k->http_cert, cert, strlen(cert));
}

int kube_authenticate(struct kube *k, bool again, struct auth_headers *h, struct error *err)
{
	const struct kube_config *c = &k->config;
	const char *cert = c->cert_pem ? c->cert_pem : "", *key = secret_str(&c->key_pem);
	const struct exec_credential *given = NULL;

	if (k->plugin) {
		if (exec_plugin_get(k->plugin, again, &given, err) != 0)
			return -1;
		if (given->token.data)
			add_bearer(k, h, &given->token);
		if (given->cert_pem.data) {
			cert = given->cert_pem.data;
			key = secret_str(&given->key_pem);
		}
	} else if (c->token_file || c->token.data) {
		if (add_token(k, h, err) != 0)
			return -1;
	} else if (c->username) {
		add_basic(h, c);
	}
	use_certificate(k, cert, key);
	add_impersonation(h, c);
	add(h, xstrdup("Accept: application/json"));
	return 0;
}

void kube_authenticate_nobody(struct kube *k, struct auth_headers *h)
{
	const struct kube_config *c = &k->config;

	use_certificate(k, c->cert_pem ? c->cert_pem : "", secret_str(&c->key_pem));
	add(h, xstrdup("Accept: application/json"));
}
