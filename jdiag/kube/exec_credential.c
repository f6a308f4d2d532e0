#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jdiag/json.h"
#include "jdiag/kube/exec_plugin.h"

void exec_credential_release(struct exec_credential *c)
{
	secret_release(&c->token);
	secret_release(&c->cert_pem);
	secret_release(&c->key_pem);
	c->expires = 0;
}

/* Exactly n digits. */
static bool digits(const char **s, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*ret = *ret * 10 + (**s - '0');
	}
	return true;
}

static bool literal(const char **s, const char *set)
{
	return **s && strchr(set, **s) && (*s)++;
}

static bool parse_time(const char **s, struct tm *tm)
{
	return digits(s, 4, &tm->tm_year) && literal(s, "-") && digits(s, 2, &tm->tm_mon) &&
	       literal(s, "-") && digits(s, 2, &tm->tm_mday) && literal(s, "Tt ") &&
	       digits(s, 2, &tm->tm_hour) && literal(s, ":") && digits(s, 2, &tm->tm_min) &&
	       literal(s, ":") && digits(s, 2, &tm->tm_sec);
}

/* "Z" or "+hh:mm": seconds east of Greenwich. */
static bool parse_zone(const char **s, int *ret)
{
	int sign = **s == '-' ? -1 : 1, hours, minutes;

	*ret = 0;
	if (literal(s, "Zz"))
		return true;
	if (!literal(s, "+-") || !digits(s, 2, &hours) || !literal(s, ":") ||
	    !digits(s, 2, &minutes))
		return false;
	*ret = sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

bool rfc3339_to_unix(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	int zone;

	if (!parse_time(&text, &tm))
		return false;
	if (*text == '.') {
		if (!strspn(text + 1, "0123456789"))
			return false;
		text += 1 + strspn(text + 1, "0123456789");
	}
	if (!parse_zone(&text, &zone) || *text)
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = (int64_t)timegm(&tm) - zone;
	return true;
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
