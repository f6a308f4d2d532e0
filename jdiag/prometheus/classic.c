/* The text format 0.0.4: blanks anywhere between the words of a line, comments, a last line that
 * need not end. */
#include <stdint.h>
#include <string.h>

#include "jdiag/prometheus/internal.h"
#include "remote/base/compiler.h"

static bool at_end_of_line(const struct prom_page *p)
{
	return p->pos == p->end || *p->pos == '\n';
}

/* Whether there were any. */
static bool skip_blanks(struct prom_page *p)
{
	const char *start = p->pos;

	while (p->pos < p->end && (*p->pos == ' ' || *p->pos == '\t'))
		p->pos++;
	return p->pos > start;
}

static bool is_type(struct prom_text t)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "summary", "untyped"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (prom_equal(t, types[i]))
			return true;
	return false;
}

/* HELP or TYPE and a blank: metadata; anything else is a comment. */
static const char *take_keyword(struct prom_page *p)
{
	static const char *const words[] = {"HELP", "TYPE"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(p->end - p->pos) > n && memcmp(p->pos, words[i], n) == 0 &&
		    (p->pos[n] == ' ' || p->pos[n] == '\t')) {
			p->pos += n;
			return words[i];
		}
	}
	return NULL;
}

static int take_comment(struct prom_page *p, struct error *err)
{
	const char *word = skip_blanks(p) ? take_keyword(p) : NULL;
	struct prom_text name, text;

	if (!word) {
		(void)prom_take_until(p, "\n");
		return 0;
	}
	skip_blanks(p);
	name = prom_take_name(p);
	if (!name.len)
		return prom_bad(p, err, "no name of a metric behind %s", word);
	text = prom_take_until(p, "\n");
	if (text.len) { /* the blank; what follows counts as it is */
		text.s++;
		text.len--;
	}
	if (*word == 'T' && !is_type(text))
		return prom_bad(p, err, "'%.*s' is not a type of metrics", SHOWN(text), text.s);
	if (*word == 'H' && !prom_is_utf8(text))
		return prom_bad(p, err, "a help text is not UTF-8");
	prom_note_family(p, name);
	return 0;
}

/* Prometheus does not insist on commas. */
static int take_labels(struct prom_page *p, struct error *err)
{
	for (;;) {
		struct prom_text name, value;

		skip_blanks(p);
		if (prom_take_char(p, '}'))
			return 0;
		name = prom_take_label(p);
		if (!name.len)
			return prom_bad(p, err, "no name of a label where one belongs");
		skip_blanks(p);
		if (!prom_take_char(p, '='))
			return prom_bad(p, err, "no '=' behind the name of a label");
		skip_blanks(p);
		if (prom_take_string(p, true, &value, err) < 0 ||
		    prom_add_label(p, name, value, err) < 0)
			return -1;
		skip_blanks(p);
		(void)prom_take_char(p, ',');
	}
}

static int take_timestamp(struct prom_page *p, struct error *err)
{
	uint64_t ms = 0;
	const char *start = p->pos;

	for (; p->pos < p->end && *p->pos >= '0' && *p->pos <= '9'; p->pos++) {
		unsigned int digit = (unsigned int)(*p->pos - '0');

		if (ms > ((uint64_t)INT64_MAX - digit) / 10)
			return prom_bad(p, err, "a timestamp is too large");
		ms = ms * 10 + digit;
	}
	skip_blanks(p);
	if (p->pos == start || !at_end_of_line(p))
		return prom_bad(p, err, "something behind the value that is no timestamp");
	return 0;
}

static int take_sample(struct prom_page *p, struct error *err)
{
	struct prom_text number;

	p->name = prom_take_name(p);
	if (!p->name.len)
		return prom_bad(p, err, "it does not begin with the name of a metric");
	skip_blanks(p);
	if (prom_take_char(p, '{') && take_labels(p, err) < 0)
		return -1;
	skip_blanks(p);
	number = prom_take_until(p, "{ \t\n");
	if (!prom_number(number, &p->value))
		return prom_bad(p, err, "'%.*s' is not a number", SHOWN(number), number.s);
	skip_blanks(p);
	if (!at_end_of_line(p) && take_timestamp(p, err) < 0)
		return -1;
	return prom_note_sample(p, err);
}

int prom_parse_classic(struct prom_page *p, struct error *err)
{
	while (p->pos < p->end) {
		bool indented = skip_blanks(p);
		int rc = 0;

		if (prom_take_char(p, '#'))
			rc = take_comment(p, err);
		else if (!at_end_of_line(p))
			/* Prometheus takes the blanks for a part of the name */
			rc = indented ? prom_bad(p, err, "blanks before the name of a metric")
				      : take_sample(p, err);
		if (rc < 0)
			return -1;
		(void)prom_take_char(p, '\n');
		p->line++;
	}
	return 0;
}
