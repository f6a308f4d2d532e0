/*
 * Numbers under the identifiers of a heap dump: open addressing, nothing is ever taken out. Which
 * slot an identifier gets is not known beforehand: a dump made for that could have all in one row.
 */
#ifndef JDIAG_IDMAP_H
#define JDIAG_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_slot;

struct idmap {
	struct idmap_slot *slots; /* owned; NULL until the first put */
	size_t used, size;
	uint64_t factor;    /* random, odd */
	unsigned int shift; /* 64 - log2(size) */
};

/* What is there already stays. False: it was. */
bool idmap_put(struct idmap *m, uint64_t id, uint32_t value);
bool idmap_get(const struct idmap *m, uint64_t id, uint32_t *ret);
void idmap_release(struct idmap *m); /* a zeroed one is fine */

#endif
