/*
 * The Prometheus text format 0.0.4 and the text form of OpenMetrics 1.0, checked as Prometheus
 * itself does (a page that it would refuse is refused), counted, not kept. Source: the exposition
 * format documents of both.
 */
#ifndef JDIAG_PROMETHEUS_TEXT_H
#define JDIAG_PROMETHEUS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct prom_summary {
	uint64_t families, samples;
	uint64_t jmx, jvm;		 /* samples whose name begins with "jmx_", "jvm_" */
	bool has_scrape_error;		 /* jmx_scrape_error is there ... */
	double scrape_error;		 /* ... and its value */
	double reloads, reload_failures; /* jmx_config_reload_*_total; NaN: not there */
	char exporter_version[64];	 /* label of jmx_exporter_build_info; "" */
};

/* content_type decides which of both; ERR_FAILED with the line's number and why. */
int prom_parse(const char *text, size_t len, const char *content_type, struct prom_summary *ret,
	       struct error *err) must_check;

#endif
