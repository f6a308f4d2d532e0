#include "jdiag/kube/yaml.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "jdiag/json.h"
#include "remote/base/limits.h"

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one being looked at */
	json_t *anchors;    /* name -> finished node */
	unsigned int depth, nodes;
	const char *what;
	struct error *err;
};

static json_t *load_node(struct loader *l);

static json_t *fail(struct loader *l, const char *why)
{
	error_set(l->err, ERR_USAGE, "%s, line %zu: %s", l->what, l->event.start_mark.line + 1,
		  why);
	return NULL;
}

/* Go to the next event. */
static int next(struct loader *l)
{
	yaml_event_delete(&l->event);
	if (yaml_parser_parse(&l->parser, &l->event))
		return 0;
	/* libyaml leaves the event empty; its texts are constants, never the content */
	return error_set(
		l->err, ERR_USAGE, "%s, line %zu: %s", l->what,
		(l->parser.problem_mark.line ? l->parser.problem_mark.line : l->parser.mark.line) +
			1,
		l->parser.problem ? l->parser.problem : "cannot be read as YAML");
}

static bool is_number(const char *s)
{
	s += *s == '-';
	if (*s == '0' ? s[1] >= '0' && s[1] <= '9' : *s < '1' || *s > '9')
		return false;
	s += strspn(s, "0123456789");
	if (*s == '.') {
		if (!strspn(s + 1, "0123456789"))
			return false;
		s += 1 + strspn(s + 1, "0123456789");
	}
	if (*s == 'e' || *s == 'E') {
		s += 1 + (s[1] == '+' || s[1] == '-');
		if (!*s)
			return false;
		s += strspn(s, "0123456789");
	}
	return !*s;
}

/* Only what JSON would call a number: 0755 or 1_000 stay strings. */
static json_t *number(const char *s)
{
	double real;
	long long integer;

	errno = 0;
	if (!strpbrk(s, ".eE")) {
		integer = strtoll(s, NULL, 10);
		return errno ? NULL : json_integer(integer);
	}
	real = strtod(s, NULL);
	return errno ? NULL : json_real(real);
}

static json_t *plain(const char *s)
{
	json_t *v = NULL;

	if (!*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0)
		return json_null();
	if (strcmp(s, "true") == 0)
		return json_true();
	if (strcmp(s, "false") == 0)
		return json_false();
	if (is_number(s))
		v = number(s);
	return v ? v : json_string(s);
}

static json_t *load_scalar(struct loader *l)
{
	const char *s = (const char *)l->event.data.scalar.value;
	size_t len = l->event.data.scalar.length;
	json_t *v;

	if (memchr(s, '\0', len))
		return fail(l, "a value holds a NUL character");
	if (l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    l->event.data.scalar.plain_implicit)
		v = plain(s);
	else
		v = json_stringn(s, len);
	return v ? v : fail(l, "a value is not UTF-8");
}

static json_t *load_sequence(struct loader *l)
{
	auto_json json_t *list = json_array();

	for (;;) {
		json_t *item;

		if (next(l) != 0)
			return NULL;
		if (l->event.type == YAML_SEQUENCE_END_EVENT)
			return STEAL(list);
		item = load_node(l);
		if (!item)
			return NULL;
		json_array_append_new(list, item);
	}
}

/* "<<": the members of one mapping, or of each of a list; the first wins. */
static int merge(json_t *into, const json_t *from)
{
	size_t i;
	json_t *one;

	if (json_is_object(from))
		return json_object_update_missing(into, (json_t *)from);
	if (!json_is_array(from))
		return -1;
	json_array_foreach (from, i, one) {
		if (!json_is_object(one) || json_object_update_missing(into, one) != 0)
			return -1;
	}
	return 0;
}

static char *load_key(struct loader *l)
{
	if (l->event.type != YAML_SCALAR_EVENT) {
		fail(l, "a key is not a plain word");
		return NULL;
	}
	if (memchr(l->event.data.scalar.value, '\0', l->event.data.scalar.length)) {
		fail(l, "a key holds a NUL character");
		return NULL;
	}
	return xstrdup((const char *)l->event.data.scalar.value);
}

/* One `key: value`, the key being the present event. */
static int load_member(struct loader *l, json_t *map, json_t *merges)
{
	auto_free char *key = load_key(l);
	size_t line;
	json_t *value;

	if (!key)
		return -1;
	line = l->event.start_mark.line + 1;
	if (json_object_get(map, key))
		return error_set(l->err, ERR_USAGE, "%s, line %zu: key '%s' is there twice",
				 l->what, line, key);
	if (next(l) != 0)
		return -1;
	value = load_node(l);
	if (!value)
		return -1;
	if (strcmp(key, "<<") == 0)
		return json_array_append_new(merges, value);
	if (json_object_set_new(map, key, value) == 0)
		return 0;
	return error_set(l->err, ERR_USAGE, "%s, line %zu: a key is not UTF-8", l->what, line);
}

static json_t *load_mapping(struct loader *l)
{
	auto_json json_t *map = json_object(), *merges = json_array();
	size_t i;
	json_t *one;

	for (;;) {
		if (next(l) != 0)
			return NULL;
		if (l->event.type == YAML_MAPPING_END_EVENT)
			break;
		if (load_member(l, map, merges) != 0)
			return NULL;
	}
	/* after the own keys, which win wherever they stand */
	json_array_foreach (merges, i, one) {
		if (merge(map, one) != 0)
			return fail(l, "a merge key (<<) does not name a mapping");
	}
	return STEAL(map);
}

/* An alias counts for as much as what it names: this is where a "billion laughs" ends. */
static bool weigh(struct loader *l, const json_t *v, unsigned int depth)
{
	size_t i;
	const char *key;
	json_t *child;

	if (depth > MAX_YAML_DEPTH || ++l->nodes > MAX_YAML_NODES)
		return false;
	json_array_foreach (v, i, child) {
		if (!weigh(l, child, depth + 1))
			return false;
	}
	json_object_foreach ((json_t *)v, key, child) {
		if (!weigh(l, child, depth + 1))
			return false;
	}
	return true;
}

static json_t *load_alias(struct loader *l)
{
	const char *name = (const char *)l->event.data.alias.anchor;
	const json_t *v = json_object_get(l->anchors, name);

	/* libyaml does not check that the anchor is known; one that is not finished would be
	 * a cycle */
	if (!v)
		return fail(l, "an alias names an anchor that is not there, or itself");
	if (!weigh(l, v, l->depth))
		return fail(l, "aliases make it too large");
	return json_incref((json_t *)v);
}

static char *event_anchor(const yaml_event_t *e)
{
	const yaml_char_t *name = NULL;

	if (e->type == YAML_SCALAR_EVENT)
		name = e->data.scalar.anchor;
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		name = e->data.sequence_start.anchor;
	else if (e->type == YAML_MAPPING_START_EVENT)
		name = e->data.mapping_start.anchor;
	return name ? xstrdup((const char *)name) : NULL;
}

static json_t *load_kind(struct loader *l)
{
	switch (l->event.type) {
	case YAML_SCALAR_EVENT:
		return load_scalar(l);
	case YAML_SEQUENCE_START_EVENT:
		return load_sequence(l);
	case YAML_MAPPING_START_EVENT:
		return load_mapping(l);
	case YAML_ALIAS_EVENT:
		return load_alias(l);
	default:
		return fail(l, "not a value");
	}
}

/* The value that begins with the present event; its last event is the present one afterwards. */
static json_t *load_node(struct loader *l)
{
	auto_free char *anchor = event_anchor(&l->event);
	json_t *v;

	if (l->depth >= MAX_YAML_DEPTH)
		return fail(l, "nested too deep");
	if (++l->nodes > MAX_YAML_NODES)
		return fail(l, "too many values");
	l->depth++;
	v = load_kind(l);
	l->depth--;
	if (v && anchor)
		json_object_set(l->anchors, anchor, v);
	return v;
}

static json_t *load_document(struct loader *l)
{
	do {
		if (next(l) != 0)
			return NULL;
		if (l->event.type == YAML_STREAM_END_EVENT)
			return json_null();
	} while (l->event.type == YAML_STREAM_START_EVENT ||
		 l->event.type == YAML_DOCUMENT_START_EVENT);
	return load_node(l);
}

json_t *yaml_from_text(const char *text, size_t len, const char *what, struct error *err)
{
	struct loader l = {.what = what, .err = err};
	json_t *root;

	if (!yaml_parser_initialize(&l.parser))
		die_oom();
	l.anchors = json_object();
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
	root = load_document(&l);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	json_decref(l.anchors);
	return root;
}
