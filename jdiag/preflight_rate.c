/* How fast a JVM writes its heap dump: measured here, brought to the node by its CPU. */
#include <stdio.h>
#include <string.h>

#include "jdiag/jvmbuilds.h"
#include "jdiag/preflight.h"
#include "remote/base/buf.h"
#include "remote/base/compiler.h"

/*
 * MB/s of dump to /dev/null (8: to a file in the page cache, it cannot do other), one thread. The
 * machine: 2 cores of an AMD EPYC, Debian's 8u504, 11.0.33, 17.0.21, 21.0.13, 25.0.5 and 26.0.2,
 * G1 (8: Parallel), heaps of 0.3 to 2.6 GB. The lower of two kinds of heap, best of several runs:
 * small objects alone (280, 330, 440, 880) and a mix with strings and arrays (580, 590, 710, 1160;
 * 25: 1050 and 1200 in two places, 26: 1160). Releases between behave as the one before.
 */
static const struct {
	unsigned int release, mbps;
} rates[] = {
	{8, 280}, {11, 330}, {17, 440}, {21, 880}, {22, 900},
};

#define REFERENCE_CPU_MBPS 9830 /* what `inspect` says of that machine (rate.cpu_mbps) */
#define MIN_SCALE 0.1
#define MAX_SCALE 2.0 /* a dump waits for memory, too: faster CPUs do not help without end */

/* Each further thread of 22 and later (JDK-8306441): 1.2 and 2.0 GB/s, 1.16 and 2.17 GB/s. */
#define NEXT_THREAD 0.67
#define MOST_THREADS 4 /* that are asked for without --parallel */

/* Marking and compacting: 1.1 GB of live heap a second on two CPUs with G1 of 17, 0.8 with small
 * objects; a JVM has so many collector threads as CPUs. */
#define GC_MBPS_PER_CPU 400

static unsigned int base_rate(unsigned int release)
{
	unsigned int mbps = rates[0].mbps;

	for (size_t i = 0; i < ARRAY_SIZE(rates) && rates[i].release <= release; i++)
		mbps = rates[i].mbps;
	return mbps;
}

static unsigned int threads(const struct preflight_speed *s, unsigned int release)
{
	unsigned int n = s->parallel;

	if (release < 22 || s->serial)
		return 1;
	if (!n)
		n = s->jvm_cpus < MOST_THREADS ? s->jvm_cpus : MOST_THREADS;
	/* More of them than CPUs share the same. */
	n = n > s->jvm_cpus ? s->jvm_cpus : n;
	return n ? n : 1;
}

static double cpu_scale(const struct preflight_speed *s)
{
	double scale = s->cpu_mbps ? (double)s->cpu_mbps / REFERENCE_CPU_MBPS : 1;

	return scale < MIN_SCALE ? MIN_SCALE : scale > MAX_SCALE ? MAX_SCALE : scale;
}

/* With half a CPU everything takes twice as long. */
static double quota_scale(const struct preflight_speed *s, unsigned int n)
{
	return s->millicpus && s->millicpus < 1000 * n ? (double)s->millicpus / (1000.0 * n) : 1;
}

unsigned int preflight_rate(const struct preflight_speed *s, char *source, size_t size)
{
	auto_buf struct buf text = BUF_INIT(400);
	unsigned int release = jvm_release(s->version), mbps = base_rate(release);
	unsigned int n = threads(s, release);
	double scale = cpu_scale(s), quota = quota_scale(s, n), more = 1 + (n - 1) * NEXT_THREAD;
	double slower = jvm_build_slower(s->version), rate = mbps * scale * quota * more / slower;

	if (release)
		buf_addf(&text, "Java %u, ", release);
	else
		buf_addf(&text, "Java version unknown, as the slowest, ");
	buf_addf(&text, "measured %u MB/s on 2 cores of the reference machine", mbps);
	if (n > 1)
		buf_addf(&text, ", %u threads x%.2f", n, more);
	if (s->cpu_mbps)
		buf_addf(&text, ", this node's CPU x%.2f", scale);
	if (quota < 1)
		buf_addf(&text, ", the JVM's CPU quota x%.2f", quota);
	if (slower > 1)
		buf_addf(&text, ", a build that is %.0f times slower", slower);
	snprintf(source, size, "%s", buf_str(&text));
	return rate < 1 ? 1 : (unsigned int)rate;
}

uint64_t preflight_gc_ms(const struct preflight_speed *s, uint64_t heap_used)
{
	unsigned int cpus = s->serial || !s->jvm_cpus ? 1 : s->jvm_cpus;
	double mbps;

	cpus = cpus > MOST_THREADS ? MOST_THREADS : cpus;
	mbps = GC_MBPS_PER_CPU * cpus * cpu_scale(s) * quota_scale(s, cpus);
	return (uint64_t)((double)heap_used / 1000 / mbps);
}
