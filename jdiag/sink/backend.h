/* The vtable behind sink.h; each kind of sink embeds struct sink as its first member. Private to
 * this folder. */
#ifndef JDIAG_SINK_BACKEND_H
#define JDIAG_SINK_BACKEND_H

#include "jdiag/sink/sink.h"

struct sink_ops {
	uint64_t (*free_bytes)(const struct sink *s); /* NULL: not known */
	int (*extent)(struct sink *s, uint64_t available, bool final,
		      struct error *err); /* or NULL */
	int (*write)(struct sink *s, const void *data, size_t len, uint64_t *ret_offset,
		     struct error *err);
	int (*finish)(struct sink *s, uint64_t *ret_offset, struct error *err);
	int (*companion)(struct sink *s, const char *suffix, const char *text, size_t len,
			 struct error *err); /* NULL: none is written */
	/* all three or none */
	const struct secret *(*session)(const struct sink *s);
	void (*headers)(const struct sink *s, uint64_t offset, uint64_t size, uint32_t crc,
			char *ret[2]);
	int (*check)(struct sink *s, uint64_t size, uint32_t crc, uint64_t *ret_offset,
		     struct error *err);
	void (*abort)(struct sink *s); /* frees */
};

struct sink {
	const struct sink_ops *ops;
	char *url; /* owned */
};

int file_sink_open(struct sink **ret, const struct sink_options *o, struct error *err) must_check;
int stdout_sink_open(struct sink **ret, const struct sink_options *o, struct error *err) must_check;
int gcs_sink_open(struct sink **ret, const struct sink_options *o, struct error *err) must_check;

#endif
