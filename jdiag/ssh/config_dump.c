#include "jdiag/ssh/config_dump.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "remote/base/str.h"

#define MAX_VALUES 64 /* lines of IdentityFile: their sum */

static const char *const keywords[DUMP_KEYS] = {
	[DUMP_HOSTNAME] = "HostName",
	[DUMP_USER] = "User",
	[DUMP_PORT] = "Port",
	[DUMP_IDENTITY_FILE] = "IdentityFile",
	[DUMP_IDENTITIES_ONLY] = "IdentitiesOnly",
	[DUMP_IDENTITY_AGENT] = "IdentityAgent",
	[DUMP_CERTIFICATE_FILE] = "CertificateFile",
	[DUMP_USER_KNOWN_HOSTS] = "UserKnownHostsFile",
	[DUMP_GLOBAL_KNOWN_HOSTS] = "GlobalKnownHostsFile",
	[DUMP_HOST_KEY_ALIAS] = "HostKeyAlias",
	[DUMP_STRICT_HOST_KEYS] = "StrictHostKeyChecking",
	[DUMP_PROXY_JUMP] = "ProxyJump",
	[DUMP_PROXY_COMMAND] = "ProxyCommand",
	[DUMP_PROXY_FDPASS] = "ProxyUseFdpass",
	[DUMP_CONNECT_TIMEOUT] = "ConnectTimeout",
	[DUMP_ALIVE_INTERVAL] = "ServerAliveInterval",
	[DUMP_ALIVE_COUNT] = "ServerAliveCountMax",
	[DUMP_PREFERRED_AUTHENTICATIONS] = "PreferredAuthentications",
	[DUMP_PUBKEY_AUTHENTICATION] = "PubkeyAuthentication",
	[DUMP_GSSAPI] = "GSSAPIAuthentication",
	[DUMP_PKCS11_PROVIDER] = "PKCS11Provider",
	[DUMP_KNOWN_HOSTS_COMMAND] = "KnownHostsCommand",
	[DUMP_REVOKED_HOST_KEYS] = "RevokedHostKeys",
	[DUMP_BIND_ADDRESS] = "BindAddress",
	[DUMP_BIND_INTERFACE] = "BindInterface",
};

const char *dump_keyword(enum dump_key key)
{
	return keywords[key];
}

void dump_release(struct ssh_dump *d)
{
	for (int i = 0; i < DUMP_KEYS; i++)
		free(d->value[i]);
	*d = (struct ssh_dump){0};
}

/* DUMP_KEYS when it is none of ours. */
static int find_keyword(const char *word, size_t len)
{
	int i = 0;

	while (i < DUMP_KEYS &&
	       (strlen(keywords[i]) != len || strncasecmp(keywords[i], word, len) != 0))
		i++;
	return i;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

static size_t count_lines(const char *s)
{
	size_t n = 1;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static int add_value(struct ssh_dump *d, int key, const char *value, size_t len, struct error *err)
{
	char *before = d->value[key];

	if (len > DUMP_MAX_LINE || has_control(value, len))
		return error_set(err, ERR_SSH, "%s in the ssh_config has a value that is %s",
				 keywords[key],
				 len > DUMP_MAX_LINE ? "too long" : "not a line of text");
	if (!before) {
		d->value[key] = xstrndup(value, len);
		return 0;
	}
	if (key != DUMP_IDENTITY_FILE && key != DUMP_CERTIFICATE_FILE)
		return 0;
	if (count_lines(before) >= MAX_VALUES)
		return error_set(err, ERR_SSH, "the ssh_config has more than %d lines of %s",
				 MAX_VALUES, keywords[key]);
	d->value[key] = xasprintf("%s\n%.*s", before, (int)len, value);
	free(before);
	return 0;
}

static int parse_line(struct ssh_dump *d, const char *line, size_t len, bool *ret_known,
		      struct error *err)
{
	const char *p = line, *end = line + len;
	int key;

	while (p < end && !is_blank(*p) && *p != '=')
		p++;
	key = find_keyword(line, (size_t)(p - line));
	*ret_known = key < DUMP_KEYS;
	if (key == DUMP_KEYS)
		return 0;
	while (p < end && is_blank(*p))
		p++;
	if (p < end && *p == '=')
		p++;
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	return add_value(d, key, p, (size_t)(end - p), err);
}

int dump_parse(struct ssh_dump *d, const char *text, size_t len, struct error *err)
{
	const char *end = text + len;
	bool known;

	for (const char *p = text; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;

		if (parse_line(d, p, (size_t)(stop - p), &known, err) < 0)
			return -1;
		p = stop + 1;
	}
	return 0;
}

int dump_option(struct ssh_dump *d, const char *option, bool *ret_known, struct error *err)
{
	if (parse_line(d, option, strlen(option), ret_known, err) == 0)
		return 0;
	if (err)
		err->code = ERR_USAGE;
	return -1;
}
