#include "jdiag/exporter/find.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/ask.h"
#include "jdiag/json.h"
#include "jdiag/survey.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define OURS EXPORTER_JAR "-"
#define LIBRARY "io.prometheus.metrics."
#define COLLECTOR "io.prometheus.jmx."
#define SHADED "io.prometheus.jmx.shaded."
#define MANAGER "java.lang.SecurityManager"
#define DIGEST 12 /* digits of it in a name */
#define HEX "0123456789abcdef"
#define WORD "0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define CLASS_CHARACTERS WORD "$"

/* ---- names of jars ---- */

bool exporter_jar_name(char dst[101], const char *version, const char *sha256)
{
	int n;

	if (!str_only(version, WORD) || *version == '.')
		return false;
	n = snprintf(dst, 101, OURS "%s-%.*s.jar", version, DIGEST, sha256);
	return n > 0 && n < 101;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool exporter_jar_version(const char *path, char version[64])
{
	const char *name = base_name(path), *digest;
	size_t len;

	if (!str_starts(name, OURS) || !str_ends(name, ".jar"))
		return false;
	name += strlen(OURS);
	digest = strrchr(name, '-');
	if (!digest || strspn(digest + 1, HEX) != DIGEST ||
	    strcmp(digest + 1 + DIGEST, ".jar") != 0)
		return false;
	len = (size_t)(digest - name);
	if (!len || len >= 64 || strspn(name, WORD) != len)
		return false;
	memcpy(version, name, len);
	version[len] = '\0';
	return true;
}

/* ---- what can be seen ---- */

static void found(struct exporter_found *ret, enum exporter_owner owner, const char *what)
{
	ret->owner = owner;
	snprintf(ret->what, sizeof(ret->what), "%s", what);
}

/* The first of a list of paths that is an exporter's by its name. */
static const char *exporter_of(const json_t *paths)
{
	const json_t *path;
	size_t i;

	json_array_foreach (paths, i, path)
		if (json_is_string(path) &&
		    str_starts(base_name(json_string_value(path)), EXPORTER_JAR))
			return json_string_value(path);
	return NULL;
}

void exporter_config_name(char dst[EXPORTER_CONFIG_NAME], uint16_t port, uint64_t pid)
{
	snprintf(dst, EXPORTER_CONFIG_NAME, EXPORTER_CONFIG_BEGIN "%u-%llu.yaml", port,
		 (unsigned long long)pid);
}

static char *beside(const char *jar, const char *name)
{
	const char *slash = strrchr(jar, '/');

	return xasprintf("%.*s/%s", slash ? (int)(slash - jar) : 0, jar, name);
}

char *exporter_config_path(const char *jar, uint16_t port, uint64_t pid)
{
	char name[EXPORTER_CONFIG_NAME];

	exporter_config_name(name, port, pid);
	return beside(jar, name);
}

char *exporter_config_like(const char *jar, uint64_t pid)
{
	char name[EXPORTER_CONFIG_NAME];

	snprintf(name, sizeof(name), "-%llu.yaml", (unsigned long long)pid);
	return beside(jar, name);
}

uint16_t exporter_config_port(const char *name)
{
	auto_free char *digits = NULL;
	uint64_t port;

	if (!str_starts(name, EXPORTER_CONFIG_BEGIN))
		return 0;
	name += strlen(EXPORTER_CONFIG_BEGIN);
	digits = xstrndup(name, strcspn(name, "-"));
	return str_to_u64(digits, UINT16_MAX, &port) ? (uint16_t)port : 0;
}

void exporter_find_seen(const json_t *survey, struct exporter_found *ret)
{
	const char *at_start = exporter_of(json_at(survey, "agents")), *other;
	const json_t *jars = json_at(survey, "jars"), *jar;
	size_t i;

	*ret = (struct exporter_found){0};
	json_array_foreach (jars, i, jar)
		if (json_is_string(jar) &&
		    exporter_jar_version(json_string_value(jar), ret->version)) {
			found(ret, EXPORTER_OURS, json_string_value(jar));
			return;
		}
	other = at_start ? at_start : exporter_of(jars);
	if (other)
		found(ret, at_start ? EXPORTER_AT_START : EXPORTER_SOMEBODY, other);
}

/* ---- what it says ---- */

/* Names that only its jars have. JavaAgent is its Agent-Class, and has no instances: a histogram
 * shows it by what its start makes for the page. (The collector itself may be a library of the
 * program.) */
static const char *const marks[] = {
	"io.prometheus.jmx.JavaAgent",
	"io.prometheus.jmx.BuildInfoCollector",
	"io.prometheus.jmx.BuildInfoMetrics",
	"io.prometheus.jmx.common.BuildInfoMetrics",
};

static bool ends_with_mark(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t n = strlen(marks[i]);

		if (len >= n && memcmp(name + len - n, marks[i], n) == 0 &&
		    (len == n || name[len - n - 1] == '.'))
			return true;
	}
	return false;
}

static bool begins(const char *name, size_t len, const char *with)
{
	return len > strlen(with) && memcmp(name, with, strlen(with)) == 0;
}

static bool is(const char *name, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(name, what, len) == 0;
}

static bool is_of_agent(const char *name, size_t len)
{
	return ends_with_mark(name, len) || begins(name, len, SHADED);
}

static bool is_library(const char *name, size_t len)
{
	return begins(name, len, LIBRARY);
}

static bool is_collector(const char *name, size_t len)
{
	return begins(name, len, COLLECTOR);
}

static bool is_string(const char *name, size_t len)
{
	return is(name, len, "java.lang.String");
}

/* SecurityManager.getClassContext was the way to the stack (log4j, slf4j, Groovy ...). */
static bool looks_at_callers(const char *name, size_t len)
{
	static const char *const parts[] = {"ClassContext", "PrivateSecurityManager", "Caller",
					    "StackTrace", "CallStack"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (memmem(name, len, parts[i], strlen(parts[i])))
			return true;
	return false;
}

static bool is_mbean_server(const char *name, size_t len)
{
	return is(name, len, "com.sun.jmx.mbeanserver.JmxMBeanServer");
}

static bool is_policy(const char *name, size_t len)
{
	return is(name, len, "sun.security.provider.PolicyFile");
}

/* In a histogram, which has no hierarchy, only what has instances. Some are called so and are none.
 */
static bool is_called_manager(const char *name, size_t len)
{
	static const char end[] = "SecurityManager";

	return len >= strlen(end) && memcmp(name + len - strlen(end), end, strlen(end)) == 0 &&
	       !looks_at_callers(name, len) && !begins(name, len, "org.apache.shiro.") &&
	       !begins(name, len, "org.apache.activemq.");
}

/* The first class whose name passes. */
static bool class_in(const char *text, size_t len, bool (*passes)(const char *, size_t),
		     char name[256])
{
	const char *end = text + len;

	for (const char *p = text; p < end;) {
		const char *word = p;

		while (p < end && *p && strchr(CLASS_CHARACTERS, *p))
			p++;
		if (passes(word, (size_t)(p - word))) {
			snprintf(name, 256, "%.*s", (int)(p - word < 255 ? p - word : 255), word);
			return true;
		}
		p += p == word;
	}
	return false;
}

bool exporter_class_in(const char *text, size_t len, char name[256])
{
	return class_in(text, len, is_of_agent, name);
}

bool exporter_library_in(const char *text, size_t len, char name[256])
{
	return class_in(text, len, is_library, name);
}

bool exporter_collector_in(const char *text, size_t len, char name[256])
{
	return class_in(text, len, is_collector, name);
}

bool exporter_is_class_list(const char *text, size_t len)
{
	char name[256];

	return class_in(text, len, is_string, name);
}

/* ---- a security manager ---- */

/* "|  |--a.b.C/0x1": how deep, and the name; false: another line. */
static bool take_branch(const char *line, size_t len, size_t *ret_depth, const char **ret_name,
			size_t *ret_len)
{
	const char *dash = memmem(line, len, "|--", 3);

	if (!dash || strspn(line, "| ") < (size_t)(dash - line))
		return false;
	*ret_depth = (size_t)(dash - line);
	*ret_name = dash + 3;
	*ret_len = strspn(dash + 3, CLASS_CHARACTERS);
	return true;
}

/* The tree below it. 1 found, 0 not, -1: this is no hierarchy. */
static int manager_in_hierarchy(const char *text, char name[256])
{
	bool below = false, seen = false;
	size_t top = 0, depth, n, len;
	const char *class;

	for (const char *line = text; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (!take_branch(line, len, &depth, &class, &n))
			continue;
		seen = true;
		if (below && depth <= top)
			break;
		if (below && !looks_at_callers(class, n)) {
			/* in letters of another alphabet it is a class all the same */
			snprintf(name, 256, "%.*s", n ? (int)(n < 255 ? n : 255) : 1,
				 n ? class : "?");
			return 1;
		}
		if (!below && is(class, n, MANAGER)) {
			below = true;
			top = depth;
		}
	}
	return seen ? 0 : -1;
}

bool exporter_manager_in(const char *text, size_t len, char name[256])
{
	auto_free char *copy = xstrndup(text, len);
	int rc = manager_in_hierarchy(copy, name);

	return rc > 0 || class_in(text, len, is_policy, name) ||
	       (rc < 0 && class_in(text, len, is_called_manager, name));
}

/* ---- all of it ---- */

static void look_for_program(const char *text, size_t len, struct exporter_found *ret)
{
	char name[256];

	if (!exporter_library_in(text, len, ret->library))
		ret->library[0] = '\0';
	if (!exporter_collector_in(text, len, ret->collector))
		ret->collector[0] = '\0';
	if (!exporter_manager_in(text, len, ret->manager))
		ret->manager[0] = '\0';
	ret->mbeans = class_in(text, len, is_mbean_server, name);
}

static int too_many(struct error *err)
{
	error_set(err, ERR_REFUSED,
		  "the program has so many classes that the list of them does not fit into %d MiB: "
		  "whether an exporter or its library is among them cannot be known",
		  (int)(MAX_ASK_REPLY / MiB));
	return error_hint(err, "give it the agent at its start: -javaagent:JAR=PORT:FILE");
}

int exporter_find_classes(struct helper *h, const struct jvmref *j, struct exporter_found *ret,
			  struct error *err)
{
	bool old = jvmref_release(j) && jvmref_release(j) < 9;
	const char *const args[] = {old ? "GC.class_histogram -all" : "VM.class_hierarchy"};
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};
	struct error e = {0};
	const char *text;
	char name[256];

	if (jvm_ask(h, j, "jcmd", args, 1, 0, &r, &e) < 0) {
		if (e.code == ERR_ATTACH && e.sys == EFBIG)
			return too_many(err);
		*err = e;
		return -1;
	}
	text = buf_str(&r.text);
	if (!exporter_is_class_list(text, r.text.len))
		return error_set(err, ERR_ATTACH, "the JVM does not tell its classes: '%.60s'",
				 text);
	*ret = (struct exporter_found){0};
	if (exporter_class_in(text, r.text.len, name))
		found(ret, EXPORTER_SOMEBODY, name);
	else
		look_for_program(text, r.text.len, ret);
	return 0;
}
