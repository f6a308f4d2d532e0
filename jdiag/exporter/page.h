/* The page of an exporter, as proof that it works. */
#ifndef JDIAG_EXPORTER_PAGE_H
#define JDIAG_EXPORTER_PAGE_H

#include <stdint.h>

#include "jdiag/exporter/work.h"
#include "jdiag/scrape.h"

/* Scraped, and it is the page of a JMX exporter that could collect: samples of jmx_* or jvm_*, no
 * scrape error. While nothing listens it is tried for wait_ms. ERR_FAILED. */
int exporter_page(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		  const char *path, uint64_t wait_ms, struct scrape *ret,
		  struct error *err) must_check;

/* The same until it proves that the configuration was read again since `before`: it is read when
 * the page is made. ERR_FAILED: the exporter did not take it, or does not say. */
int exporter_page_reloaded(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
			   const char *path, const struct scrape *before, struct scrape *ret,
			   struct error *err) must_check;

/* The members of a result: "samples", "families", "bytes", "ms". */
void exporter_result_page(struct json_t *result, const struct scrape *s);

#endif
