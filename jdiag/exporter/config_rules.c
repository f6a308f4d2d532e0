/* The rules (JmxCollector.loadConfig and Receiver.recordBean). What throws there throws at each
 * scrape, and the rest of the MBeans is not looked at. */
#include <stdio.h>
#include <string.h>

#include "jdiag/exporter/config_check.h"
#include "jdiag/exporter/regex.h"
#include "remote/base/str.h"

#define MAX_NAME 1024

/* --- numbers ------------------------------------------------------------------------------- */

static const char *digits(const char *s)
{
	return s + strspn(s, "0123456789");
}

/* -1.5e3: the same number by YAML and by Double.valueOf. No octal, no hexadecimal. */
static bool is_number(const char *s)
{
	const char *end;

	s += *s == '-';
	end = digits(s);
	if (end == s || (*s == '0' && end != s + 1))
		return false;
	if (*end == '.') {
		s = end + 1;
		end = digits(s);
		if (end == s)
			return false;
	}
	if (*end == 'e' || *end == 'E') {
		s = end + 1 + (end[1] == '-' || end[1] == '+');
		end = digits(s);
		if (end == s || end > s + 2)
			return false;
	}
	return !*end;
}

static int value_factor(const struct check *c, const struct doc_node *v, const char *key)
{
	return v->kind == DOC_SCALAR && is_number(v->text)
		       ? 0
		       : check_fail(c, v, "'%s' is no number: the exporter would use 1", key);
}

/* String.valueOf(value), so that a number need not be in quotes. */
static int value(const struct check *c, const struct doc_node *v, const char *key)
{
	if (v->kind != DOC_SCALAR || v->type == DOC_NULL)
		return check_fail(c, v, "'%s' has no value", key);
	if (v->len == 0 || is_number(v->text) ||
	    (v->type == DOC_STRING && (strchr(v->text, '$') || strchr(v->text, '\\'))))
		return 0;
	return check_fail(
		c, v, "'%s' is no number and refers to no group: nothing would be exported", key);
}

/* --- types --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned int generations;
} types[] = {
	{"COUNTER", EVERY},
	{"GAUGE", EVERY},
	{"HISTOGRAM", UNTIL(EXPORTER_0_20)},
	{"SUMMARY", UNTIL(EXPORTER_0_20)},
	{"UNKNOWN", SINCE(EXPORTER_0_20)},
	{"UNTYPED", EVERY},
};

static int type(const struct check *c, const struct doc_node *v, const char *key)
{
	char known[96] = "";
	size_t n = 0;

	if (check_string(c, v, key) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!(types[i].generations >> c->g & 1))
			continue;
		if (strcmp(types[i].name, v->text) == 0)
			return 0;
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "",
				      types[i].name);
	}
	return check_fail(c, v, "'%s' is none of %s", key, known);
}

/* --- names --------------------------------------------------------------------------------- */

/* JmxCollector.safeName of a text without references; false: it has some, or is too long. */
static bool safe_name(const char *text, bool lower, char ret[MAX_NAME])
{
	bool underscore = false;
	size_t n = 0;

	if (strpbrk(text, "$\\") || strlen(text) >= MAX_NAME - 1)
		return false;
	if (*text >= '0' && *text <= '9')
		ret[n++] = '_';
	for (; *text; text++) {
		bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

		if (letter || *text == ':' || (*text >= '0' && *text <= '9'))
			ret[n++] = (char)(lower && letter ? *text | 0x20 : *text);
		else if (!underscore)
			ret[n++] = '_';
		underscore = ret[n - 1] == '_';
	}
	ret[n] = '\0';
	return true;
}

/* What 1.0 has on its page already: the same name twice makes every scrape fail. Without the
 * suffixes that it takes off (PrometheusNaming). */
static bool is_taken(const char *name)
{
	static const char *const taken[] = {
		"jmx_config_reload_failure",
		"jmx_config_reload_success",
		"jmx_exporter_build",
		"jmx_scrape_cached_beans",
		"jmx_scrape_duration_seconds",
		"jmx_scrape_error",
		"jvm_buffer_pool_capacity_bytes",
		"jvm_buffer_pool_used_buffers",
		"jvm_buffer_pool_used_bytes",
		"jvm_classes_currently_loaded",
		"jvm_classes_loaded",
		"jvm_classes_unloaded",
		"jvm_compilation_time_seconds",
		"jvm_gc_collection_seconds",
		"jvm_memory_committed_bytes",
		"jvm_memory_init_bytes",
		"jvm_memory_max_bytes",
		"jvm_memory_objects_pending_finalization",
		"jvm_memory_pool_allocated_bytes",
		"jvm_memory_pool_collection_committed_bytes",
		"jvm_memory_pool_collection_init_bytes",
		"jvm_memory_pool_collection_max_bytes",
		"jvm_memory_pool_collection_used_bytes",
		"jvm_memory_pool_committed_bytes",
		"jvm_memory_pool_init_bytes",
		"jvm_memory_pool_max_bytes",
		"jvm_memory_pool_used_bytes",
		"jvm_memory_used_bytes",
		"jvm_native_memory_committed_bytes",
		"jvm_native_memory_reserved_bytes",
		"jvm_runtime",
		"jvm_threads_current",
		"jvm_threads_daemon",
		"jvm_threads_deadlocked",
		"jvm_threads_deadlocked_monitor",
		"jvm_threads_peak",
		"jvm_threads_started",
		"jvm_threads_state",
		"process_cpu_seconds",
		"process_max_fds",
		"process_open_fds",
		"process_resident_memory_bytes",
		"process_start_time_seconds",
		"process_virtual_memory_bytes",
	};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcmp(taken[i], name) == 0)
			return true;
	return false;
}

static void strip_suffixes(char *name)
{
	static const char *const suffixes[] = {"_total", "_created", "_bucket", "_info"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (!str_ends(name, suffixes[i]) || strlen(name) == strlen(suffixes[i]))
			continue;
		name[strlen(name) - strlen(suffixes[i])] = '\0';
		i = (size_t)-1;
	}
}

static int check_name(const struct check *c, const struct doc_node *v)
{
	char name[MAX_NAME];

	if (!safe_name(v->text, c->lower_names, name))
		return 0;
	/* 0.3 leaves digits and letters of every script as they are. */
	if (c->g == EXPORTER_0_3 &&
	    (strchr("0123456789", v->text[0]) || str_utf8_sequence(v->text, v->len)) && v->len)
		return check_fail(c, v, "'name' begins with what no metric begins with");
	strip_suffixes(name);
	if (c->g == EXPORTER_1_0 && is_taken(name))
		return check_fail(c, v,
				  "'name' is that of a metric that the exporter itself has, and "
				  "every scrape would fail");
	return 0;
}

/* --- labels -------------------------------------------------------------------------------- */

static int check_labels(const struct check *c, const struct doc_node *v, const char *key)
{
	if (v->kind != DOC_MAP)
		return check_fail(c, v, "'%s' is no map of names and values", key);
	for (size_t i = 0; i < v->n; i += 2) {
		char name[MAX_NAME], other[MAX_NAME];

		if (check_string(c, v->item[i + 1], v->item[i]->text) != 0)
			return -1;
		if (!safe_name(v->item[i]->text, c->lower_labels, name))
			continue;
		if (strchr(name, ':'))
			return check_fail(c, v->item[i], "a label's name with ':' in it");
		for (size_t k = 0; k < i; k += 2)
			if (safe_name(v->item[k]->text, c->lower_labels, other) &&
			    strcmp(name, other) == 0)
				return check_fail(c, v->item[i],
						  "two labels that are both called '%s'", name);
	}
	return 0;
}

/* --- a rule -------------------------------------------------------------------------------- */

static const struct key rule_keys[] = {
	{"attrNameSnakeCase", EVERY, check_bool},
	{"cache", SINCE(EXPORTER_0_20), check_bool},
	{"help", EVERY, check_string},
	{"labels", EVERY, check_labels},
	{"name", EVERY, check_string},
	{"pattern", EVERY, check_string},
	{"type", EVERY, type},
	{"value", EVERY, value},
	{"valueFactor", EVERY, value_factor},
};

static int references(const struct check *c, const struct doc_node *v, const char *key,
		      const struct java_regex *r)
{
	struct error why = {0};

	return !v || java_replacement_check(v->text, v->len, r, &why) == 0
		       ? 0
		       : check_fail(c, v, "'%s' has %s", key, why.msg);
}

static int label_references(const struct check *c, const struct doc_node *labels,
			    const struct java_regex *r)
{
	for (size_t i = 0; labels && i < labels->n; i++)
		if (references(c, labels->item[i], "labels", r) != 0)
			return -1;
	return 0;
}

static int check_references(const struct check *c, const struct doc_node *rule,
			    const struct java_regex *r)
{
	return references(c, doc_get(rule, "name"), "name", r) != 0 ||
			       references(c, doc_get(rule, "value"), "value", r) != 0 ||
			       references(c, doc_get(rule, "help"), "help", r) != 0 ||
			       label_references(c, doc_get(rule, "labels"), r) != 0
		       ? -1
		       : 0;
}

/* Which key needs which other one. */
static int check_together(const struct check *c, const struct doc_node *rule)
{
	static const char *const needs[][2] = {
		{"help", "name"},
		{"labels", "name"},
		{"name", "pattern"},
		{"value", "pattern"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (doc_get(rule, needs[i][0]) && !doc_get(rule, needs[i][1]))
			return check_fail(c, rule, "a rule with '%s' but without '%s'", needs[i][0],
					  needs[i][1]);
	return 0;
}

static int check_sign(const struct check *c, const struct doc_node *rule)
{
	const struct doc_node *kind = doc_get(rule, "type"), *v = doc_get(rule, "value"),
			      *factor = doc_get(rule, "valueFactor");

	if (c->g == EXPORTER_1_0 && kind && strcmp(kind->text, "COUNTER") == 0 &&
	    ((v && v->text[0] == '-') || (factor && factor->text[0] == '-')))
		return check_fail(c, kind,
				  "a COUNTER with a negative value: every scrape would fail");
	return 0;
}

static int check_rule(const struct check *c, const struct doc_node *rule)
{
	const struct doc_node *pattern, *name;
	struct java_regex r = {0};
	struct error why = {0};

	if (check_map(c, rule, "a rule", rule_keys, ARRAY_SIZE(rule_keys)) != 0 ||
	    check_together(c, rule) != 0 || check_sign(c, rule) != 0)
		return -1;
	pattern = doc_get(rule, "pattern");
	if (!pattern)
		return 0;
	if (java_regex_check(pattern->text, pattern->len, &r, &why) != 0)
		return check_fail(c, pattern,
				  "'pattern' is not a regular expression that Java surely takes, "
				  "%s",
				  why.msg);
	name = doc_get(rule, "name");
	return (name && check_name(c, name) != 0) || check_references(c, rule, &r) != 0 ? -1 : 0;
}

int check_rules(const struct check *c, const struct doc_node *v, const char *key)
{
	if (check_list(c, v, key) != 0)
		return -1;
	for (size_t i = 0; i < v->n; i++)
		if (check_rule(c, v->item[i]) != 0)
			return -1;
	return 0;
}
