/*
 * Would java.util.regex.Pattern (8 to 26) compile this, inside the "^.*(?:" ... ").*$" that the
 * exporter puts around it? A small grammar of what surely is valid there, ASCII only: alternation,
 * groups (capturing, (?:, (?>, (?=, (?!, (?<=, (?<!, named, with flags but x), greedy, lazy and
 * possessive quantifiers, classes without unions and intersections, escapes, \Q..\E, references to
 * groups that are closed already. Everything else is refused, also where Java would take it.
 */
#ifndef JDIAG_EXPORTER_REGEX_H
#define JDIAG_EXPORTER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"

#define MAX_JAVA_REGEX 16384
#define MAX_JAVA_REGEX_DEPTH 40
#define MAX_JAVA_GROUPS 200
#define MAX_JAVA_GROUP_NAMES 32

struct java_regex {
	unsigned int groups; /* how many capture */
	unsigned int n_names;
	char names[MAX_JAVA_GROUP_NAMES][33];
};

/* ERR_USAGE: "at character 7: why". */
int java_regex_check(const char *text, size_t len, struct java_regex *ret,
		     struct error *err) must_check;

/* A replacement for Matcher.replaceAll on that expression: $N, ${name}, backslashes. ERR_USAGE. */
int java_replacement_check(const char *text, size_t len, const struct java_regex *r,
			   struct error *err) must_check;

#endif
