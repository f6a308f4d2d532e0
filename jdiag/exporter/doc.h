/*
 * A YAML file, read so that SnakeYAML (1.16, 2.0, 2.2: what the exporters have in them) makes the
 * same of it: libyaml's grammar, less everything in which the two differ or that one of those
 * versions refuses. Private to this folder.
 *
 * Refused: bytes outside ASCII (the exporter reads its file in the JVM's own character set), tabs
 * but in quotes and comments, directives, several documents, explicit tags, duplicate keys, keys
 * that are no strings, flow scalars with characters that only one of them takes, escapes that only
 * one of them knows, more than 50 aliases of collections, recursion, an empty document.
 */
#ifndef JDIAG_EXPORTER_DOC_H
#define JDIAG_EXPORTER_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"

#define MAX_DOC_DEPTH 20
#define MAX_DOC_ALIASES 50 /* of lists and maps: LoaderOptions.maxAliasesForCollections */
#define MAX_DOC_ANCHORS 200
#define MAX_DOC_KEYS 1000 /* of one map */

enum doc_kind { DOC_SCALAR, DOC_LIST, DOC_MAP };

/* What a scalar is in Java. */
enum doc_type {
	DOC_STRING,
	DOC_NULL,
	DOC_BOOL,
	DOC_INT,     /* decimal, of at most nine digits: an Integer */
	DOC_UNQUOTED /* could be another number, a date or a time: not looked at closer */
};

struct doc_node {
	enum doc_kind kind;
	enum doc_type type; /* of a scalar */
	unsigned int line;  /* from 1 */
	char *text;	    /* of a scalar, UTF-8, len bytes and a terminator; owned */
	size_t len;
	struct doc_node **item; /* of a list; of a map: key, value, key, value (merges done) */
	size_t n, cap;
	bool merged;
};

struct doc {
	struct doc_node *root;
	struct doc_node **all; /* owned */
	size_t n, cap;
};

/* ERR_USAGE: "NAME, line 7: why". */
int doc_read(struct doc *ret, const char *text, size_t len, const char *name,
	     struct error *err) must_check;
void doc_release(struct doc *d);

/* The value of a key of a map; NULL: it has none, or is no map. */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);

/* Fill err: "NAME, line N: ...". Returns -1. */
int doc_error(struct error *err, const char *name, unsigned int line, const char *fmt, ...)
	printf_like(4, 5);

#endif
