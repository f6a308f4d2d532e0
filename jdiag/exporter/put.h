/* Load the exporter into one JVM, and prove it: what happens when every check has passed. */
#ifndef JDIAG_EXPORTER_PUT_H
#define JDIAG_EXPORTER_PUT_H

#include "jdiag/exporter/before.h"
#include "jdiag/exporter/work.h"

/* In order: the pod is read again, jar and configuration are placed, the agent is loaded, scraped,
 * and the pod annotated. A result in w->results on success; on failure err says what is loaded,
 * what was placed, and how to go on. */
int exporter_put(struct exporter_work *w, const struct exporter_jvm *j,
		 const struct exporter_before *b, struct error *err) must_check;

#endif
