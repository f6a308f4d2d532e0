/* The exporter into the JVMs of one pod: what happens in which order. */
#ifndef JDIAG_EXPORTER_INJECT_H
#define JDIAG_EXPORTER_INJECT_H

#include <stdbool.h>

#include "jdiag/exporter/work.h"

struct target;

/*
 * has_node: the session is connected to the node already. The results of each JVM are in
 * w->results: state "injected", "reinjected" (the container was restarted), "reloaded" (another
 * configuration), "unchanged", "foreign" (somebody else's), "planned" (--dry-run), "no-jvm" (of a
 * pod that a selector has found), and of several
 * JVMs "failed", with code, reason and hint. -1 when there is one JVM and it failed.
 */
int exporter_inject(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err) must_check;

#endif
