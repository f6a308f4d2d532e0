/* Who has an exporter, and why not. Nothing is signalled, no JVM is asked but for its metrics. */
#ifndef JDIAG_EXPORTER_STATUS_H
#define JDIAG_EXPORTER_STATUS_H

#include <stdbool.h>

#include "jdiag/exporter/work.h"

struct options;
struct target;

/*
 * Of one pod, through its node: a result for each JVM, with a word as its state and a sentence as
 * its reason where that is not "injected":
 *	injected    by jdiag, it answers
 *	silent      by jdiag, it does not answer as it should
 *	unmarked    by jdiag, not annotated
 *	foreign     by somebody else
 *	restarted   the container, since then
 *	none        none is seen from outside: by jars and command line, not by classes
 *	no-jvm      no JVM runs in the pod, or this one has just ended
 *	failed      this JVM could not be looked at, with code, reason and hint
 */
int exporter_status(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err) must_check;

/* Of a pod that no node has to be asked about, by its object alone: "not-running"; with `all` each
 * container by its mark: injected, restarted, none, as the cluster knows. False: the node has to be
 * asked. results: an array that gets them. */
bool exporter_status_known(const struct json_t *pod, const struct options *o, bool all,
			   struct json_t *results);

#endif
