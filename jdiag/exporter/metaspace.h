/*
 * What is left of a JVM's metaspace. A program whose metaspace has a limit (buildpacks always set
 * MaxMetaspaceSize, close to what they think is needed) gets OutOfMemoryError from then on, where
 * the exporter's classes fill it: the exporter ends the JVM on that, and
 * -XX:+ExitOnOutOfMemoryError does so without asking. All texts are the JVM's word.
 *
 * Measured, of a program that does nothing else, with two scrapes: exporter 1.0.1 takes 8 MiB of
 * Java 8, 13 of 11, 8 to 9 of 17, 21 and 25, without their class archive (-Xshare:off) 13 to 15; of
 * these 1 to 1.6 in the class space. 0.20.0 and 0.12.0 take one or two less.
 */
#ifndef JDIAG_EXPORTER_METASPACE_H
#define JDIAG_EXPORTER_METASPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;

struct metaspace {
	uint64_t limit;		  /* MaxMetaspaceSize; UINT64_MAX: none */
	bool known;		  /* what follows: an old Java 8 does not tell it */
	uint64_t committed;	  /* with that of classes */
	uint64_t class_committed; /* of the compressed class space; 0: there is none */
	uint64_t class_reserved;  /* ... its limit */
};

/* The answer of `printflag MaxMetaspaceSize`; false: it is none. */
bool metaspace_parse_limit(const char *text, struct metaspace *m) must_check;

/* That of `GC.heap_info`, into m->known and the following. */
void metaspace_parse_usage(const char *text, struct metaspace *m);

/* Is there enough for an exporter? ERR_REFUSED. */
int metaspace_check(const struct metaspace *m, struct error *err) must_check;

/* Ask the JVM: two or three requests, for which it does not stand still. */
int metaspace_ask(struct helper *h, const struct jvmref *j, struct metaspace *ret,
		  struct error *err) must_check;

#endif
