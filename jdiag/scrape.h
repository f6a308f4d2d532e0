/* GET of a metrics page inside a pod, and what Prometheus would make of it. */
#ifndef JDIAG_SCRAPE_H
#define JDIAG_SCRAPE_H

#include <stdint.h>

#include "jdiag/jvmref.h"
#include "jdiag/prometheus/text.h"
#include "remote/base/error.h"
#include "remote/base/limits.h"

#define SCRAPE_TIMEOUT_MS 15000
#define MAX_SCRAPE (16 * MiB)

struct helper;

struct scrape {
	struct prom_summary summary;
	uint64_t bytes, ms;
	char address[64]; /* that answered */
};

/* ERR_FAILED: nothing listens (err->sys ECONNREFUSED), hangs (ETIMEDOUT), more than MAX_SCRAPE
 * (EFBIG), not 200, not the text format (EPROTO). Tries again while nothing listens, for wait_ms;
 * then also the pod's own addresses.
 */
int scrape_pod(struct helper *h, const struct jvmref *j, uint16_t port, const char *path,
	       uint64_t wait_ms, struct scrape *ret, struct error *err) must_check;

#endif
