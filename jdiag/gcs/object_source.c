#include "jdiag/gcs/object_source.h"

#include <stdlib.h>
#include <string.h>

int object_source_open(struct object_source *ret, struct gcs *g, const char *bucket,
		       const char *object, struct error *err)
{
	struct gcs_object info;

	if (gcs_object_look(g, bucket, object, &info, err) < 0)
		return -1;
	*ret = (struct object_source){.g = g,
				      .bucket = bucket,
				      .object = object,
				      .info = info,
				      .held = xmalloc(OBJECT_RANGE)};
	return 0;
}

int object_source_read(void *source, void *buf, size_t len, size_t *ret_len, struct error *err)
{
	struct object_source *s = source;

	if (s->held_at == s->held_len) {
		if (gcs_object_read(s->g, s->bucket, s->object, &s->info, s->next, s->held,
				    OBJECT_RANGE, &s->held_len, err) < 0)
			return -1;
		s->held_at = 0;
		s->next += s->held_len;
	}
	if (len > s->held_len - s->held_at)
		len = s->held_len - s->held_at;
	memcpy(buf, s->held + s->held_at, len);
	s->held_at += len;
	*ret_len = len;
	return 0;
}

void object_source_close(struct object_source *s)
{
	free(s->held);
	s->held = NULL;
}
