#include "jdiag/agent/module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define NAME "jdk.management.agent"
#define PREFIX "com.sun.management."
#define START "ManagementAgent.start"
#define START_LOCAL "ManagementAgent.start_local"
#define MAX_COMMAND (64 * KiB)
#define WORDS 200

/* JMXStartRemoteDCmd in diagnosticCommand.cpp, 8 to 25. */
static const char *const keys[] = {
	"config.file",
	"jmxremote.host",
	"jmxremote.port",
	"jmxremote.rmi.port",
	"jmxremote.ssl",
	"jmxremote.registry.ssl",
	"jmxremote.authenticate",
	"jmxremote.password.file",
	"jmxremote.access.file",
	"jmxremote.login.config",
	"jmxremote.ssl.enabled.cipher.suites",
	"jmxremote.ssl.enabled.protocols",
	"jmxremote.ssl.need.client.auth",
	"jmxremote.ssl.config.file",
	"jmxremote.autodiscovery",
	"jdp.port",
	"jdp.address",
	"jdp.source_addr",
	"jdp.ttl",
	"jdp.pause",
	"jdp.name",
};

struct option {
	const char *key, *value; /* key NULL: the value before goes on (a list of cipher suites) */
	size_t key_len, value_len;
};

/* The next one of "KEY=VALUE,KEY=VALUE KEY=VALUE"; false at the end. */
static bool next_option(const char **at, struct option *ret)
{
	const char *p = *at + strspn(*at, ", "), *equals;
	size_t len = strcspn(p, ", ");

	*at = p + len;
	if (!len)
		return false;
	equals = memchr(p, '=', len);
	*ret = (struct option){.value = p, .value_len = len};
	if (!equals)
		return true;
	ret->value = equals + 1;
	ret->value_len = len - (size_t)(ret->value - p);
	if (str_starts(p, PREFIX))
		p += strlen(PREFIX);
	ret->key = p;
	ret->key_len = (size_t)(equals - p);
	return true;
}

static bool is_key(const struct option *o, const char *key)
{
	return o->key && o->key_len == strlen(key) && memcmp(o->key, key, o->key_len) == 0;
}

static bool is_known(const struct option *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (is_key(o, keys[i]))
			return true;
	return false;
}

static bool is_value(const struct option *o, const char *value)
{
	return o->value_len == strlen(value) && memcmp(o->value, value, o->value_len) == 0;
}

/* A newline would be another command, a quote the beginning of something. */
static bool is_plain(const struct option *o)
{
	for (size_t i = 0; i < o->value_len; i++)
		if ((unsigned char)o->value[i] < ' ' || strchr("\"'\x7f", o->value[i]))
			return false;
	return o->value_len > 0;
}

static int unknown_option(const struct option *o, struct error *err)
{
	if (o->key)
		error_set(err, ERR_USAGE, NAME " has no option '%.*s'", (int)o->key_len, o->key);
	else
		error_set(err, ERR_USAGE, "the options of " NAME " are KEY=VALUE,...");
	return error_hint(err, "as in --options jmxremote.port=9010,jmxremote.rmi.port=9010; they "
			       "are the properties com.sun.management.* of the JDK");
}

static int no_module(const char *name, struct error *err)
{
	if (strcmp(name, "jdk.jdwp.agent") == 0 || strcmp(name, "jdwp") == 0) {
		error_set(err, ERR_USAGE, "a JVM loads '%s' at its start only", name);
		return error_hint(err, "start it with -agentlib:jdwp=transport=dt_socket,...");
	}
	if (strcmp(name, "java.instrument") == 0) {
		error_set(err, ERR_USAGE, "'%s' loads jars: name the jar", name);
		return error_hint(err, "agent load TARGET --jar FILE");
	}
	error_set(err, ERR_USAGE, "'%s' is no agent of OpenJDK's", name);
	return error_hint(err, "valid: " NAME);
}

int module_check(const struct agent_request *r, struct error *err)
{
	const char *at = r->options ? r->options : "";
	struct option o;
	bool first = true;

	if (strcmp(r->path, NAME) != 0)
		return no_module(r->path, err);
	for (; next_option(&at, &o); first = false) {
		if (o.key ? !is_known(&o) : first)
			return unknown_option(&o, err);
		if (!is_plain(&o))
			return error_set(err, ERR_USAGE,
					 "the value of option '%.*s' of " NAME
					 " is empty, or has a quote or a control character in it",
					 o.key ? (int)o.key_len : 0, o.key ? o.key : "");
	}
	return 0;
}

char *module_command(const struct agent_request *r)
{
	auto_buf struct buf b = BUF_INIT(MAX_COMMAND);
	const char *at = r->options ? r->options : "";
	struct option o;

	while (next_option(&at, &o)) {
		if (o.key)
			buf_addf(&b, " %.*s=%.*s", (int)o.key_len, o.key, (int)o.value_len,
				 o.value);
		else
			buf_addf(&b, ",%.*s", (int)o.value_len, o.value);
	}
	return b.len ? xasprintf(START "%s", buf_str(&b)) : xstrdup(START_LOCAL);
}

bool module_is_open(const struct agent_request *r)
{
	const char *at = r->options ? r->options : "";
	bool port = false, open = false;
	struct option o;

	while (next_option(&at, &o)) {
		port = port || is_key(&o, "jmxremote.port");
		if (is_key(&o, "jmxremote.authenticate"))
			open = is_value(&o, "false");
	}
	return port && open;
}

/* "java.lang.RuntimeException: Invalid agent state: Agent already started\n\tat ...": what it says,
 * without the classes in front and the trace behind. */
static void first_line(const char *text, char *dst, size_t size)
{
	size_t len = strcspn(text, "\r\n"), name = strcspn(text, ": ");

	while (name < len && str_starts(text + name, ": ") && memchr(text, '.', name)) {
		text += name + 2;
		len -= name + 2;
		name = strcspn(text, ": ");
	}
	snprintf(dst, size, "%.*s", (int)(len < size ? len : size - 1), text);
}

int module_reply(const struct agent_request *r, int code, const char *text, struct error *err)
{
	char line[WORDS];

	(void)r;
	first_line(text, line, sizeof(line));
	if (strstr(text, "already started"))
		error_set(err, ERR_ATTACH, "a management agent runs in this JVM already");
	else if (code == 0 && !strstr(text, "Exception") && !strstr(text, "Error"))
		return 0;
	else if (strstr(text, "Unknown diagnostic command") || strstr(text, NAME " not found"))
		error_set(err, ERR_ATTACH,
			  "the JVM has no " NAME ": its runtime image was made "
			  "without that module");
	else
		error_set(err, ERR_ATTACH, "the JVM did not start its management agent%s%s",
			  *line ? ": " : "", line);
	err->sys = ENOEXEC;
	return -1;
}
