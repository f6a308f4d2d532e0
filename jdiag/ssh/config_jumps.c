#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jdiag/ssh/config.h"
#include "remote/base/str.h"

static void hops_free(struct ssh_hop *hops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(hops[i].user);
		free(hops[i].host);
	}
	free(hops);
}

static int parse_port(const char *text, uint16_t *ret, struct error *err)
{
	uint64_t n;

	if (!str_to_u64(text, 65535, &n) || n == 0)
		return error_set(err, ERR_USAGE, "port '%s' is not a number from 1 to 65535", text);
	*ret = (uint16_t)n;
	return 0;
}

/* "HOST", "HOST:PORT", "[HOST]:PORT", a bare IPv6 address; text is cut where they part. */
static int split_port(char *text, char **ret_host, uint16_t *ret_port, struct error *err)
{
	char *colon = strchr(text, ':'), *bracket = strchr(text, ']');

	*ret_host = text;
	if (*text == '[' && bracket) {
		*ret_host = text + 1;
		*bracket++ = '\0';
		if (*bracket == '\0')
			return 0;
		if (*bracket != ':')
			return error_set(err, ERR_USAGE, "'%s' behind ']' is not a port", bracket);
		return parse_port(bracket + 1, ret_port, err);
	}
	if (!colon || strchr(colon + 1, ':'))
		return 0;
	*colon = '\0';
	return parse_port(colon + 1, ret_port, err);
}

/* "[ssh://][USER@]HOST[:PORT]" */
static int parse_hop(char *text, struct ssh_hop *ret, struct error *err)
{
	char *at, *host, *user = NULL;
	uint16_t port = 0;

	if (strncasecmp(text, "ssh://", 6) == 0) {
		text += 6;
		if (str_ends(text, "/"))
			text[strlen(text) - 1] = '\0';
	}
	at = strrchr(text, '@');
	if (at) {
		*at = '\0';
		user = text;
		text = at + 1;
		if (ssh_check_name(user, "user", err) < 0)
			return -1;
	}
	if (split_port(text, &host, &port, err) < 0 || ssh_check_name(host, "host", err) < 0)
		return -1;
	*ret = (struct ssh_hop){
		.user = user ? xstrdup(user) : NULL, .host = xstrdup(host), .port = port};
	return 0;
}

int ssh_config_parse_jumps(const char *text, struct ssh_hop **ret, size_t *ret_n, struct error *err)
{
	auto_free char *copy = xstrdup(text);
	struct ssh_hop *hops;
	size_t n = 0;

	if (strcasecmp(text, "none") == 0) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	hops = xcalloc(SSH_MAX_JUMPS, sizeof(*hops));
	for (char *p = copy, *next; p; p = next) {
		next = strchr(p, ',');
		if (next)
			*next++ = '\0';
		if (n == SSH_MAX_JUMPS) {
			error_set(err, ERR_USAGE, "more than %d jump hosts", SSH_MAX_JUMPS);
			goto fail;
		}
		if (parse_hop(p, &hops[n], err) < 0) {
			error_prefix(err, "jump host");
			goto fail;
		}
		n++;
	}
	*ret = hops;
	*ret_n = n;
	return 0;
fail:
	hops_free(hops, n);
	return -1;
}
