#include "jdiag/gcs/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
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

bool endpoint_is_link_local(const struct endpoint *e)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, e->host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 16) == 0xa9fe;
	return inet_pton(AF_INET6, e->host, &v6) == 1 && IN6_IS_ADDR_LINKLOCAL(&v6);
}

bool endpoint_may_see_secrets(const struct endpoint *e)
{
	if (endpoint_is_loopback(e))
		return true;
	return e->tls &&
	       (strcmp(e->host, "googleapis.com") == 0 || str_ends(e->host, ".googleapis.com"));
}

/* The n characters are a region: "europe-west1". Anything else may be a bucket, whose virtual host
 * is BUCKET.storage.googleapis.com. */
static bool is_region(const char *s, size_t n)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz", digits[] = "0123456789";
	char copy[64];
	size_t a, b, c;

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, s, n);
	copy[n] = '\0';
	a = strspn(copy, lower);
	if (!a || copy[a] != '-')
		return false;
	b = strspn(copy + a + 1, lower);
	c = b ? strspn(copy + a + 1 + b, digits) : 0;
	return c && a + 1 + b + c == n;
}

/* before, a region, after. */
static bool region_between(const char *host, const char *before, const char *after)
{
	size_t n = strlen(host), b = strlen(before), a = strlen(after);

	return n > b + a && str_starts(host, before) && str_ends(host, after) &&
	       is_region(host + b, n - a - b);
}

/* before, one label, after. */
static bool label_between(const char *host, const char *before, const char *after)
{
	size_t n = strlen(host), b = strlen(before), a = strlen(after);

	return n > b + a && str_starts(host, before) && str_ends(host, after) &&
	       !memchr(host + b, '.', n - a - b);
}

bool endpoint_is_service(const struct endpoint *e, const char *service)
{
	static const char domain[] = ".googleapis.com";
	char whole[80], dot[80], dash[80], first[80], first_dash[80], mtls[80];

	snprintf(whole, sizeof(whole), "%s%s", service, domain);
	snprintf(dot, sizeof(dot), ".%s%s", service, domain);
	snprintf(dash, sizeof(dash), "-%s%s", service, domain);
	snprintf(first, sizeof(first), "%s.", service);
	snprintf(mtls, sizeof(mtls), "%s.mtls%s", service, domain);
	snprintf(first_dash, sizeof(first_dash), "%s-", service);
	return e->tls && e->port == 443 &&
	       (strcmp(e->host, whole) == 0 || region_between(e->host, "", dot) ||
		region_between(e->host, "", dash) || region_between(e->host, first, domain) ||
		strcmp(e->host, mtls) == 0 ||
		label_between(e->host, first_dash, ".p.googleapis.com"));
}
