#include "jdiag/exporter/mark.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/mark_record.h"
#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/pod.h"
#include "jdiag/rfc3339.h"
#include "remote/base/str.h"

#define HEX "0123456789abcdef"
#define DIGIT "0123456789"
#define LETTER "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MARK_VERSION 1

const char *const mark_keys[MARK_KEYS] = {
	[MARK_SCRAPE] = "prometheus.io/scrape",
	[MARK_PORT] = "prometheus.io/port",
	[MARK_PATH] = "prometheus.io/path",
};

static bool is_digest(const char *s)
{
	return strlen(s) == 64 && str_only(s, HEX);
}

static bool is_version(const char *s)
{
	return str_only(s, LETTER DIGIT "._+-");
}

/* What the path of a URL may have (RFC 3986), so that it is one wherever it is put. */
static bool is_url_path(const char *s)
{
	return *s == '/' && s[1] != '/' && str_only(s, LETTER DIGIT "/-._~!$&'()*+,;=:@%");
}

/* One that the helper's `place` could have answered for a file of ours: absolute, without detours.
 * Whoever replaces or removes files goes by it. */
static bool is_placed(const char *s, const char *prefix, const char *suffix)
{
	const char *name = strrchr(s, '/');

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return false;
	return *s == '/' && !strstr(s, "//") && !strstr(s, "/../") && !strstr(s, "/./") &&
	       str_only(name + 1, LETTER DIGIT "._-") && str_starts(name + 1, prefix) &&
	       str_ends(name, suffix);
}

static bool is_jar(const char *s)
{
	return is_placed(s, "jmx_prometheus_javaagent-", ".jar");
}

static bool is_file(const char *s)
{
	return is_placed(s, "jmx-", ".yaml");
}

static bool is_time(const char *s)
{
	int64_t unused;

	return rfc3339_to_unix(s, &unused);
}

/* ---- names ---- */

/* "app", "app.17": *ret_pid is 0 for the former. */
static bool split_name(const char *name, char container[64], uint64_t *ret_pid)
{
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : strlen(name);

	*ret_pid = 0;
	if (len >= 64 || strlen(name) >= MARK_NAME)
		return false;
	memcpy(container, name, len);
	container[len] = '\0';
	if (!name_is_label(container))
		return false;
	return !dot || (dot[1] != '0' && str_to_u64(dot + 1, INT32_MAX, ret_pid));
}

bool mark_name(const struct mark *m, char ret[MARK_NAME])
{
	int n = m->further ? snprintf(ret, MARK_NAME, "%s.%llu", m->container,
				      (unsigned long long)m->ns_pid)
			   : snprintf(ret, MARK_NAME, "%s", m->container);

	return n > 0 && n < MARK_NAME;
}

static int by_pid(const void *a, const void *b)
{
	char container[64];
	uint64_t x = 0, y = 0;

	if (!split_name(a, container, &x) || !split_name(b, container, &y))
		return 0;
	return x < y ? -1 : x > y;
}

size_t mark_names(const json_t *pod, const char *container, char ret[MAX_MARKS][MARK_NAME])
{
	json_t *annotations = json_at(pod, "metadata.annotations"), *v;
	const char *key;
	size_t n = 0;

	json_object_foreach (annotations, key, v) {
		char of[64];
		uint64_t pid;

		if (n < MAX_MARKS && str_starts(key, MARK_PREFIX) &&
		    split_name(key + strlen(MARK_PREFIX), of, &pid) && strcmp(of, container) == 0)
			snprintf(ret[n++], MARK_NAME, "%s", key + strlen(MARK_PREFIX));
	}
	qsort(ret, n, sizeof(ret[0]), by_pid);
	return n;
}

/* ---- the text ---- */

#define AT(field) offsetof(struct mark, field), sizeof(((struct mark *)0)->field)

static const struct {
	const char *name;
	size_t offset, size;
	bool (*check)(const char *);
	bool optional;
} texts[] = {
	{"id", AT(id), is_digest, false},	 {"path", AT(path), is_url_path, false},
	{"config", AT(config), is_digest, true}, {"version", AT(version), is_version, true},
	{"jar", AT(jar), is_jar, true},		 {"file", AT(file), is_file, true},
	{"scraped", AT(scraped), is_time, true},
};

static const struct {
	const char *name;
	size_t offset;
	uint64_t min, max;
} numbers[] = {
	{"restarts", offsetof(struct mark, restarts), 0, INT32_MAX},
	{"port", offsetof(struct mark, port), 1, 65535},
	{"jvm", offsetof(struct mark, start_time), 0, INT64_MAX},
	{"pid", offsetof(struct mark, ns_pid), 0, INT32_MAX},
};

static int take_texts(const json_t *root, struct mark *m, char why[128])
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const json_t *v = json_object_get(root, texts[i].name);
		const char *s = json_is_string(v) ? json_string_value(v) : "";
		bool absent = !v || (json_is_string(v) && !*s);

		if (absent && texts[i].optional)
			continue;
		if (absent || !json_is_string(v) || !texts[i].check(s) ||
		    !str_copy((char *)m + texts[i].offset, texts[i].size, s)) {
			snprintf(why, 128, "its '%s' is not valid", texts[i].name);
			return -1;
		}
	}
	return 0;
}

static int take_numbers(const json_t *root, struct mark *m, char why[128])
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t n = json_u64_at(root, numbers[i].name, UINT64_MAX);

		if (n < numbers[i].min || n > numbers[i].max) {
			snprintf(why, 128, "its '%s' is not valid", numbers[i].name);
			return -1;
		}
		memcpy((char *)m + numbers[i].offset, &n, sizeof(n));
	}
	return 0;
}

/* Keys that we would not set are none of ours, whatever a mark says. */
static void take_set(const json_t *root, struct mark_record *r)
{
	const json_t *set = json_object_get(root, "set"), *one;

	for (size_t k = 0; k < MARK_KEYS; k++)
		for (size_t i = 0; (one = json_array_get(set, i)); i++)
			if (json_is_string(one) &&
			    strcmp(json_string_value(one), mark_keys[k]) == 0)
				r->set[k] = true;
}

static int take_name(const char *name, struct mark *m, char why[128])
{
	uint64_t pid;

	if (split_name(name, m->container, &pid) && (!pid || pid == m->ns_pid)) {
		m->further = pid != 0;
		return 0;
	}
	snprintf(why, 128, "its 'pid' is not that of its name");
	return -1;
}

int mark_parse(const char *text, size_t len, const char *name, struct mark_record *ret,
	       char ret_why[128])
{
	auto_json json_t *root = NULL;
	struct mark_record r = {.set = {false}};
	struct error err = {0};
	char why[128] = "";

	if (len > MAX_MARK) {
		snprintf(ret_why, 128, "it is larger than %d bytes", MAX_MARK);
		return -1;
	}
	root = json_from_text(text, len, "it", ERR_API, &err);
	if (!root || !json_is_object(root)) {
		snprintf(ret_why, 128, "%.100s", root ? "it is no object" : err.msg);
		return -1;
	}
	if (json_u64_at(root, "v", 0) != MARK_VERSION) {
		snprintf(ret_why, 128, "it was written by another version of jdiag");
		return -1;
	}
	if (take_texts(root, &r.mark, why) != 0 || take_numbers(root, &r.mark, why) != 0 ||
	    take_name(name, &r.mark, why) != 0) {
		memcpy(ret_why, why, sizeof(why));
		return -1;
	}
	take_set(root, &r);
	*ret = r;
	return 0;
}

static void put_texts(json_t *root, const struct mark *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (((const char *)m)[texts[i].offset])
			json_set_text(root, texts[i].name, (const char *)m + texts[i].offset);
}

static void put_numbers(json_t *root, const struct mark *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t n;

		memcpy(&n, (const char *)m + numbers[i].offset, sizeof(n));
		json_object_set_new(root, numbers[i].name, json_integer((json_int_t)n));
	}
}

char *mark_text(const struct mark_record *r)
{
	auto_json json_t *root = json_object();
	json_t *set = json_array();

	json_object_set_new(root, "v", json_integer(MARK_VERSION));
	put_texts(root, &r->mark);
	put_numbers(root, &r->mark);
	for (size_t k = 0; k < MARK_KEYS; k++)
		if (r->set[k])
			json_array_append_new(set, json_string(mark_keys[k]));
	json_object_set_new(root, "set", set);
	return json_to_line(root);
}

int mark_record_read(const json_t *pod, const char *name, struct mark_record *ret,
		     char ret_why[128])
{
	auto_free char *key = xasprintf(MARK_PREFIX "%s", name);
	const json_t *v = json_object_get(json_at(pod, "metadata.annotations"), key);

	char container[64];
	uint64_t pid;

	ret_why[0] = '\0';
	if (!v || !split_name(name, container, &pid))
		return 0;
	if (!json_is_string(v)) {
		snprintf(ret_why, 128, "it is no text");
		return 0;
	}
	return mark_parse(json_string_value(v), json_string_length(v), name, ret, ret_why) == 0;
}

int mark_read(const json_t *pod, const char *name, struct mark *ret, char ret_why[128])
{
	struct mark_record r;

	if (mark_record_read(pod, name, &r, ret_why) == 0)
		return 0;
	*ret = r.mark;
	return 1;
}

bool mark_is_current(const struct mark *m, const json_t *object)
{
	struct pod pod;

	if (pod_from_json(object, &pod, NULL) != 0)
		return false;
	for (unsigned int i = 0; i < pod.n_containers; i++) {
		const struct pod_container *c = &pod.containers[i];

		if (strcmp(c->name, m->container) == 0)
			return c->running && strcmp(c->id, m->id) == 0 &&
			       c->restarts == m->restarts;
	}
	return false;
}
