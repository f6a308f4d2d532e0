/*
 * Before a heap dump: what it will cost, compared with what there is (design.md, safety rule 5).
 * Sizes in bytes, times in ms. Estimates are upper ones, and say where they come from.
 */
#ifndef JDIAG_PREFLIGHT_H
#define JDIAG_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

#define PREFLIGHT_NOTES 8

struct preflight {
	/* asked for */
	bool live;
	const char *format;	     /* "hprof", "hprof.gz", "hprof.zst"; NULL: hprof */
	const char *redact;	     /* NULL: "none" */
	bool ring;		     /* --no-spool */
	unsigned int parallel;	     /* --parallel; 0: by the JVM's CPUs */
	uint64_t max_pause_ms;	     /* --max-pause; 0: none */
	uint64_t liveness_budget_ms; /* 0: no liveness probe */
	bool starting;		     /* ... and it is the startup probe that still counts */
	uint64_t sink_free;	     /* UINT64_MAX: not limited */
	uint64_t storage_limit;	     /* of the container's ephemeral storage; 0: none */
	bool kubelet;		     /* one watches the node's disk, and evicts pods below 10 % */

	/* found; strings are borrowed from the inspect answer */
	uint64_t heap_used;
	const char *heap_source;
	uint64_t size;		      /* of the dump as the JVM writes it */
	uint64_t stored;	      /* of the artifact */
	const char *strategy, *where; /* `where` is of a file in the container or on the node */
	uint64_t pod_peak;	      /* bytes in the container at once, at the most */
	uint64_t pod_free;	      /* there */
	bool in_memory;		      /* ... and that is memory of the container */
	uint64_t memory_free;	      /* below its limit; UINT64_MAX: no limit */
	uint64_t node_peak;	      /* the same on the node's disk */
	const char *node_base;
	uint64_t node_free, node_size, node_max; /* node_max: more than that is never taken */
	uint64_t buffer;			 /* memory for the dump */
	const char *buffer_why;			 /* it is smaller than the dump; or "" */
	uint64_t overflow;	  /* bytes of the dump that the buffer may not take */
	uint64_t pause_ms, gc_ms; /* pause_ms has the collection in it */
	unsigned int rate_mbps;	  /* at which this JVM writes here */
	char rate_source[256];
	const char *version, *flags, *collector; /* of the JVM; "" unknown */
	char notes[PREFLIGHT_NOTES][256];	 /* to be shown before it starts */
	size_t n_notes;
};

/* From the answer of `inspect` (borrowed, has to outlive p). ERR_CAPTURE when no strategy can work,
 * ERR_NODE when the node has no place for a spool. */
int preflight_estimate(struct preflight *p, const struct json_t *inspect,
		       struct error *err) must_check;

/* Whether the strategy is one further down the list; the best one and why it cannot be used. Of the
 * two that need no file one is for each version: that is none. */
bool preflight_is_fallback(const struct preflight *p, const struct json_t *inspect,
			   const char **ret_first, const char **ret_reason);

/* What --force does not override: the user's own --max-pause. ERR_REFUSED with the numbers. */
int preflight_check_limit(const struct preflight *p, struct error *err) must_check;

/* 0 when it fits; ERR_REFUSED with the numbers when not: the first reason, and the others in the
 * hint. --force goes on. */
int preflight_check(const struct preflight *p, struct error *err) must_check;

/* The same, one by one, for those who go on: fn is told each reason. Returns their number. */
size_t preflight_each_refusal(const struct preflight *p,
			      void (*fn)(void *ctx, const struct error *refusal), void *ctx);

/* What can be in the way, and by topic: the first reason of that topic. */
enum preflight_topic { PREFLIGHT_DESTINATION, PREFLIGHT_POD, PREFLIGHT_NODE, PREFLIGHT_PAUSE };
int preflight_check_topic(const struct preflight *p, enum preflight_topic topic,
			  struct error *err) must_check;

/* What is expected, as an object for the plan and the manifest: heapUsed, heapSource, size, stored,
 * buffer, overflow, nodePeak, podPeak, pauseMs, gcMs, rate {mbps, source}. New. */
struct json_t *preflight_expected(const struct preflight *p) must_check;

/* An array of strings. New. */
struct json_t *preflight_notes(const struct preflight *p) must_check;

/* ---- preflight_rate.c ---- */

/* What the pause depends on. */
struct preflight_speed {
	const char *version;
	bool serial;			  /* a collector without threads: one writes the dump */
	unsigned int parallel;		  /* as above */
	unsigned int jvm_cpus, millicpus; /* of the JVM; millicpus 0: no quota */
	unsigned int cpu_mbps;		  /* of this node; 0 unknown */
};

/* MB/s (of 10^6 bytes) at which the JVM writes a dump when nothing else holds it up; where that
 * comes from into source. */
unsigned int preflight_rate(const struct preflight_speed *s, char *source, size_t size);

/* A full collection before the dump. */
uint64_t preflight_gc_ms(const struct preflight_speed *s, uint64_t heap_used);

#endif
