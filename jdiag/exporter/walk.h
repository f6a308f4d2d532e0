/*
 * Java 8 tells its classes only by a walk through its whole heap, for which it stands still: what
 * that costs, by the answer of `inspect`, compared with what the container's probe allows.
 */
#ifndef JDIAG_EXPORTER_WALK_H
#define JDIAG_EXPORTER_WALK_H

#include <stdint.h>

#include "jdiag/exporter/work.h"

struct exporter_walk {
	uint64_t heap, ms;  /* at the most */
	uint64_t budget_ms; /* of the liveness probe; 0: none */
	bool starting;	    /* ... it is the startup probe */
};

/* An upper bound: a walk writes nothing, but is taken to be as slow as a heap dump there. */
void exporter_walk_estimate(const struct json_t *inspect, const char *version,
			    struct exporter_walk *ret);

/* ERR_REFUSED with the numbers. */
int exporter_walk_check(const struct exporter_walk *walk, struct error *err) must_check;

/* Both, and it is said; --force goes on. */
int exporter_walk_allowed(struct exporter_work *w, const struct exporter_jvm *j,
			  struct error *err) must_check;

#endif
