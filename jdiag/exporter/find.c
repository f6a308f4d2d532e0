#include "jdiag/exporter/find.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/ask.h"
#include "jdiag/json.h"
#include "jdiag/survey.h"
#include "remote/base/str.h"

#define OURS EXPORTER_JAR "-"
#define LIBRARY "io.prometheus.metrics."
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

char *exporter_config_path(const char *jar, uint16_t port)
{
	const char *slash = strrchr(jar, '/');

	return xasprintf("%.*s/jmx-%u.yaml", slash ? (int)(slash - jar) : 0, jar, port);
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

/* JavaAgent is its Agent-Class, and has no instances: a histogram shows it by what its start makes
 * for the page. (The collector itself may be a library of the program.) */
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

static bool is_library(const char *name, size_t len)
{
	return len > strlen(LIBRARY) && memcmp(name, LIBRARY, strlen(LIBRARY)) == 0;
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
	return class_in(text, len, ends_with_mark, name);
}

bool exporter_library_in(const char *text, size_t len, char name[256])
{
	return class_in(text, len, is_library, name);
}

int exporter_find_classes(struct helper *h, const struct jvmref *j, struct exporter_found *ret,
			  struct error *err)
{
	bool old = jvmref_release(j) && jvmref_release(j) < 9;
	const char *const args[] = {old ? "GC.class_histogram -all" : "VM.class_hierarchy"};
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};
	char name[256];

	if (jvm_ask(h, j, "jcmd", args, 1, 0, &r, err) < 0)
		return -1;
	*ret = (struct exporter_found){0};
	if (exporter_class_in(buf_str(&r.text), r.text.len, name))
		found(ret, EXPORTER_SOMEBODY, name);
	else if (exporter_library_in(buf_str(&r.text), r.text.len, name))
		snprintf(ret->library, sizeof(ret->library), "%s", name);
	return 0;
}
