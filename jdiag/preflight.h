/*
 * Before a heap dump: what it will cost, compared with what there is (design.md, safety rule 5).
 * Sizes in bytes, times in ms. Estimates say where they come from.
 */
#ifndef JDIAG_PREFLIGHT_H
#define JDIAG_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

struct preflight {
	/* asked for */
	bool live;
	uint64_t liveness_budget_ms; /* 0: no liveness probe */
	bool starting;		     /* ... and it is the startup probe that still counts */
	uint64_t sink_free;	     /* UINT64_MAX: not limited */
	/* found */
	uint64_t heap_used;
	const char *heap_source;      /* borrowed from the inspect answer */
	uint64_t size;		      /* expected size of the dump */
	uint64_t peak;		      /* bytes that lie on the node at once, at the most */
	uint64_t pause_ms;	      /* expected */
	const char *strategy, *where; /* borrowed */
	uint64_t node_free;	      /* where the dump will lie */
	bool in_memory;		      /* ... and that is memory of the container */
	uint64_t memory_free;	      /* below its limit; UINT64_MAX: no limit */
};

/* From the answer of `inspect` (borrowed, has to outlive p). ERR_CAPTURE when no strategy can work.
 */
int preflight_estimate(struct preflight *p, const struct json_t *inspect,
		       struct error *err) must_check;

/* 0 when it fits; ERR_REFUSED with the numbers when not. */
int preflight_check(const struct preflight *p, struct error *err) must_check;

#endif
