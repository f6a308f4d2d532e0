#include "jdiag/gcs/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "remote/base/error.h"
#include "remote/base/str.h"

/* The host at *at, which moves behind it. */
static bool take_host(const char **at, struct endpoint *e)
{
	static const char name_set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.-_";
	bool literal = **at == '[';
	const char *from = *at + literal;
	size_t n = strspn(from, literal ? "0123456789abcdefABCDEF:." : name_set);

	if (!n || n >= sizeof(e->host) || (literal && from[n] != ']'))
		return false;
	for (size_t i = 0; i < n; i++)
		e->host[i] = (char)tolower((unsigned char)from[i]);
	e->host[n] = '\0';
	*at = from + n + literal;
	return true;
}

static bool take_port(const char **at, struct endpoint *e)
{
	char digits[6];
	uint64_t port;
	size_t n;

	e->port = e->tls ? 443 : 80;
	if (**at != ':')
		return true;
	n = strspn(++*at, "0123456789");
	if (!n || n >= sizeof(digits))
		return false;
	memcpy(digits, *at, n);
	digits[n] = '\0';
	*at += n;
	if (!str_to_u64(digits, UINT16_MAX, &port) || !port)
		return false;
	e->port = (uint16_t)port;
	return true;
}

bool endpoint_parse(const char *url, struct endpoint *ret)
{
	struct endpoint e = {0};
	const char *at = url;

	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '\\')
			return false;
	if (strncasecmp(at, "https://", 8) == 0)
		e.tls = true;
	else if (strncasecmp(at, "http://", 7) != 0)
		return false;
	at += e.tls ? 8 : 7;
	/* "user@host" fails here as well: '@' is neither of a host nor of a port */
	if (!take_host(&at, &e) || !take_port(&at, &e))
		return false;
	if (*at && *at != '/' && *at != '?')
		return false;
	*ret = e;
	return true;
}

char *endpoint_base(const char *value, const char *suffix)
{
	char *base = strstr(value, "://") ? xstrdup(value) : xasprintf("http://%s", value);
	size_t n = strlen(base);

	while (n && base[n - 1] == '/')
		base[--n] = '\0';
	/* gcloud's property holds the whole address of the API */
	if (n > strlen(suffix) && str_ends(base, suffix))
		base[n - strlen(suffix)] = '\0';
	return base;
}

bool endpoint_is_base(const char *url)
{
	const char *host = strstr(url, "://");

	return host && !host[3 + strcspn(host + 3, "/?#")];
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcmp(e->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, e->host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, e->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool endpoint_may_see_secrets(const struct endpoint *e)
{
	if (endpoint_is_loopback(e))
		return true;
	return e->tls &&
	       (strcmp(e->host, "googleapis.com") == 0 || str_ends(e->host, ".googleapis.com"));
}
