/* What jdiag has left of an exporter: files in the container, annotations of the pod. */
#ifndef JDIAG_EXPORTER_EJECT_H
#define JDIAG_EXPORTER_EJECT_H

#include <stdbool.h>

#include "jdiag/exporter/work.h"

struct target;

/* Remove them, first the files. The exporter itself cannot be unloaded: it goes on to answer. A
 * result for each JVM or mark: "ejected", "nothing" (there was nothing), "planned" (--dry-run),
 * "failed" (its files stay, with code, reason and hint). */
int exporter_eject(struct exporter_work *w, const struct target *t, bool has_node,
		   struct error *err) must_check;

#endif
