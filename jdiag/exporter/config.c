#include "jdiag/exporter/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/config_check.h"
#include "jdiag/exporter/objectname.h"
#include "jdiag/nearest.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

/* No rules: the exporter's default format, and no expression is matched. */
const char exporter_default_config[] = "# jdiag: every attribute of every MBean, by the default "
				       "format\n"
				       "lowercaseOutputName: true\n";

/* --- versions ------------------------------------------------------------------------------ */

/* "0.12.0", "1.0.1-SNAPSHOT": the first two numbers. */
static bool version_numbers(const char *version, unsigned long *major, unsigned long *minor)
{
	char *end;

	if (!strchr("0123456789", *version) || !*version)
		return false;
	*major = strtoul(version, &end, 10);
	if (*end != '.' || !end[1] || !strchr("0123456789", end[1]))
		return false;
	*minor = strtoul(end + 1, &end, 10);
	return (!*end || strchr(".-_", *end)) && *major < 1000 && *minor < 1000;
}

int exporter_generation(const char *version, enum exporter_generation *ret, struct error *err)
{
	unsigned long major, minor;

	if (!version_numbers(version, &major, &minor))
		return error_set(err, ERR_USAGE, "'%s' is no version of an exporter", version);
	if (major == 0 && minor < 3)
		return error_set(err, ERR_USAGE, "exporter %s is too old: 0.3 and later are known",
				 version);
	if (major > 1 || (major == 1 && minor > 0))
		log_at(LOG_WARN,
		       "exporter %s is newer than what jdiag knows: its configuration is checked "
		       "as "
		       "that of 1.0",
		       version);
	*ret = major > 0     ? EXPORTER_1_0
	       : minor >= 17 ? EXPORTER_0_20
	       : minor >= 4  ? EXPORTER_0_12
			     : EXPORTER_0_3;
	return 0;
}

/* --- what the parts share ------------------------------------------------------------------ */

int check_fail(const struct check *c, const struct doc_node *at, const char *fmt, ...)
{
	char why[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return doc_error(c->err, c->name, at->line, "%s", why);
}

static int unknown_key(const struct check *c, const struct doc_node *key, const char *what,
		       const struct key *keys, size_t n)
{
	struct nearest near;

	nearest_init(&near, key->text);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(keys[i].name, key->text) == 0)
			return check_fail(c, key, "this version of the exporter does not know '%s'",
					  key->text);
		if (keys[i].generations >> c->g & 1)
			nearest_offer(&near, keys[i].name);
	}
	check_fail(c, key, "the exporter knows no '%s' in %s, it would take no notice of it",
		   key->text, what);
	if (near.best)
		error_hint(c->err, "did you mean '%s'?", near.best);
	return -1;
}

int check_map(const struct check *c, const struct doc_node *map, const char *what,
	      const struct key *keys, size_t n)
{
	if (map->kind != DOC_MAP)
		return check_fail(c, map, "%s is no map of keys and values", what);
	for (size_t i = 0; i < map->n; i += 2) {
		const struct doc_node *key = map->item[i];
		size_t k = 0;

		while (k < n &&
		       (strcmp(keys[k].name, key->text) != 0 || !(keys[k].generations >> c->g & 1)))
			k++;
		if (k == n)
			return unknown_key(c, key, what, keys, n);
		if (keys[k].check(c, map->item[i + 1], key->text) != 0)
			return -1;
	}
	return 0;
}

int check_string(const struct check *c, const struct doc_node *v, const char *key)
{
	if (v->kind != DOC_SCALAR)
		return check_fail(c, v, "'%s' is a list or a map, not a text", key);
	if (v->type == DOC_NULL)
		return check_fail(c, v, "'%s' has no value", key);
	if (v->type != DOC_STRING)
		return check_fail(c, v,
				  "'%s' is no text for YAML (but a number, a date or a yes or no): "
				  "put it in quotes",
				  key);
	return 0;
}

int check_bool(const struct check *c, const struct doc_node *v, const char *key)
{
	return v->kind == DOC_SCALAR && v->type == DOC_BOOL
		       ? 0
		       : check_fail(c, v, "'%s' is not true or false, without quotes", key);
}

int check_list(const struct check *c, const struct doc_node *v, const char *key)
{
	return v->kind == DOC_LIST ? 0 : check_fail(c, v, "'%s' is no list", key);
}

/* --- the keys of the whole ----------------------------------------------------------------- */

static int remote_jvm(const struct check *c, const struct doc_node *v, const char *key)
{
	check_fail(c, v, "'%s' makes an agent end its JVM", key);
	return error_hint(c->err, "it is for the exporter as a program of its own: remove it");
}

static int start_delay(const struct check *c, const struct doc_node *v, const char *key)
{
	if (v->kind != DOC_SCALAR || v->type != DOC_INT)
		return check_fail(c, v, "'%s' is no whole number, without quotes", key);
	if (v->text[0] == '-' || strcmp(v->text, "0") == 0)
		return 0;
	check_fail(c, v, "'%s': every scrape would fail for so long", key);
	return error_hint(c->err, "it is for an exporter that starts together with its JVM: "
				  "remove it, or write 0");
}

static int object_name(const struct check *c, const struct doc_node *v, const char *key)
{
	struct error why = {0};

	if (check_string(c, v, key) != 0)
		return -1;
	return object_name_check(v->text, v->len, &why) == 0
		       ? 0
		       : check_fail(c, v, "an object name of '%s': %s", key, why.msg);
}

static int object_names(const struct check *c, const struct doc_node *v, const char *key)
{
	if (check_list(c, v, key) != 0)
		return -1;
	for (size_t i = 0; i < v->n; i++)
		if (object_name(c, v->item[i], key) != 0)
			return -1;
	return 0;
}

static int attributes(const struct check *c, const struct doc_node *v, const char *key)
{
	if (v->kind != DOC_MAP)
		return check_fail(c, v, "'%s' is no map of object names and lists", key);
	for (size_t i = 0; i < v->n; i += 2) {
		const struct doc_node *list = v->item[i + 1];

		if (object_name(c, v->item[i], key) != 0 || check_list(c, list, key) != 0)
			return -1;
		for (size_t k = 0; k < list->n; k++)
			if (check_string(c, list->item[k], key) != 0)
				return -1;
	}
	return 0;
}

static const struct key top_keys[] = {
	{"autoExcludeObjectNameAttributes", SINCE(EXPORTER_0_20), check_bool},
	{"blacklistObjectNames", EVERY, object_names},
	{"excludeObjectNameAttributes", SINCE(EXPORTER_0_20), attributes},
	{"excludeObjectNames", SINCE(EXPORTER_0_20), object_names},
	{"hostPort", EVERY, remote_jvm},
	{"httpServer", SINCE(EXPORTER_0_20), check_http_server},
	{"includeObjectNames", SINCE(EXPORTER_0_20), object_names},
	{"jmxUrl", EVERY, remote_jvm},
	{"lowercaseOutputLabelNames", EVERY, check_bool},
	{"lowercaseOutputName", EVERY, check_bool},
	{"password", EVERY, check_string},
	{"rules", EVERY, check_rules},
	{"ssl", EVERY, check_bool},
	{"startDelaySeconds", EVERY, start_delay},
	{"username", EVERY, check_string},
	{"whitelistObjectNames", EVERY, object_names},
};

/* Where both are there the exporter takes the first alone. */
static int both_spellings(const struct check *c, const struct doc_node *root)
{
	static const char *const pairs[][2] = {
		{"includeObjectNames", "whitelistObjectNames"},
		{"excludeObjectNames", "blacklistObjectNames"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (doc_get(root, pairs[i][0]) && doc_get(root, pairs[i][1]))
			return check_fail(c, doc_get(root, pairs[i][1]),
					  "'%s' beside '%s': the exporter would take no notice of "
					  "it",
					  pairs[i][1], pairs[i][0]);
	return 0;
}

static bool is_true(const struct doc_node *v)
{
	return v && v->kind == DOC_SCALAR && v->type == DOC_BOOL &&
	       (strchr("tTyY", v->text[0]) || strcasecmp(v->text, "on") == 0);
}

int exporter_config_check(const char *text, size_t len, const char *name,
			  enum exporter_generation g, struct error *err)
{
	struct check c = {.name = name, .g = g, .err = err};
	struct doc doc;
	int rc;

	if (len > MAX_EXPORTER_CONFIG)
		return error_set(err, ERR_USAGE, "%s is larger than %lu MiB", name,
				 MAX_EXPORTER_CONFIG / MiB);
	if (doc_read(&doc, text, len, name, err) != 0)
		return -1;
	c.lower_names = is_true(doc_get(doc.root, "lowercaseOutputName"));
	c.lower_labels = is_true(doc_get(doc.root, "lowercaseOutputLabelNames"));
	rc = check_map(&c, doc.root, "a configuration", top_keys, ARRAY_SIZE(top_keys));
	if (rc == 0)
		rc = both_spellings(&c, doc.root);
	doc_release(&doc);
	return rc;
}
