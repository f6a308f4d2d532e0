/* What the parts of prometheus/ share: a page that is being read, and a sample of it. */
#ifndef JDIAG_PROMETHEUS_INTERNAL_H
#define JDIAG_PROMETHEUS_INTERNAL_H

#include "jdiag/prometheus/text.h"

#define PROM_MAX_LABELS 4096 /* of one sample */

struct prom_text {
	const char *s;
	size_t len;
};

#define SHOWN(t) ((int)((t).len < 40 ? (t).len : 40)) /* for "%.*s" in an error */

struct prom_label {
	struct prom_text name, value; /* value: as written, between its quotes */
};

struct prom_page {
	const char *pos, *end;
	unsigned long line; /* from 1 */
	struct prom_text family;
	struct prom_text name; /* of the sample */
	struct prom_label *labels;
	size_t n_labels;
	double value;
	struct prom_summary sum;
};

/* Errors begin with the number of the line. Returns -1. */
int prom_bad(const struct prom_page *p, struct error *err, const char *fmt, ...) printf_like(3, 4);

/* Tokens at the position, which moves behind them; empty: there is none. */
struct prom_text prom_take_name(struct prom_page *p);  /* [a-zA-Z_:][a-zA-Z0-9_:]* */
struct prom_text prom_take_label(struct prom_page *p); /* [a-zA-Z_][a-zA-Z0-9_]* */
struct prom_text prom_take_until(struct prom_page *p, const char *stops); /* or the end */
bool prom_take_char(struct prom_page *p, char c);

/* A string in quotes, UTF-8, escaped by backslashes. newlines: a raw one may be in it. */
int prom_take_string(struct prom_page *p, bool newlines, struct prom_text *ret,
		     struct error *err) must_check;

/* A label with its value behind "=", added to the sample. */
int prom_add_label(struct prom_page *p, struct prom_text name, struct prom_text value,
		   struct error *err) must_check;

/* What Go's strconv.ParseFloat takes, hexadecimal and underscores excepted. */
bool prom_number(struct prom_text t, double *ret);
bool prom_is_utf8(struct prom_text t);
bool prom_equal(struct prom_text t, const char *s);

/* A family has begun, a sample is whole. The latter fails when two labels have one name. */
void prom_note_family(struct prom_page *p, struct prom_text name);
int prom_note_sample(struct prom_page *p, struct error *err) must_check;

int prom_parse_classic(struct prom_page *p, struct error *err) must_check;
int prom_parse_openmetrics(struct prom_page *p, struct error *err) must_check;

#endif
