#include "jdiag/jvmbuilds.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/compiler.h"

#define ANY UINT32_MAX

#define INTERRUPTED "a write that is interrupted corrupts the dump; fixed in "
#define MISTIMED "a dump at a bad moment can corrupt the heap or crash the JVM; fixed in "

/*
 * By the pull requests in openjdk/jdk, jdk11u-dev, jdk17u-dev, jdk21u and jdk21u-dev: a fix is in
 * the update whose version bump (a pull request as well) went in before it. JDK-8319784, a crash
 * during a dump, never was in a release: it came and went before 22.
 */
static const struct jvm_build table[] = {
	/* With the writer of JDK-8237354: 15, and 11.0.14. The backports are of 2023-03-10, three
	 * days behind the bumps to 11.0.20 and 17.0.8. */
	{11, 14, 20, NULL, "JDK-8303937", INTERRUPTED "11.0.20", 0},
	{15, 0, 0, NULL, "JDK-8303937", INTERRUPTED "17.0.8 and 21", 0},
	{16, 0, 0, NULL, "JDK-8303937", INTERRUPTED "17.0.8 and 21", 0},
	{17, 0, 8, NULL, "JDK-8303937", INTERRUPTED "17.0.8", 0},
	{18, 0, 0, NULL, "JDK-8303937", INTERRUPTED "21", 0},
	{19, 0, 0, NULL, "JDK-8303937", INTERRUPTED "21", 0},
	{20, 0, 0, NULL, "JDK-8303937", INTERRUPTED "21", 0},
	{21, 0, 2, NULL, "JDK-8316468", "a partial write corrupts the dump; fixed in 21.0.2", 0},

	{21, 0, 2, NULL, "JDK-8317692",
	 "dumps take up to ten times as long as they should; fixed in 21.0.2", 10},
	{21, 2, 4, NULL, "JDK-8319650",
	 "dumps take about three times as long as they should; fixed in 21.0.4", 3},

	{17, 0, 3, "Shenandoah", "JDK-8278627", "a dump can crash the JVM; fixed in 17.0.3", 0},
	{21, 0, 7, "Shenandoah", "JDK-8345750", MISTIMED "21.0.7", 0},
	{22, 0, 0, "Shenandoah", "JDK-8345750", MISTIMED "24", 0},
	{23, 0, 0, "Shenandoah", "JDK-8345750", MISTIMED "24", 0},
	{0, 0, 0, "Shenandoah", "JDK-8345750",
	 "a dump at a bad moment has crashed JVMs with Shenandoah; this version is not known to "
	 "be among them",
	 0},
};

/* A number at *s, which moves behind it; 0 without one. */
static unsigned int take_number(const char **s)
{
	unsigned int n = 0;

	for (; isdigit((unsigned char)**s); (*s)++)
		n = n < 100000 ? n * 10 + (unsigned int)(**s - '0') : n;
	return n;
}

/* "17.0.15", "17", "21.0.1+12", "1.8.0_504": release and update. */
static bool parse(const char *version, unsigned int *release, unsigned int *update)
{
	const char *s = version;

	*release = take_number(&s);
	*update = 0;
	if (*release == 1 && *s == '.') {
		s++;
		*release = take_number(&s);
		s += strcspn(s, "_");
		if (*s == '_') {
			s++;
			*update = take_number(&s);
		}
		return *release > 0;
	}
	if (*s == '.') {
		s++;
		(void)take_number(&s);
	}
	if (*s == '.') {
		s++;
		*update = take_number(&s);
	}
	return *release > 0;
}

unsigned int jvm_release(const char *version)
{
	unsigned int release, update;

	return parse(version, &release, &update) ? release : 0;
}

static bool matches(const struct jvm_build *b, unsigned int release, unsigned int update,
		    const char *collector)
{
	if (b->collector && strcmp(b->collector, collector) != 0)
		return false;
	if (!b->release)
		return true;
	return b->release == release && update >= b->from && (!b->fixed || update < b->fixed);
}

size_t jvm_builds_each(const char *version, const char *collector,
		       void (*fn)(void *ctx, const struct jvm_build *b), void *ctx)
{
	unsigned int release, update;
	size_t n = 0;

	if (!parse(version, &release, &update))
		release = ANY;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct jvm_build *b = &table[i];

		/* The entry for all others says nothing new about one that was named. */
		if (!matches(b, release, update, collector) || (!b->release && n && b->collector))
			continue;
		if (fn)
			fn(ctx, b);
		n++;
	}
	return n;
}

static void note_slower(void *ctx, const struct jvm_build *b)
{
	double *most = ctx;

	if (b->slower > *most)
		*most = b->slower;
}

double jvm_build_slower(const char *version)
{
	double most = 1;

	(void)jvm_builds_each(version, "", note_slower, &most);
	return most;
}
