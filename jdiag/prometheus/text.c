#include "jdiag/prometheus/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jdiag/prometheus/internal.h"
#include "remote/base/compiler.h"
#include "remote/base/str.h"

static bool starts(struct prom_text t, const char *prefix)
{
	size_t n = strlen(prefix);

	return t.len >= n && memcmp(t.s, prefix, n) == 0;
}

static bool same(struct prom_text a, struct prom_text b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* HELP, TYPE and UNIT of one follow each other. */
void prom_note_family(struct prom_page *p, struct prom_text name)
{
	if (p->family.s && same(p->family, name))
		return;
	p->family = name;
	p->sum.families++;
}

/* Is it the family's, by name alone: itself, or with one of the endings that samples have? */
static bool is_of_family(const struct prom_page *p)
{
	static const char *const endings[] = {"_total",	 "_created", "_count",	"_sum",
					      "_bucket", "_info",    "_gcount", "_gsum"};
	struct prom_text rest = p->name;

	if (!p->family.s || rest.len < p->family.len ||
	    memcmp(rest.s, p->family.s, p->family.len) != 0)
		return false;
	rest.s += p->family.len;
	rest.len -= p->family.len;
	for (size_t i = 0; rest.len && i < ARRAY_SIZE(endings); i++)
		if (prom_equal(rest, endings[i]))
			return true;
	return !rest.len;
}

int prom_add_label(struct prom_page *p, struct prom_text name, struct prom_text value,
		   struct error *err)
{
	if (p->n_labels == PROM_MAX_LABELS)
		return prom_bad(p, err, "a sample has more than %d labels", PROM_MAX_LABELS);
	p->labels[p->n_labels++] = (struct prom_label){name, value};
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct prom_text *x = &((const struct prom_label *)a)->name,
			       *y = &((const struct prom_label *)b)->name;
	int rc = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);

	return rc ? rc : x->len < y->len ? -1 : x->len > y->len;
}

/* The storage refuses the whole page for one such sample; but a label without a value counts as
 * none, and so do all of its name. */
static int check_labels(struct prom_page *p, struct error *err)
{
	const struct prom_label *l = p->labels;
	size_t next;

	if (p->n_labels > 1)
		qsort(p->labels, p->n_labels, sizeof(*p->labels), compare_names);
	for (size_t i = 0; i < p->n_labels; i = next) {
		bool empty = false;

		for (next = i; next < p->n_labels && same(l[i].name, l[next].name); next++)
			empty = empty || !l[next].value.len;
		if ((next - i > 1 && !empty) || prom_equal(l[i].name, "__name__"))
			return prom_bad(p, err, "label '%.*s' is there twice", SHOWN(l[i].name),
					l[i].name.s);
	}
	return 0;
}

static void note_version(struct prom_page *p)
{
	for (size_t i = 0; i < p->n_labels; i++)
		if (prom_equal(p->labels[i].name, "version"))
			str_escape(p->sum.exporter_version, sizeof(p->sum.exporter_version),
				   p->labels[i].value.s, p->labels[i].value.len, NULL);
}

int prom_note_sample(struct prom_page *p, struct error *err)
{
	struct prom_summary *s = &p->sum;

	if (check_labels(p, err) < 0)
		return -1;
	if (!is_of_family(p))
		prom_note_family(p, p->name);
	s->samples++;
	s->jmx += starts(p->name, "jmx_");
	s->jvm += starts(p->name, "jvm_");
	if (prom_equal(p->name, "jmx_scrape_error")) {
		s->has_scrape_error = true;
		s->scrape_error = p->value;
	} else if (prom_equal(p->name, "jmx_config_reload_success_total")) {
		s->reloads = p->value;
	} else if (prom_equal(p->name, "jmx_config_reload_failure_total")) {
		s->reload_failures = p->value;
	} else if (prom_equal(p->name, "jmx_exporter_build_info")) {
		note_version(p);
	}
	p->n_labels = 0;
	return 0;
}

/* Without its parameters. What is no OpenMetrics counts as the older format, as with Prometheus 2.
 */
static bool is_openmetrics(const char *content_type)
{
	static const char name[] = "application/openmetrics-text";
	size_t n;

	if (!content_type)
		return false;
	content_type += strspn(content_type, " \t");
	n = strcspn(content_type, "; \t");
	return n == strlen(name) && strncasecmp(content_type, name, n) == 0;
}

int prom_parse(const char *text, size_t len, const char *content_type, struct prom_summary *ret,
	       struct error *err)
{
	auto_free struct prom_label *labels = xcalloc(PROM_MAX_LABELS, sizeof(*labels));
	struct prom_page p = {
		.pos = text,
		.end = text + len,
		.line = 1,
		.labels = labels,
		.sum = {.reloads = NAN, .reload_failures = NAN},
	};

	if (is_openmetrics(content_type) ? prom_parse_openmetrics(&p, err) < 0
					 : prom_parse_classic(&p, err) < 0)
		return -1;
	*ret = p.sum;
	return 0;
}
