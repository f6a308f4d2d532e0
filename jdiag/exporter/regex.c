#include "jdiag/exporter/regex.h"

#include <string.h>

#include "remote/base/str.h"

#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define FLAGS "idmsuU" /* not x: it would make comments, also of the end that the exporter adds */
#define MAX_REPEAT 1000

struct parser {
	const char *text;
	size_t len, at;
	unsigned int depth, behind; /* behind: in so many look-behinds */
	bool closed[MAX_JAVA_GROUPS + 1];
	struct java_regex *r;
	struct error *err;
};

static int fail(const struct parser *p, const char *why)
{
	return error_set(p->err, ERR_USAGE, "at character %zu: %s", p->at + 1, why);
}

/* The next character, 0 at the end (there is no NUL in the text). */
static char peek(const struct parser *p)
{
	return p->at < p->len ? p->text[p->at] : '\0';
}

static bool in(const char *set, char c)
{
	return c && strchr(set, c);
}

static bool take(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	if (p->len - p->at < n || memcmp(p->text + p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

/* --- quantifiers --------------------------------------------------------------------------- */

/* Digits up to a maximum that any of Java's own is above. -1: none, or too large. */
static int number(struct parser *p)
{
	int n = in(DIGITS, peek(p)) ? 0 : -1;

	while (in(DIGITS, peek(p)) && n <= MAX_REPEAT)
		n = 10 * n + p->text[p->at++] - '0';
	return n > MAX_REPEAT ? -1 : n;
}

static int repeat(struct parser *p)
{
	int min = number(p), max = min;

	if (min < 0)
		return fail(p, "a '{' that begins no {N}, {N,} or {N,M} with numbers up to 1000");
	if (take(p, ",") && peek(p) != '}')
		max = number(p);
	else if (p->text[p->at - 1] == ',')
		max = MAX_REPEAT;
	if (max < min || !take(p, "}"))
		return fail(p, "a '{' that begins no {N}, {N,} or {N,M} with numbers up to 1000");
	return 0;
}

/* After something that can be repeated. */
static int quantifier(struct parser *p)
{
	if (!in("?*+{", peek(p)))
		return 0;
	if (p->behind)
		return fail(p, "a repetition in a look-behind");
	if (take(p, "{")) {
		if (repeat(p) != 0)
			return -1;
	} else {
		p->at++;
	}
	if (in("?+", peek(p)))
		p->at++;
	return in("?*+{", peek(p)) ? fail(p, "a repetition of a repetition") : 0;
}

/* After something that is a place, not a text. */
static int no_quantifier(const struct parser *p)
{
	return in("?*+{", peek(p)) ? fail(p, "nothing to repeat") : 0;
}

/* --- escapes ------------------------------------------------------------------------------- */

static int hex(struct parser *p, unsigned int digits, unsigned int *ret)
{
	unsigned int value = 0;

	for (; digits; digits--, p->at++) {
		char c = peek(p);

		if (in(DIGITS, c))
			value = 16 * value + (unsigned int)(c - '0');
		else if (in("abcdef", c))
			value = 16 * value + (unsigned int)(c - 'a') + 10;
		else if (in("ABCDEF", c))
			value = 16 * value + (unsigned int)(c - 'A') + 10;
		else
			return fail(p, "a character code of too few digits");
	}
	if (value >= 0xd800)
		return fail(p, "a character code that is not taken here");
	*ret = value;
	return 0;
}

/* Behind \p or \P. */
static int property(struct parser *p)
{
	static const char *const names[] = {
		"{L}",	   "{Lu}",
		"{Ll}",	   "{N}",
		"{Nd}",	   "{P}",
		"{S}",	   "{Z}",
		"{Lower}", "{Upper}",
		"{ASCII}", "{Alpha}",
		"{Digit}", "{Alnum}",
		"{Punct}", "{Graph}",
		"{Print}", "{Blank}",
		"{Cntrl}", "{XDigit}",
		"{Space}", "{IsAlphabetic}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (take(p, names[i]))
			return 0;
	return fail(p, "a \\p that is not known here");
}

enum escape { ESC_CHAR, ESC_SET, ESC_PLACE };

/* Behind the backslash: what is the same in and out of a class. *ret_char: of ESC_CHAR. */
static int common_escape(struct parser *p, enum escape *ret, unsigned int *ret_char)
{
	char c = peek(p);

	if (!c)
		return fail(p, "a backslash at the end");
	p->at++;
	*ret = ESC_CHAR;
	if (in("dDwWsS", c))
		*ret = ESC_SET;
	else if (in("tnrf", c))
		*ret_char = (unsigned int)"\t\n\r\f"[strchr("tnrf", c) - "tnrf"];
	else if (c == 'x' || c == 'u')
		return hex(p, c == 'x' ? 2 : 4, ret_char);
	else if (in("pP", c)) {
		*ret = ESC_SET;
		return property(p);
	} else if (in(DIGITS UPPER LOWER, c)) {
		p->at--;
		return fail(p, "a backslash before a letter or digit that is not known here");
	} else {
		*ret_char = (unsigned char)c;
	}
	return 0;
}

/* --- classes ------------------------------------------------------------------------------- */

/* One character or set of a class. */
static int class_item(struct parser *p, enum escape *ret, unsigned int *ret_char)
{
	char c = peek(p);

	*ret = ESC_CHAR;
	if (!c)
		return fail(p, "a '[' without its ']'");
	if (c == '[')
		return fail(p, "a '[' in a class: write \\[");
	if (c == '&' && p->at + 1 < p->len && p->text[p->at + 1] == '&')
		return fail(p, "'&&' in a class");
	p->at++;
	if (c == '\\')
		return common_escape(p, ret, ret_char);
	*ret_char = (unsigned char)c;
	return 0;
}

static int class_range(struct parser *p, enum escape kind, unsigned int from)
{
	unsigned int to = 0;

	if (kind != ESC_CHAR)
		return fail(p, "a '-' behind a set of characters: write \\-");
	p->at++;
	if (class_item(p, &kind, &to) != 0)
		return -1;
	return kind == ESC_CHAR && from <= to ? 0 : fail(p, "a range that runs backwards");
}

/* Behind the '['. */
static int char_class(struct parser *p)
{
	take(p, "^");
	if (peek(p) == ']')
		return fail(p, "a ']' first in a class: write \\]");
	while (peek(p) != ']') {
		enum escape kind;
		unsigned int c = 0;

		if (class_item(p, &kind, &c) != 0)
			return -1;
		/* A '-' before the ']' is itself. */
		if (peek(p) == '-' && p->at + 1 < p->len && p->text[p->at + 1] != ']' &&
		    class_range(p, kind, c) != 0)
			return -1;
	}
	p->at++;
	return quantifier(p);
}

/* --- groups -------------------------------------------------------------------------------- */

static int alternatives(struct parser *p);

/* The contents of a group and its ')'. */
static int group_rest(struct parser *p)
{
	if (p->depth >= MAX_JAVA_REGEX_DEPTH)
		return fail(p, "nested too deep");
	p->depth++;
	if (alternatives(p) != 0)
		return -1;
	p->depth--;
	return take(p, ")") ? 0 : fail(p, "a '(' without its ')'");
}

static int look(struct parser *p, bool behind)
{
	p->behind += behind;
	if (group_rest(p) != 0)
		return -1;
	p->behind -= behind;
	return no_quantifier(p);
}

static int group_name(struct parser *p)
{
	size_t start = p->at, n;
	char *name;

	while (in(DIGITS UPPER LOWER, peek(p)))
		p->at++;
	n = p->at - start;
	if (n == 0 || n > 32 || in(DIGITS, p->text[start]) || !take(p, ">"))
		return fail(p, "a group's name that is none: letters and digits, at most 32");
	if (p->r->n_names == MAX_JAVA_GROUP_NAMES)
		return fail(p, "too many named groups");
	name = p->r->names[p->r->n_names];
	memcpy(name, p->text + start, n);
	name[n] = '\0';
	for (unsigned int i = 0; i < p->r->n_names; i++)
		if (strcmp(p->r->names[i], name) == 0)
			return fail(p, "a group's name that is there twice");
	p->r->n_names++;
	return 0;
}

static int capture(struct parser *p)
{
	unsigned int number_of = ++p->r->groups;

	if (p->r->groups > MAX_JAVA_GROUPS)
		return fail(p, "too many groups");
	if (group_rest(p) != 0)
		return -1;
	p->closed[number_of] = true;
	return quantifier(p);
}

/* (?i) or (?i-s:...), behind the "(?". */
static int flags(struct parser *p)
{
	size_t start = p->at;

	while (in(FLAGS, peek(p)))
		p->at++;
	if (take(p, "-"))
		while (in(FLAGS, peek(p)))
			p->at++;
	if (p->at == start || p->text[p->at - 1] == '-')
		return fail(p, "a '(?' that is not known here");
	if (take(p, ")"))
		return no_quantifier(p);
	if (!take(p, ":"))
		return fail(p, "a '(?' that is not known here");
	return group_rest(p) != 0 ? -1 : quantifier(p);
}

/* Behind the '('. */
static int group(struct parser *p)
{
	if (!take(p, "?"))
		return capture(p);
	if (take(p, ":") || take(p, ">"))
		return group_rest(p) != 0 ? -1 : quantifier(p);
	if (take(p, "=") || take(p, "!"))
		return look(p, false);
	if (take(p, "<=") || take(p, "<!"))
		return look(p, true);
	if (take(p, "<"))
		return group_name(p) != 0 ? -1 : capture(p);
	return flags(p);
}

/* --- the rest ------------------------------------------------------------------------------ */

/* Behind \Q. */
static int quote(struct parser *p)
{
	const char *end = memmem(p->text + p->at, p->len - p->at, "\\E", 2);

	if (!end || end == p->text + p->at)
		return fail(p, end ? "a \\Q with nothing in it" : "a \\Q without its \\E");
	p->at = (size_t)(end - p->text) + 2;
	return quantifier(p);
}

static int back_reference(struct parser *p)
{
	unsigned int n = (unsigned int)(p->text[p->at] - '0');

	if (!p->closed[n])
		return fail(p, "a reference to a group that is not closed before");
	if (p->behind)
		return fail(p, "a reference to a group in a look-behind");
	p->at++;
	return in(DIGITS, peek(p)) ? fail(p, "a reference with two digits") : quantifier(p);
}

/* Behind the backslash, out of a class. */
static int escape(struct parser *p)
{
	enum escape kind;
	unsigned int c;

	if (take(p, "Q"))
		return quote(p);
	if (in("bBAzZ", peek(p))) {
		p->at++;
		return no_quantifier(p);
	}
	if (in("123456789", peek(p)))
		return back_reference(p);
	return common_escape(p, &kind, &c) != 0 ? -1 : quantifier(p);
}

static int atom(struct parser *p)
{
	char c = peek(p);

	if (in("?*+{", c))
		return fail(p, "nothing to repeat");
	p->at++;
	switch (c) {
	case '(':
		return group(p);
	case '[':
		return char_class(p);
	case '\\':
		return escape(p);
	case '^':
	case '$':
		return no_quantifier(p);
	default:
		return quantifier(p);
	}
}

static int alternatives(struct parser *p)
{
	while (p->at < p->len && peek(p) != ')')
		if (!take(p, "|") && atom(p) != 0)
			return -1;
	return 0;
}

static int check_characters(struct parser *p)
{
	if (p->len > MAX_JAVA_REGEX)
		return error_set(p->err, ERR_USAGE, "is longer than %d characters", MAX_JAVA_REGEX);
	for (; p->at < p->len; p->at++)
		if (p->text[p->at] < ' ' || p->text[p->at] > '~')
			return fail(p,
				    "a line break, a control character or one that is not ASCII");
	p->at = 0;
	return 0;
}

int java_regex_check(const char *text, size_t len, struct java_regex *ret, struct error *err)
{
	struct java_regex r = {0};
	struct parser p = {.text = text, .len = len, .r = &r, .err = err};

	if (check_characters(&p) != 0 || alternatives(&p) != 0)
		return -1;
	if (p.at < p.len)
		return fail(&p, "a ')' without its '('");
	*ret = r;
	return 0;
}

/* --- replacements -------------------------------------------------------------------------- */

/* From the '{' on; *at behind the '}'. */
static bool named_reference(const char *text, size_t len, size_t *at, const struct java_regex *r)
{
	size_t start = *at + 1;
	const char *end = memchr(text + *at, '}', len - *at);

	if (!end)
		return false;
	*at = (size_t)(end - text) + 1;
	for (unsigned int i = 0; i < r->n_names; i++)
		if (strlen(r->names[i]) == (size_t)(end - text) - start &&
		    memcmp(r->names[i], text + start, (size_t)(end - text) - start) == 0)
			return true;
	return false;
}

static int reference(const char *text, size_t len, size_t *at, const struct java_regex *r,
		     struct error *err)
{
	char c = *at < len ? text[*at] : '\0';

	if (c == '{')
		return named_reference(text, len, at, r)
			       ? 0
			       : error_set(err, ERR_USAGE, "a ${} of no group of the pattern");
	if (!in(DIGITS, c))
		return error_set(err, ERR_USAGE, "a '$' without a group's number: write \\$");
	if ((unsigned int)(c - '0') > r->groups)
		return error_set(err, ERR_USAGE, "$%c, but the pattern has %u group%s", c,
				 r->groups, r->groups == 1 ? "" : "s");
	(*at)++;
	return 0;
}

int java_replacement_check(const char *text, size_t len, const struct java_regex *r,
			   struct error *err)
{
	for (size_t at = 0; at < len;) {
		char c = text[at++];

		if (c == '$' && reference(text, len, &at, r, err) != 0)
			return -1;
		if (c == '\\' && at++ >= len)
			return error_set(err, ERR_USAGE, "a backslash at the end");
	}
	return 0;
}
