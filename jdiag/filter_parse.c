/* filter_parse: recursive descent; nothing of the text is kept by reference. */
#include "jdiag/filter_parse.h"

#include <stdlib.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define BLANKS " \t\r\n"
#define PUNCTUATION "()\"'"
#define OPERATORS "=!<>:"

struct parser {
	const char *text, *at;
	unsigned int depth, terms;
};

static int wrong(const struct parser *p, const char *at, struct error *err, const char *what)
{
	error_set(err, ERR_USAGE, "bad filter at character %zu: %s (in '%.100s')",
		  (size_t)(at - p->text) + 1, what, p->text);
	return error_hint(err, "for example: status:RUNNING AND labels.pool:java");
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, BLANKS);
}

static bool is_end_of_word(char c)
{
	return !c || strchr(BLANKS "()", c);
}

/* AND, OR, NOT, eq, ne: a whole word. */
static bool is_word(const char *at, const char *word)
{
	size_t n = strlen(word);

	return strncmp(at, word, n) == 0 && is_end_of_word(at[n]);
}

static bool is_logic(const char *at)
{
	return is_word(at, "AND") || is_word(at, "OR") || is_word(at, "NOT");
}

static bool take_word(struct parser *p, const char *word)
{
	skip_blanks(p);
	if (!is_word(p->at, word))
		return false;
	p->at += strlen(word);
	return true;
}

/* A text in quotes, appended to b. */
static int take_quoted(struct parser *p, struct buf *b, struct error *err)
{
	const char *begin = p->at, quote = *p->at++;

	for (; *p->at != quote; p->at++) {
		if (*p->at == '\\' && p->at[1])
			p->at++;
		if (!*p->at)
			return wrong(p, begin, err, "the quote is not closed");
		buf_add(b, p->at, 1);
	}
	p->at++;
	return 0;
}

/* A regular expression keeps the backslashes that are its own. */
static int take_quoted_regex(struct parser *p, struct buf *b, struct error *err)
{
	const char *begin = p->at, quote = *p->at++;

	for (; *p->at != quote; p->at++) {
		if (*p->at == '\\' && p->at[1] && p->at[1] != quote)
			buf_add(b, p->at++, 1);
		else if (*p->at == '\\' && p->at[1])
			p->at++;
		if (!*p->at)
			return wrong(p, begin, err, "the quote is not closed");
		buf_add(b, p->at, 1);
	}
	p->at++;
	return 0;
}

static int take_field(struct parser *p, char **ret, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_FILTER);
	const char *begin = p->at;

	for (;;) {
		size_t n = strcspn(p->at, BLANKS PUNCTUATION OPERATORS);

		buf_add(&b, p->at, n);
		p->at += n;
		if (*p->at != '"' && *p->at != '\'')
			break;
		if (take_quoted(p, &b, err) < 0)
			return -1;
	}
	if (!b.len || strchr("*.", b.data[0]))
		return wrong(p, begin, err, "the name of a field is expected");
	*ret = xstrdup(buf_str(&b));
	return 0;
}

static const struct {
	const char *text;
	enum filter_op op;
} operators[] = {
	/* the longer ones first */
	{"!=", FILTER_NOT_EQUAL}, {"<=", FILTER_LESS_EQUAL}, {">=", FILTER_GREATER_EQUAL},
	{"=", FILTER_EQUAL},	  {":", FILTER_HAS},	     {"<", FILTER_LESS},
	{">", FILTER_GREATER},
};

static int take_operator(struct parser *p, enum filter_op *ret, struct error *err)
{
	skip_blanks(p);
	if (take_word(p, "eq") || take_word(p, "ne")) {
		*ret = p->at[-1] == 'q' ? FILTER_REGEX : FILTER_NOT_REGEX;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (str_starts(p->at, operators[i].text)) {
			p->at += strlen(operators[i].text);
			*ret = operators[i].op;
			return 0;
		}
	return wrong(p, p->at, err, "an operator is expected: = != : < <= > >= eq ne");
}

static int take_value(struct parser *p, enum filter_op op, char **ret, struct error *err)
{
	bool regex = op == FILTER_REGEX || op == FILTER_NOT_REGEX;
	auto_buf struct buf b = BUF_INIT(MAX_FILTER);
	const char *begin;

	skip_blanks(p);
	begin = p->at;
	if (*p->at == '"' || *p->at == '\'') {
		if ((regex ? take_quoted_regex : take_quoted)(p, &b, err) < 0)
			return -1;
		if (!is_end_of_word(*p->at))
			return wrong(p, p->at, err, "a blank is expected behind the quote");
	} else {
		size_t n = strcspn(p->at, BLANKS PUNCTUATION);

		buf_add(&b, p->at, n);
		p->at += n;
		if (!n || strchr(OPERATORS, *begin) || is_logic(begin))
			return wrong(p, begin, err,
				     "a value is expected; in quotes if it has more "
				     "than letters and digits");
		if (*p->at == '"' || *p->at == '\'')
			return wrong(p, p->at, err,
				     "a quote in the middle of a value: quote it "
				     "whole");
	}
	*ret = xstrdup(buf_str(&b));
	return 0;
}

/* Behind a bracket expression, which ends at a ] that is not its first member; NULL: it does not.
 */
static const char *skip_bracket(const char *s)
{
	s += 1 + (s[1] == '^');
	s += *s == ']';
	return strchr(s, ']');
}

/* Of what RE2 and POSIX both have. Left out as well is what makes regcomp or regexec expensive:
 * counted repetition, glibc's back references, and + around + around +, as glibc copies what stands
 * before each. NULL: fine. */
static const char *beyond_subset(const char *s)
{
	bool quantified = false;
	int depth = 0;

	if (strlen(s) > MAX_FILTER_REGEX)
		return "the regular expression is longer than 256 bytes";
	for (; *s; s++) {
		bool quantifier = strchr("*+?", *s);

		if (*s == '\\') {
			if (!*++s || !strchr("\\.^$|?*+()[]{}-/", *s))
				return "only punctuation may be escaped in a regular expression";
		} else if (*s == '[') {
			s = skip_bracket(s);
			if (!s)
				return "a bracket of the regular expression is not closed";
		} else if (*s == '{') {
			return "{} in a regular expression is not supported here";
		} else if ((quantifier && quantified) || (s[0] == '(' && s[1] == '?')) {
			return "(?...) and quantifiers of quantifiers are not supported here";
		} else if (*s == '(' && ++depth > MAX_FILTER_REGEX_DEPTH) {
			return "too many parentheses in one another in a regular expression";
		} else if (*s == ')' && --depth < 0) {
			return "a parenthesis of the regular expression closes nothing";
		}
		quantified = quantifier;
	}
	return NULL;
}

static int compile(struct filter *f, const struct parser *p, const char *at, struct error *err)
{
	auto_free char *whole = xasprintf("^(%s)$", f->value);
	const char *bad = beyond_subset(f->value);
	char why[128] = "bad regular expression: ";
	size_t n = strlen(why);
	int rc;

	if (bad)
		return wrong(p, at, err, bad);
	rc = regcomp(&f->regex, whole, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, &f->regex, why + n, sizeof(why) - n);
		return wrong(p, at, err, why);
	}
	f->has_regex = true;
	return 0;
}

static void filter_cleanup(struct filter **f)
{
	filter_free(*f);
}

static int take_restriction(struct parser *p, struct filter **ret, struct error *err)
{
	auto_cleanup(filter_cleanup) struct filter *f = xcalloc(1, sizeof(*f));
	const char *begin;

	if (++p->terms > MAX_FILTER_TERMS)
		return wrong(p, p->at, err, "too many conditions");
	if (take_field(p, &f->field, err) < 0 || take_operator(p, &f->op, err) < 0)
		return -1;
	begin = p->at + strspn(p->at, BLANKS);
	if (take_value(p, f->op, &f->value, err) < 0)
		return -1;
	if ((f->op == FILTER_REGEX || f->op == FILTER_NOT_REGEX) && compile(f, p, begin, err) < 0)
		return -1;
	*ret = STEAL(f);
	return 0;
}

static int take_expression(struct parser *p, struct filter **ret, struct error *err);

static struct filter *join(enum filter_op op, struct filter *left, struct filter *right)
{
	struct filter *f = xcalloc(1, sizeof(*f));

	f->op = op;
	f->left = left;
	f->right = right;
	return f;
}

static int take_group(struct parser *p, struct filter **ret, struct error *err)
{
	const char *begin = p->at++;

	if (take_expression(p, ret, err) < 0)
		return -1;
	skip_blanks(p);
	if (*p->at++ == ')')
		return 0;
	p->at--;
	filter_free(*ret);
	*ret = NULL;
	return wrong(p, *p->at ? p->at : begin, err,
		     *p->at ? "AND, OR or ) is expected" : "the parenthesis is not closed");
}

static int take_term(struct parser *p, struct filter **ret, struct error *err)
{
	struct filter *f = NULL;
	bool negated = take_word(p, "NOT");
	int rc;

	skip_blanks(p);
	if (!negated && *p->at == '-') {
		negated = true;
		p->at++;
	}
	skip_blanks(p);
	if (is_logic(p->at))
		return wrong(p, p->at, err, "a condition is expected");
	if (is_word(p->at, "and") || is_word(p->at, "or") || is_word(p->at, "not"))
		return wrong(p, p->at, err, "AND, OR and NOT are written in capitals");
	if (*p->at != '(') {
		rc = take_restriction(p, &f, err);
	} else if (++p->depth > MAX_FILTER_DEPTH) {
		rc = wrong(p, p->at, err, "too many parentheses in one another");
	} else {
		rc = take_group(p, &f, err);
		p->depth--;
	}
	if (rc < 0)
		return -1;
	*ret = negated ? join(FILTER_NOT, f, NULL) : f;
	return 0;
}

static int take_factor(struct parser *p, struct filter **ret, struct error *err)
{
	auto_cleanup(filter_cleanup) struct filter *left = NULL;

	if (take_term(p, &left, err) < 0)
		return -1;
	while (take_word(p, "OR")) {
		struct filter *right = NULL;

		if (take_term(p, &right, err) < 0)
			return -1;
		left = join(FILTER_OR, left, right);
	}
	*ret = STEAL(left);
	return 0;
}

static int take_expression(struct parser *p, struct filter **ret, struct error *err)
{
	auto_cleanup(filter_cleanup) struct filter *left = NULL;

	if (take_factor(p, &left, err) < 0)
		return -1;
	for (;;) {
		struct filter *right = NULL;
		bool named = take_word(p, "AND");

		skip_blanks(p);
		if (!named && (!*p->at || *p->at == ')'))
			break;
		if (take_factor(p, &right, err) < 0)
			return -1;
		left = join(FILTER_AND, left, right);
	}
	*ret = STEAL(left);
	return 0;
}

int filter_parse(const char *text, struct filter **ret, struct error *err)
{
	struct parser p = {.text = text, .at = text};
	struct filter *f = NULL;

	if (strlen(text) > MAX_FILTER)
		return error_set(err, ERR_USAGE, "the filter is longer than %lu bytes", MAX_FILTER);
	if (take_expression(&p, &f, err) < 0)
		return -1;
	if (*p.at) {
		filter_free(f);
		return wrong(&p, p.at, err, "this ) closes nothing");
	}
	*ret = f;
	return 0;
}
