/* From a mark to the annotations of the pod in the cluster, and away again. */
#ifndef JDIAG_EXPORTER_ANNOTATE_POD_H
#define JDIAG_EXPORTER_ANNOTATE_POD_H

#include <stdbool.h>

#include "jdiag/exporter/work.h"

/* Of a JVM of this moment: who it is, and the paths, port and version that are given. */
struct mark exporter_mark_new(const struct exporter_jvm *j, uint16_t port, const char *version,
			      const char *config_sha256);

/*
 * The pod gets the mark; where it was changed meanwhile, it is read again, and tried again as long
 * as the container is the one that the mark is of. What Prometheus will not see is told. *ret
 * (may be NULL): whether anything had to be changed. Without a pod, nothing. ERR_API, ERR_TARGET.
 */
int exporter_annotate(struct exporter_work *w, const struct mark *m, bool *ret,
		      struct error *err) must_check;

/* Whether it is to be: there is a pod, --no-annotate was not given, and the one mark of the
 * container is not another JVM's (which is told). */
bool exporter_annotates(const struct exporter_work *w, const struct exporter_jvm *j);

/* The same, to remove the mark of that container. */
int exporter_clear(struct exporter_work *w, const char *container, bool *ret,
		   struct error *err) must_check;

#endif
