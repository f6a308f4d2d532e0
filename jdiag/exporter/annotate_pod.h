/* From a mark to the annotations of the pod in the cluster, and away again. */
#ifndef JDIAG_EXPORTER_ANNOTATE_POD_H
#define JDIAG_EXPORTER_ANNOTATE_POD_H

#include <stdbool.h>

#include "jdiag/exporter/work.h"

/* Of a JVM of this moment: who it is, and the paths, port and version that are given. */
struct mark exporter_mark_new(const struct exporter_jvm *j, uint16_t port, const char *version,
			      const char *config_sha256);

/*
 * The pod gets the mark, by exporter_mark_patch; where it was changed meanwhile, it is read again,
 * and tried again as long as the container is the one that the mark is of. What Prometheus will not
 * see is told. *ret (may be NULL): whether anything had to be changed. Without a pod, nothing.
 * ERR_API, ERR_TARGET; ERR_REFUSED, ESTALE: another run has marked another configuration meanwhile,
 * the mark has none now.
 */
int exporter_annotate(struct exporter_work *w, const struct mark *m, bool *ret,
		      struct error *err) must_check;

/* Whether it is to be: there is a pod, --no-annotate was not given, and the mark can have a name
 * (else that is told). */
bool exporter_annotates(const struct exporter_work *w, const struct mark *m);

/*
 * The annotations to patch for it, or NULL, as mark_set. Which of the marks of its container it is:
 * the one that its JVM has, else the container's own unless that is of another JVM that runs, else
 * a further one. The container's marks of JVMs that run no more go.
 */
struct json_t *exporter_mark_patch(const struct exporter_work *w, const struct mark *m,
				   char ret_told[MARK_TOLD]);

/* The same, to remove the mark of that name. */
int exporter_clear(struct exporter_work *w, const char *name, bool *ret,
		   struct error *err) must_check;

#endif
