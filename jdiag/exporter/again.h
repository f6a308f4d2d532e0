/* An exporter that is loaded already: ours or somebody else's. */
#ifndef JDIAG_EXPORTER_AGAIN_H
#define JDIAG_EXPORTER_AGAIN_H

#include "jdiag/exporter/work.h"

/* Ours, as the mark says (j->marked): it answers, and nothing else is wanted: "unchanged". Another
 * configuration: the file is replaced, and marked when a scrape proves that it was read. Another
 * version, or port: the result's "reason" says that a loaded agent cannot be unloaded. */
int exporter_again(struct exporter_work *w, const struct exporter_jvm *j,
		   struct error *err) must_check;

/* Ours by its jar, without a mark: found on a port of --port that the JVM holds, given the
 * configuration of now, proved and annotated. */
int exporter_adopt(struct exporter_work *w, const struct exporter_jvm *j,
		   struct error *err) must_check;

/* Not ours: said, and nothing is done. */
void exporter_leave(struct exporter_work *w, const struct exporter_jvm *j,
		    const struct exporter_found *f);

#endif
