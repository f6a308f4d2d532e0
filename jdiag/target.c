#include "jdiag/target.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/str.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MAX_LABEL 63

static const struct {
	const char *prefix;
	enum target_kind kind;
} kinds[] = {
	{"pod/", TARGET_POD},	{"pods/", TARGET_POD},	 {"po/", TARGET_POD},
	{"node/", TARGET_NODE}, {"nodes/", TARGET_NODE}, {"no/", TARGET_NODE},
};

/* RFC 1123 as the cluster API has it: labels of lower-case letters, digits and inner hyphens. */
static bool is_dns_name(const char *name)
{
	if (strlen(name) > 253)
		return false;
	for (const char *p = name;; p++) {
		size_t n = strspn(p, LOWER DIGITS "-");

		if (n == 0 || n > MAX_LABEL || p[0] == '-' || p[n - 1] == '-')
			return false;
		p += n;
		if (*p == '\0')
			return true;
		if (*p != '.')
			return false;
	}
}

static int parse_object(const char *name, enum target_kind kind, struct target *ret,
			struct error *err)
{
	const char *what = kind == TARGET_POD ? "pod" : "node";

	if (!is_dns_name(name)) {
		error_set(err, ERR_USAGE, "bad %s name '%s'", what, name);
		return error_hint(err, "a name has lower-case letters, digits, '-' and '.', and "
				       "begins and ends with a letter or a digit");
	}
	*ret = (struct target){.kind = kind};
	return str_copy(ret->name, sizeof(ret->name), name)
		       ? 0
		       : error_set(err, ERR_USAGE, "the %s name is too long", what);
}

static int bad_ssh(const char *text, const char *why, struct error *err)
{
	error_set(err, ERR_USAGE, "bad target '%s': %s", text, why);
	return error_hint(err, "write ssh://[USER@]HOST[:PORT], an IPv6 address in brackets");
}

/* Nothing that ssh, a shell or a terminal could take for something else. */
static bool is_host(const char *host)
{
	return str_only(host, LOWER UPPER DIGITS "._-") && host[0] != '-' && host[0] != '.';
}

static bool is_ipv6(const char *host)
{
	return strchr(host, ':') && str_only(host, DIGITS "abcdefABCDEF:.");
}

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT" into ret->host; *port: the text behind the colon. */
static const char *split_host(const char *text, struct target *ret, const char **port)
{
	bool bracket = text[0] == '[';
	const char *begin = text + bracket, *end = begin + strcspn(begin, bracket ? "]" : ":");
	size_t len = (size_t)(end - begin);

	if (len >= sizeof(ret->host))
		return "the host is too long";
	memcpy(ret->host, begin, len);
	ret->host[len] = '\0';
	if (bracket && *end != ']')
		return "the bracket is not closed";
	end += bracket;
	if (!(bracket ? is_ipv6(ret->host) : is_host(ret->host)))
		return "that is not a host name";
	if (*end && *end != ':')
		return "only a port may follow the host";
	*port = *end ? end + 1 : NULL;
	return NULL;
}

static int parse_ssh(const char *text, struct target *ret, struct error *err)
{
	struct target t = {.kind = TARGET_SSH};
	const char *rest = text + strlen("ssh://"), *at = strrchr(rest, '@'), *port = NULL, *why;
	uint64_t number = 0;

	if (at) {
		size_t len = (size_t)(at - rest);

		if (len == 0 || len >= sizeof(t.user))
			return bad_ssh(text, "that is not a user name", err);
		memcpy(t.user, rest, len);
		if (!str_only(t.user, LOWER UPPER DIGITS "._-") || t.user[0] == '-')
			return bad_ssh(text, "that is not a user name", err);
		rest = at + 1;
	}
	why = split_host(rest, &t, &port);
	if (why)
		return bad_ssh(text, why, err);
	if (port && (!str_to_u64(port, UINT16_MAX, &number) || number == 0))
		return bad_ssh(text, "a port is a number from 1 to 65535", err);
	t.port = (uint16_t)number;
	*ret = t;
	return 0;
}

static int unknown_kind(const char *text, size_t kind_len, struct error *err)
{
	static const char *const later[] = {
		"deploy/",	"deployment/",	 "deployments/", "deployment.apps/", "sts/",
		"statefulset/", "statefulsets/", "ds/",		 "daemonset/",	     "daemonsets/",
		"job/",		"jobs/",	 "rs/",		 "replicaset/",	     "replicasets/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (str_starts(text, later[i])) {
			error_set(err, ERR_USAGE, "target '%s' is not supported: name one pod",
				  text);
			return error_hint(err, "its pods: kubectl get pods");
		}
	error_set(err, ERR_USAGE, "bad target '%s': no such kind '%.*s'", text, (int)kind_len,
		  text);
	return error_hint(err, "valid: POD, pod/POD, node/NODE, ssh://[USER@]HOST[:PORT]; "
			       "a namespace is given with -n");
}

int target_parse(const char *text, struct target *ret, struct error *err)
{
	const char *slash = strchr(text, '/');

	if (str_starts(text, "ssh://"))
		return parse_ssh(text, ret, err);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_starts(text, kinds[i].prefix))
			return parse_object(text + strlen(kinds[i].prefix), kinds[i].kind, ret,
					    err);
	if (slash)
		return unknown_kind(text, (size_t)(slash - text), err);
	return parse_object(text, TARGET_POD, ret, err);
}
