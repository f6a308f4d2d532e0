#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jdiag/prometheus/internal.h"
#include "remote/base/str.h"

#define MAX_NUMBER 512

int prom_bad(const struct prom_page *p, struct error *err, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return error_set(err, ERR_FAILED, "line %lu: %s", p->line, why);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct prom_text take_word(struct prom_page *p, bool colons)
{
	struct prom_text t = {.s = p->pos};

	while (p->pos < p->end && (is_letter(*p->pos) || (colons && *p->pos == ':') ||
				   (p->pos > t.s && is_digit(*p->pos))))
		p->pos++;
	t.len = (size_t)(p->pos - t.s);
	return t;
}

struct prom_text prom_take_name(struct prom_page *p)
{
	return take_word(p, true);
}

struct prom_text prom_take_label(struct prom_page *p)
{
	return take_word(p, false);
}

struct prom_text prom_take_until(struct prom_page *p, const char *stops)
{
	struct prom_text t = {.s = p->pos};

	while (p->pos < p->end && (!*p->pos || !strchr(stops, *p->pos)))
		p->pos++;
	t.len = (size_t)(p->pos - t.s);
	return t;
}

bool prom_take_char(struct prom_page *p, char c)
{
	if (p->pos == p->end || *p->pos != c)
		return false;
	p->pos++;
	return true;
}

int prom_take_string(struct prom_page *p, bool newlines, struct prom_text *ret, struct error *err)
{
	struct prom_text t;

	if (!prom_take_char(p, '"'))
		return prom_bad(p, err, "a label's value is not in quotes");
	t.s = p->pos;
	for (;; p->pos++) {
		bool escaped = p->pos < p->end && *p->pos == '\\';

		p->pos += escaped;
		if (p->pos == p->end || (*p->pos == '\n' && (escaped || !newlines)))
			return prom_bad(p, err, "a label's value does not end");
		p->line += *p->pos == '\n';
		if (!escaped && *p->pos == '"')
			break;
	}
	t.len = (size_t)(p->pos++ - t.s);
	if (!prom_is_utf8(t))
		return prom_bad(p, err, "a label's value is not UTF-8");
	*ret = t;
	return 0;
}

bool prom_equal(struct prom_text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.s, s, t.len) == 0;
}

bool prom_is_utf8(struct prom_text t)
{
	for (size_t i = 0; i < t.len;) {
		size_t n = (unsigned char)t.s[i] < 0x80 ? 1 : str_utf8_sequence(t.s + i, t.len - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

static const char *skip_digits(const char *s)
{
	while (is_digit(*s))
		s++;
	return s;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent */
static bool is_decimal(const char *s)
{
	const char *start = s += *s == '+' || *s == '-';
	bool digits;

	s = skip_digits(s);
	digits = s > start;
	if (*s == '.') {
		start = s + 1;
		s = skip_digits(start);
		digits = digits || s > start;
	}
	if (!digits)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		start = s;
		s = skip_digits(s);
		if (s == start)
			return false;
	}
	return !*s;
}

bool prom_number(struct prom_text t, double *ret)
{
	char text[MAX_NUMBER];
	const char *unsigned_text = text;

	if (!t.len || t.len >= sizeof(text) || memchr(t.s, '\0', t.len))
		return false;
	memcpy(text, t.s, t.len);
	text[t.len] = '\0';
	if (strcasecmp(text, "nan") == 0) {
		*ret = NAN;
		return true;
	}
	unsigned_text += *text == '+' || *text == '-';
	if (strcasecmp(unsigned_text, "inf") == 0 || strcasecmp(unsigned_text, "infinity") == 0) {
		*ret = *text == '-' ? -INFINITY : INFINITY;
		return true;
	}
	if (!is_decimal(text))
		return false;
	*ret = strtod(text, NULL);
	return !isinf(*ret); /* Go: out of range */
}
