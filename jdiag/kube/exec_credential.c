#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/exec_plugin.h"
#include "jdiag/rfc3339.h"

void exec_credential_release(struct exec_credential *c)
{
	secret_release(&c->token);
	secret_release(&c->cert_pem);
	secret_release(&c->key_pem);
	c->expires = 0;
}

static void take(const json_t *status, const char *field, struct secret *ret)
{
	const char *s = json_str_at(status, field, "");

	if (*s)
		secret_set(ret, s, strlen(s));
}

static int take_status(const json_t *status, struct exec_credential *ret, struct error *err)
{
	const char *expires = json_str_at(status, "expirationTimestamp", NULL);

	take(status, "token", &ret->token);
	take(status, "clientCertificateData", &ret->cert_pem);
	take(status, "clientKeyData", &ret->key_pem);
	if (!ret->cert_pem.data != !ret->key_pem.data)
		return error_set(
			err, ERR_API,
			"its answer has only one of clientCertificateData and clientKeyData");
	if (!ret->token.data && !ret->cert_pem.data)
		return error_set(err, ERR_API,
				 "its answer has neither a token nor a client certificate");
	if (ret->cert_pem.data && (!strstr(ret->cert_pem.data, "-----BEGIN ") ||
				   !strstr(ret->key_pem.data, "-----BEGIN ")))
		return error_set(err, ERR_API,
				 "its answer has a client certificate that is not in PEM form");
	if (expires && !rfc3339_to_unix(expires, &ret->expires))
		return error_set(err, ERR_API, "its answer's expirationTimestamp is not a time");
	return 0;
}

int exec_credential_parse(const char *text, size_t len, const char *api_version,
			  struct exec_credential *ret, struct error *err)
{
	/* the parser's own words could quote the token */
	auto_json json_t *root = json_from_text(text, len, "answer", ERR_API, NULL);
	const char *version = json_str_at(root, "apiVersion", "");
	const json_t *status = json_object_get(root, "status");

	if (!json_is_object(root))
		return error_set(err, ERR_API, "its answer is not a JSON object");
	if (strcmp(json_str_at(root, "kind", ""), "ExecCredential") != 0)
		return error_set(err, ERR_API, "its answer is not of kind ExecCredential");
	if (strcmp(version, api_version) != 0)
		return error_set(err, ERR_API, "it answers with another version than '%s'",
				 api_version);
	if (!json_is_object(status))
		return error_set(err, ERR_API, "its answer has no status");
	return take_status(status, ret, err);
}
