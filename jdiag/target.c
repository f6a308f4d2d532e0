#include "jdiag/target.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/str.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MAX_LABEL 63

/* A kind, by the words that kubectl knows it by; a name stands behind the slash. */
static const struct {
	const char *words; /* separated by blanks */
	enum target_kind kind;
	enum workload workload;
	const char *what;
} kinds[] = {
	{"pod pods po", TARGET_POD, 0, "pod"},
	{"node nodes no", TARGET_NODE, 0, "node"},
	{"deploy deployment deployments deployment.apps deployments.apps", TARGET_WORKLOAD,
	 WORKLOAD_DEPLOYMENT, "deployment"},
	{"sts statefulset statefulsets statefulset.apps statefulsets.apps", TARGET_WORKLOAD,
	 WORKLOAD_STATEFULSET, "statefulset"},
	{"ds daemonset daemonsets daemonset.apps daemonsets.apps", TARGET_WORKLOAD,
	 WORKLOAD_DAEMONSET, "daemonset"},
	{"rs replicaset replicasets replicaset.apps replicasets.apps", TARGET_WORKLOAD,
	 WORKLOAD_REPLICASET, "replicaset"},
	{"job jobs job.batch jobs.batch", TARGET_WORKLOAD, WORKLOAD_JOB, "job"},
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

static int parse_object(const char *name, size_t kind, struct target *ret, struct error *err)
{
	if (!is_dns_name(name)) {
		error_set(err, ERR_USAGE, "bad %s name '%s'", kinds[kind].what, name);
		return error_hint(err, "a name has lower-case letters, digits, '-' and '.', and "
				       "begins and ends with a letter or a digit");
	}
	*ret = (struct target){.kind = kinds[kind].kind, .workload = kinds[kind].workload};
	return str_copy(ret->name, sizeof(ret->name), name)
		       ? 0
		       : error_set(err, ERR_USAGE, "the %s name is too long", kinds[kind].what);
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

static bool has_word(const char *words, const char *word, size_t len)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		if (n == len && strncmp(words, word, len) == 0)
			return true;
		words += n + strspn(words + n, " ");
	}
	return false;
}

int target_parse(const char *text, struct target *ret, struct error *err)
{
	const char *slash = strchr(text, '/');

	if (str_starts(text, "ssh://"))
		return parse_ssh(text, ret, err);
	if (!slash)
		return parse_object(text, 0, ret, err);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (has_word(kinds[i].words, text, (size_t)(slash - text)))
			return parse_object(slash + 1, i, ret, err);
	error_set(err, ERR_USAGE, "bad target '%s': no such kind '%.*s'", text, (int)(slash - text),
		  text);
	return error_hint(err, "valid: POD, pod/POD, deploy/NAME (sts, ds, rs, job), node/NODE, "
			       "ssh://[USER@]HOST[:PORT]; a namespace is given with -n");
}
