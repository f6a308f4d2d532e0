/*
 * Java versions whose heap dumps are known to be broken, dangerous or slow: what a person should
 * know before the JVM is asked. Versions as `inspect` gives them ("17.0.15", "1.8.0_504", "22-ea");
 * vendors number their builds as OpenJDK does.
 */
#ifndef JDIAG_JVMBUILDS_H
#define JDIAG_JVMBUILDS_H

#include <stdbool.h>
#include <stddef.h>

/* 8, 11, 17 ...; 0 unknown. */
unsigned int jvm_release(const char *version);

struct jvm_build {
	unsigned int release;	  /* 8, 11, 17 ...; 0: every one that is not named */
	unsigned int from, fixed; /* updates: from <= update < fixed; fixed 0: not known to be */
	const char *collector;	  /* only with it ("Shenandoah"); NULL: with any */
	const char *id;		  /* "JDK-8303937" */
	const char *text;	  /* one sentence, no full stop */
	double slower;		  /* its dumps take so many times as long; 0: not slower */
};

/* Call fn for each entry that is about this JVM. An unknown version is about the entries of a
 * collector only. Returns their number. fn may be NULL. */
size_t jvm_builds_each(const char *version, const char *collector,
		       void (*fn)(void *ctx, const struct jvm_build *b), void *ctx);

/* How many times as long a dump takes as with the newest update of its release; 1 and more. */
double jvm_build_slower(const char *version);

#endif
