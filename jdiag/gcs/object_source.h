/* An object as a source of bytes, read in large ranges: one generation from the first byte to the
 * last, whatever happens to the name meanwhile. */
#ifndef JDIAG_GCS_OBJECT_SOURCE_H
#define JDIAG_GCS_OBJECT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "jdiag/gcs/gcs.h"
#include "remote/base/error.h"

#define OBJECT_RANGE (8 * 1024 * 1024ul) /* asked for at once, and held */

struct object_source {
	struct gcs *g;		     /* borrowed */
	const char *bucket, *object; /* borrowed */
	struct gcs_object info;
	uint64_t next; /* offset of the next range */
	char *held;    /* owned */
	size_t held_at, held_len;
};

/* ERR_TARGET when there is no such object. */
int object_source_open(struct object_source *ret, struct gcs *g, const char *bucket,
		       const char *object, struct error *err) must_check;

/* With the source as ctx: up to len bytes, at least one; *ret_len 0: the end. */
int object_source_read(void *source, void *buf, size_t len, size_t *ret_len,
		       struct error *err) must_check;

void object_source_close(struct object_source *s); /* a zeroed one is fine */

#endif
