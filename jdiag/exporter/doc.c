#include "jdiag/exporter/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "jdiag/exporter/doc_type.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

struct anchor {
	char *name;
	struct doc_node *node; /* NULL: its end has not come yet */
};

struct loader {
	struct doc *doc;
	const char *text, *name;
	size_t len, checked; /* text[0..checked) has no tab out of place */
	yaml_parser_t parser;
	yaml_event_t event;
	struct anchor anchors[MAX_DOC_ANCHORS];
	unsigned int n_anchors, depth, flow, aliases;
	struct error *err;
};

int doc_error(struct error *err, const char *name, unsigned int line, const char *fmt, ...)
{
	char why[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return error_set(err, ERR_USAGE, "%s, line %u: %s", name, line, why);
}

static unsigned int event_line(const struct loader *l)
{
	return (unsigned int)l->event.start_mark.line + 1;
}

static int fail(struct loader *l, const char *why)
{
	return doc_error(l->err, l->name, event_line(l), "%s", why);
}

static unsigned int line_at(const char *text, size_t at)
{
	unsigned int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

/* --- bytes --------------------------------------------------------------------------------- */

static int check_bytes(const struct loader *l)
{
	for (size_t i = 0; i < l->len; i++) {
		unsigned char c = (unsigned char)l->text[i];

		if (c == '\t' || c == '\n' || c == '\r' || (c >= ' ' && c < 0x7f))
			continue;
		if (i == 0 && l->len >= 3 && memcmp(l->text, "\xef\xbb\xbf", 3) == 0)
			return doc_error(l->err, l->name, 1, "begins with a byte order mark");
		if (c < 0x80)
			return doc_error(l->err, l->name, line_at(l->text, i),
					 "a control character, 0x%02x", c);
		doc_error(l->err, l->name, line_at(l->text, i), "a character that is not ASCII");
		return error_hint(
			l->err, "the exporter reads its file in the JVM's own character set, in "
				"which it may be a control character: write \"\\u00e9\" in double "
				"quotes, or leave it out");
	}
	return 0;
}

/* Where libyaml takes a tab for a blank, SnakeYAML may not. What lies between two scalars is
 * punctuation and comments. */
static int check_gap(struct loader *l, size_t end)
{
	bool comment = false;

	for (; l->checked < end; l->checked++) {
		char c = l->text[l->checked];

		if (c == '\n' || c == '\r')
			comment = false;
		else if (c == '#')
			comment = true;
		else if (c == '\t' && !comment)
			return doc_error(l->err, l->name, line_at(l->text, l->checked),
					 "a tab: YAML is indented with blanks");
	}
	return 0;
}

/* --- scalars ------------------------------------------------------------------------------- */

/* Between double quotes, as written. */
static int check_escapes(struct loader *l, const char *raw, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (raw[i] != '\\')
			continue;
		i++;
		if (!strchr("0abtnvfre \"\\N_LPxuU\r\n", raw[i]))
			return fail(l, "an escape in double quotes that not every exporter knows: "
				       "use single quotes");
	}
	return 0;
}

/* Not between quotes: what both grammars and all versions take within [] and {}. */
static int check_flow(struct loader *l, const char *text)
{
	if (l->flow == 0 ||
	    str_only(text, "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$<>()/*= -") ||
	    !*text)
		return 0;
	return fail(l, "a text between [] or {} with punctuation in it: put it in quotes");
}

static int check_scalar(struct loader *l)
{
	const yaml_event_t *e = &l->event;
	size_t start = e->start_mark.index, end = e->end_mark.index;
	const char *raw = l->text + start;

	l->checked = end;
	if (e->data.scalar.tag)
		return fail(l, "a tag");
	if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
		return fail(l, "a NUL character");
	switch (e->data.scalar.style) {
	case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
		return check_escapes(l, raw, end - start);
	case YAML_SINGLE_QUOTED_SCALAR_STYLE:
		return 0;
	case YAML_PLAIN_SCALAR_STYLE:
		if (check_flow(l, (const char *)e->data.scalar.value) != 0)
			return -1;
		break;
	default:
		break;
	}
	return memchr(raw, '\t', end - start) ? fail(l, "a tab: put it in quotes") : 0;
}

/* --- the tree ------------------------------------------------------------------------------ */

static struct doc_node *node_new(struct loader *l, enum doc_kind kind)
{
	struct doc *d = l->doc;
	struct doc_node *n = xcalloc(1, sizeof(*n));

	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->all = xrealloc(d->all, d->cap * sizeof(*d->all));
	}
	d->all[d->n++] = n;
	n->kind = kind;
	n->line = event_line(l);
	return n;
}

static void node_add(struct doc_node *n, struct doc_node *item)
{
	if (n->n == n->cap) {
		n->cap = n->cap ? 2 * n->cap : 8;
		n->item = xrealloc(n->item, n->cap * sizeof(struct doc_node *));
	}
	n->item[n->n++] = item;
}

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
	for (size_t i = 0; map->kind == DOC_MAP && i < map->n; i += 2)
		if (strcmp(map->item[i]->text, key) == 0)
			return map->item[i + 1];
	return NULL;
}

static int not_yaml(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	size_t line = p->problem_mark.line ? p->problem_mark.line : p->mark.line;

	if (p->error == YAML_MEMORY_ERROR)
		die_oom();
	/* A tab is the likely reason, and has better words. */
	if (p->problem_mark.index < l->len && check_gap(l, p->problem_mark.index + 1) != 0)
		return -1;
	doc_error(l->err, l->name, (unsigned int)line + 1, "not YAML: %s",
		  p->problem ? p->problem : "?");
	/* a regular expression, most likely */
	if (p->problem && strstr(p->problem, "unknown escape character"))
		error_hint(l->err, "in double quotes a backslash begins an escape: use single "
				   "quotes, or write it twice");
	return -1;
}

static int next(struct loader *l)
{
	size_t at;

	yaml_event_delete(&l->event);
	if (!yaml_parser_parse(&l->parser, &l->event))
		return not_yaml(l);
	at = l->event.start_mark.index;
	return at > l->checked ? check_gap(l, at) : 0;
}

static struct doc_node *load_scalar(struct loader *l)
{
	const yaml_event_t *e = &l->event;
	struct doc_node *n;

	if (check_scalar(l) != 0)
		return NULL;
	n = node_new(l, DOC_SCALAR);
	n->len = e->data.scalar.length;
	n->text = xstrndup((const char *)e->data.scalar.value, n->len);
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		n->type = doc_plain_type(n->text, n->len);
	return n;
}

static struct doc_node *load_node(struct loader *l);

static struct doc_node *load_list(struct loader *l)
{
	bool flow = l->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	struct doc_node *list, *item;

	if (l->event.data.sequence_start.tag) {
		fail(l, "a tag");
		return NULL;
	}
	list = node_new(l, DOC_LIST);
	l->flow += flow;
	for (;;) {
		if (next(l) != 0)
			return NULL;
		if (l->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		item = load_node(l);
		if (!item)
			return NULL;
		node_add(list, item);
	}
	l->flow -= flow;
	return list;
}

/* A key may be there once. "<<" may be, too; it is no string, and what it stands for comes last. */
static int add_pair(struct loader *l, struct doc_node *map, struct doc_node *key,
		    struct doc_node *value)
{
	if (key->kind != DOC_SCALAR || key->type != DOC_STRING)
		return doc_error(l->err, l->name, key->line,
				 "a key that is no text: put it in quotes");
	if (doc_get(map, key->text))
		return doc_error(l->err, l->name, key->line, "'%s' is there twice", key->text);
	if (map->n / 2 >= MAX_DOC_KEYS)
		return doc_error(l->err, l->name, key->line, "too many keys in one map");
	node_add(map, key);
	node_add(map, value);
	return 0;
}

static int merge_map(struct loader *l, struct doc_node *map, const struct doc_node *from,
		     unsigned int line)
{
	if (from->kind != DOC_MAP)
		return doc_error(l->err, l->name, line, "'<<' takes a map, or a list of maps");
	/* SnakeYAML changes the map that it merges from. */
	if (from->merged)
		return doc_error(l->err, l->name, line, "'<<' of a map that has a '<<' itself");
	for (size_t i = 0; i < from->n; i += 2)
		if (!doc_get(map, from->item[i]->text) &&
		    add_pair(l, map, from->item[i], from->item[i + 1]) != 0)
			return -1;
	map->merged = true;
	return 0;
}

static int merge(struct loader *l, struct doc_node *map, const struct doc_node *from)
{
	if (from->kind != DOC_LIST)
		return merge_map(l, map, from, from->line);
	for (size_t i = 0; i < from->n; i++)
		if (merge_map(l, map, from->item[i], from->line) != 0)
			return -1;
	return 0;
}

/* The pairs up to the map's end; *merges: what its "<<" has. */
static int load_pairs(struct loader *l, struct doc_node *map, const struct doc_node **merges)
{
	struct doc_node *key, *value;

	for (;;) {
		if (next(l) != 0)
			return -1;
		if (l->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		key = load_node(l);
		if (!key || next(l) != 0)
			return -1;
		value = load_node(l);
		if (!value)
			return -1;
		if (key->kind == DOC_SCALAR && key->type == DOC_UNQUOTED && !*merges &&
		    strcmp(key->text, "<<") == 0)
			*merges = value;
		else if (add_pair(l, map, key, value) != 0)
			return -1;
	}
}

static struct doc_node *load_map(struct loader *l)
{
	bool flow = l->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	const struct doc_node *merges = NULL;
	struct doc_node *map;

	if (l->event.data.mapping_start.tag) {
		fail(l, "a tag");
		return NULL;
	}
	map = node_new(l, DOC_MAP);
	l->flow += flow;
	if (load_pairs(l, map, &merges) != 0)
		return NULL;
	l->flow -= flow;
	return merges && merge(l, map, merges) != 0 ? NULL : map;
}

/* --- anchors and aliases ------------------------------------------------------------------- */

static struct anchor *find_anchor(struct loader *l, const char *name)
{
	for (unsigned int i = 0; i < l->n_anchors; i++)
		if (strcmp(l->anchors[i].name, name) == 0)
			return &l->anchors[i];
	return NULL;
}

static struct doc_node *load_alias(struct loader *l)
{
	struct anchor *a = find_anchor(l, (const char *)l->event.data.alias.anchor);

	if (!a || !a->node)
		fail(l, "an alias of an anchor that is not there, or of itself");
	else if (a->node->kind != DOC_SCALAR && ++l->aliases > MAX_DOC_ALIASES)
		fail(l, "more than 50 aliases of lists and maps");
	else
		return a->node;
	return NULL;
}

static const char *event_anchor(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)e->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)e->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

/* *ret NULL: the value that begins here has none. */
static int new_anchor(struct loader *l, struct anchor **ret)
{
	const char *name = event_anchor(&l->event);

	*ret = NULL;
	if (!name)
		return 0;
	if (find_anchor(l, name))
		return fail(l, "an anchor that is there twice");
	if (l->n_anchors == MAX_DOC_ANCHORS)
		return fail(l, "too many anchors");
	*ret = &l->anchors[l->n_anchors++];
	**ret = (struct anchor){.name = xstrdup(name)};
	return 0;
}

static struct doc_node *load_kind(struct loader *l)
{
	switch (l->event.type) {
	case YAML_SCALAR_EVENT:
		return load_scalar(l);
	case YAML_SEQUENCE_START_EVENT:
		return load_list(l);
	case YAML_MAPPING_START_EVENT:
		return load_map(l);
	case YAML_ALIAS_EVENT:
		return load_alias(l);
	default:
		fail(l, "not a value");
		return NULL;
	}
}

/* The value that begins with the present event; its last event is the present one afterwards. */
static struct doc_node *load_node(struct loader *l)
{
	struct anchor *anchor;
	struct doc_node *n;

	if (l->depth >= MAX_DOC_DEPTH || l->doc->n >= MAX_YAML_NODES) {
		fail(l, l->depth >= MAX_DOC_DEPTH ? "nested too deep" : "too many values");
		return NULL;
	}
	if (new_anchor(l, &anchor) != 0)
		return NULL;
	l->depth++;
	n = load_kind(l);
	l->depth--;
	if (anchor)
		anchor->node = n;
	return n;
}

/* --- the file ------------------------------------------------------------------------------ */

static int load_document(struct loader *l)
{
	if (next(l) != 0 || next(l) != 0) /* stream start, document start */
		return -1;
	if (l->event.type == YAML_STREAM_END_EVENT)
		return doc_error(l->err, l->name, 1,
				 "there is nothing in it: write {} for the defaults");
	if (l->event.data.document_start.version_directive ||
	    l->event.data.document_start.tag_directives.start !=
		    l->event.data.document_start.tag_directives.end)
		return fail(l, "a directive");
	if (next(l) != 0)
		return -1;
	l->doc->root = load_node(l);
	if (!l->doc->root || next(l) != 0 || next(l) != 0) /* document end, stream end */
		return -1;
	return l->event.type == YAML_STREAM_END_EVENT ? 0 : fail(l, "a second document");
}

int doc_read(struct doc *ret, const char *text, size_t len, const char *name, struct error *err)
{
	struct doc doc = {0};
	struct loader l = {.doc = &doc, .text = text, .len = len, .name = name, .err = err};
	int rc;

	if (check_bytes(&l) != 0)
		return -1;
	if (!yaml_parser_initialize(&l.parser))
		die_oom();
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
	rc = load_document(&l);
	if (rc == 0)
		rc = check_gap(&l, len);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	for (unsigned int i = 0; i < l.n_anchors; i++)
		free(l.anchors[i].name);
	if (rc == 0)
		*ret = doc;
	else
		doc_release(&doc);
	return rc;
}

void doc_release(struct doc *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->all[i]->text);
		free(d->all[i]->item);
		free(d->all[i]);
	}
	free(d->all);
	*d = (struct doc){0};
}
