/* What the parts of the check of a configuration share. Private to this folder. */
#ifndef JDIAG_EXPORTER_CONFIG_CHECK_H
#define JDIAG_EXPORTER_CONFIG_CHECK_H

#include "jdiag/exporter/config.h"
#include "jdiag/exporter/doc.h"

struct check {
	const char *name; /* of the file, for messages */
	enum exporter_generation g;
	bool lower_names, lower_labels; /* lowercaseOutputName, lowercaseOutputLabelNames */
	struct error *err;
};

/* A set of generations. */
#define SINCE(g) (~0u << (g))
#define UNTIL(g) (~(~0u << ((g) + 1)))
#define EVERY SINCE(EXPORTER_0_3)

struct key {
	const char *name;
	unsigned int generations;
	/* key: its name, for messages. */
	int (*check)(const struct check *c, const struct doc_node *value, const char *key);
};

/* The value is a map, and each of its keys is one of these, known to the generation, and its value
 * passes. what: "a rule". */
int check_map(const struct check *c, const struct doc_node *map, const char *what,
	      const struct key *keys, size_t n) must_check;

/* struct key.check. A value is never shown: it may be a secret. */
int check_string(const struct check *c, const struct doc_node *v, const char *key);
int check_bool(const struct check *c, const struct doc_node *v, const char *key);
int check_list(const struct check *c, const struct doc_node *v, const char *key);
int check_rules(const struct check *c, const struct doc_node *v, const char *key);
int check_http_server(const struct check *c, const struct doc_node *v, const char *key);

/* "NAME, line N: ...", with the node's line. Returns -1. */
int check_fail(const struct check *c, const struct doc_node *at, const char *fmt, ...)
	printf_like(3, 4);

#endif
