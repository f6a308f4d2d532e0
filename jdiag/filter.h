/*
 * The filter expressions of the Compute Engine list API, evaluated here: for lists that another
 * API sends. Sources: the parameter `filter` of instances.list (Compute Engine API reference) and
 * google.aip.dev/160, whose grammar this is but for functions and bare words:
 *
 *	expression	sequence { "AND" sequence }
 *	sequence	factor { factor }		by AND, too: (a = 1) (b = 2)
 *	factor		term { "OR" term }		OR binds closer than AND
 *	term		[ "NOT" | "-" ] ( restriction | "(" expression ")" )
 *	restriction	field operator value
 *	field		name { "." name }, a name with other characters in quotes: labels."a/b".
 *			The keys of labels may hold dots and slashes without: labels.a.b/c
 *	value		a word up to a blank or a parenthesis, or a text in "" or '' (\ escapes)
 *
 *	= !=		the same text or number
 *	:		"has": as =, where * stands for any text; `field:*` where it is set at all
 *	< <= > >=	numbers when both are numbers, else texts byte by byte (times in RFC 3339)
 *	eq ne		the whole value fits a regular expression. The server's are RE2; here they
 *			are POSIX extended ones, of what both have: no {}, (?...), lazy quantifiers
 *			or \d, \w, at most 256 bytes. With parentheses in it, in quotes.
 *
 * A field that is not set fits only != and ne (and NOT). A list fits when one of its members does.
 * Case counts. The API does not let eq and ne be mixed with the others in one request; here they
 * may be.
 */
#ifndef JDIAG_FILTER_H
#define JDIAG_FILTER_H

#include <stdbool.h>

#include "remote/base/error.h"

struct json_t;
struct filter;

/* ERR_USAGE with the character at which it goes wrong, counted from 1. Free with filter_free. */
int filter_parse(const char *text, struct filter **ret, struct error *err) must_check;
void filter_free(struct filter *f); /* NULL is fine */

/* The first field whose first name is none of `known` (NULL-terminated); NULL: all are. Borrowed.
 */
const char *filter_unknown_field(const struct filter *f, const char *const *known) must_check;

/* Fields are members of object, of members of it, and so on. */
bool filter_matches(const struct filter *f, const struct json_t *object) must_check;

#endif
