/* The page of an exporter, as proof that it works. */
#ifndef JDIAG_EXPORTER_PAGE_H
#define JDIAG_EXPORTER_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/exporter/work.h"
#include "jdiag/scrape.h"

/* Is it the page of a JMX exporter that could collect? All of them have jmx_scrape_error; jvm_* is
 * also in those of other libraries (Micrometer's). ERR_FAILED. */
int exporter_page_check(const struct prom_summary *s, struct error *err) must_check;

/* Scraped, and that is what it is. While nothing listens it is tried for wait_ms. ERR_FAILED. */
int exporter_page(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		  const char *path, uint64_t wait_ms, struct scrape *ret,
		  struct error *err) must_check;

/* What to do about err, of a scrape, when the page is too large or takes too long. Returns -1. */
int exporter_page_hint(struct error *err);

/* What pages say about a configuration that was replaced. A counter of 1.0 shows up in the page
 * after the one at whose making it grew; and while the exporter does not take a file, it tries
 * again, and its counter of failures grows, with each page. */
struct exporter_reload {
	double reloads;	 /* before the file was replaced */
	double failures; /* of the first page since */
	bool has_page;
};

enum exporter_reload_state { RELOAD_WAIT, RELOAD_DONE, RELOAD_REFUSED };

/* before: of a page which is not the first after another change of the file. */
void exporter_reload_begin(struct exporter_reload *r, const struct prom_summary *before);

/* The next page since it was replaced. */
enum exporter_reload_state exporter_reload_see(struct exporter_reload *r,
					       const struct prom_summary *s);

/* The same until it proves that the configuration was read again since `before`: it is read when
 * the page is made. ERR_FAILED: the exporter did not take it, or does not say. */
int exporter_page_reloaded(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
			   const char *path, const struct scrape *before, struct scrape *ret,
			   struct error *err) must_check;

/* The members of a result: "samples", "families", "bytes", "ms". */
void exporter_result_page(struct json_t *result, const struct scrape *s);

#endif
