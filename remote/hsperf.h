/*
 * hsperfdata: the counters that HotSpot maps into /tmp/hsperfdata_USER/NSPID (facts: sources
 * perfMemory.hpp, JDK 8 to 26). The file belongs to the container: it may lie, be stale, or be
 * anything. A parser of bytes in memory; nothing is trusted but its own bounds.
 */
#ifndef REMOTE_HSPERF_H
#define REMOTE_HSPERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hsperf {
	const unsigned char *data; /* borrowed */
	size_t len;
	size_t first; /* offset of the first entry */
	unsigned int entries;
};

/* False when it is not hsperfdata of version 2, little endian, accessible. */
bool hsperf_parse(struct hsperf *h, const void *data, size_t len);

/* A string counter, NUL-terminated into dst (cut to fit). False when absent or of another type. */
bool hsperf_string(const struct hsperf *h, const char *name, char *dst, size_t size);
bool hsperf_u64(const struct hsperf *h, const char *name, uint64_t *ret);

#endif
