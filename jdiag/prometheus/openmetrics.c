/* The text form of OpenMetrics 1.0: one blank between the words of a line and none elsewhere, no
 * comments, "# EOF" at its end. */
#include <math.h>
#include <string.h>

#include "jdiag/prometheus/internal.h"
#include "remote/base/compiler.h"

static bool take_text(struct prom_page *p, const char *s)
{
	size_t n = strlen(s);

	if ((size_t)(p->end - p->pos) < n || memcmp(p->pos, s, n) != 0)
		return false;
	p->pos += n;
	return true;
}

static bool is_type(struct prom_text t)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "gaugehistogram",
					    "summary", "info",	"stateset",  "unknown"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (prom_equal(t, types[i]))
			return true;
	return false;
}

static int check_unit(const struct prom_page *p, struct prom_text name, struct prom_text unit,
		      struct error *err)
{
	const char *tail = name.s + name.len - unit.len;

	if (!unit.len ||
	    (name.len > unit.len && tail[-1] == '_' && memcmp(tail, unit.s, unit.len) == 0))
		return 0;
	return prom_bad(p, err, "the unit is not the end of the metric's name");
}

/* Behind "# HELP " and the like, with the newline. */
static int take_metadata(struct prom_page *p, char kind, struct error *err)
{
	struct prom_text name = prom_take_name(p), text;

	if (!name.len)
		return prom_bad(p, err, "no name of a metric where one belongs");
	if (!prom_take_char(p, ' '))
		return prom_bad(p, err, "no text behind the name of a metric");
	text = prom_take_until(p, "\n");
	if (!prom_take_char(p, '\n'))
		return prom_bad(p, err, "it does not end");
	if (kind == 'T' && !is_type(text))
		return prom_bad(p, err, "'%.*s' is not a type of metrics", SHOWN(text), text.s);
	if (kind == 'H' && !prom_is_utf8(text))
		return prom_bad(p, err, "a help text is not UTF-8");
	if (kind == 'U' && check_unit(p, name, text, err) < 0)
		return -1;
	prom_note_family(p, name);
	return 0;
}

/* Behind "{", with "}". Those of an exemplar are not the sample's. */
static int take_labels(struct prom_page *p, bool exemplar, struct error *err)
{
	if (prom_take_char(p, '}'))
		return 0;
	for (;;) {
		struct prom_text name = prom_take_label(p), value;

		if (!name.len)
			return prom_bad(p, err, "no name of a label where one belongs");
		if (!prom_take_char(p, '='))
			return prom_bad(p, err, "no '=' behind the name of a label");
		if (prom_take_string(p, false, &value, err) < 0)
			return -1;
		if (!exemplar && prom_add_label(p, name, value, err) < 0)
			return -1;
		if (prom_take_char(p, '}'))
			return 0;
		if (!prom_take_char(p, ','))
			return prom_bad(p, err, "neither ',' nor '}' behind a label's value");
	}
}

/* A blank and a number. */
static int take_number(struct prom_page *p, double *ret, struct error *err)
{
	struct prom_text number;

	if (!prom_take_char(p, ' '))
		return prom_bad(p, err, "no blank before the value");
	number = prom_take_until(p, " \n");
	if (!prom_number(number, ret))
		return prom_bad(p, err, "'%.*s' is not a number", SHOWN(number), number.s);
	return 0;
}

static bool at_exemplar(const struct prom_page *p)
{
	return p->end - p->pos >= 4 && memcmp(p->pos, " # {", 4) == 0;
}

/* Optional; then the line goes on with an exemplar, or ends. */
static int take_timestamp(struct prom_page *p, struct error *err)
{
	double seconds;

	if (p->pos == p->end || *p->pos == '\n' || at_exemplar(p))
		return 0;
	if (take_number(p, &seconds, err) < 0)
		return -1;
	return isfinite(seconds) ? 0 : prom_bad(p, err, "a timestamp is not finite");
}

static bool ends(struct prom_text t, const char *s)
{
	size_t n = strlen(s);

	return t.len >= n && memcmp(t.s + t.len - n, s, n) == 0;
}

/* Behind " # {". */
static int take_exemplar(struct prom_page *p, struct error *err)
{
	double value;

	if (!ends(p->name, "_bucket") && !ends(p->name, "_total"))
		return prom_bad(p, err, "an exemplar of what is neither a bucket nor a total");
	if (take_labels(p, true, err) < 0 || take_number(p, &value, err) < 0)
		return -1;
	return take_timestamp(p, err);
}

static int take_sample(struct prom_page *p, struct error *err)
{
	p->name = prom_take_name(p);
	if (!p->name.len)
		return prom_bad(p, err, "it does not begin with the name of a metric");
	if (prom_take_char(p, '{') && take_labels(p, false, err) < 0)
		return -1;
	if (take_number(p, &p->value, err) < 0 || take_timestamp(p, err) < 0)
		return -1;
	if (take_text(p, " # {") && take_exemplar(p, err) < 0)
		return -1;
	if (!prom_take_char(p, '\n'))
		return prom_bad(p, err, "something behind the value that is no timestamp");
	return prom_note_sample(p, err);
}

int prom_parse_openmetrics(struct prom_page *p, struct error *err)
{
	for (; p->pos < p->end; p->line++) {
		int rc;

		if (take_text(p, "# EOF")) {
			(void)prom_take_char(p, '\n');
			return p->pos == p->end ? 0 : prom_bad(p, err, "something behind '# EOF'");
		}
		if (take_text(p, "# HELP "))
			rc = take_metadata(p, 'H', err);
		else if (take_text(p, "# TYPE "))
			rc = take_metadata(p, 'T', err);
		else if (take_text(p, "# UNIT "))
			rc = take_metadata(p, 'U', err);
		else
			rc = take_sample(p, err);
		if (rc < 0)
			return -1;
	}
	return prom_bad(p, err, "no '# EOF' at the end");
}
