/*
 * A growable buffer with a declared maximum. What does not fit makes it `overflow` for good, and
 * nothing more is appended: append freely, ask once at the end. data is always NUL-terminated.
 */
#ifndef REMOTE_BASE_BUF_H
#define REMOTE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/compiler.h"

struct buf {
	char *data; /* owned; NULL until the first append */
	size_t len;
	size_t cap;
	size_t max; /* largest len */
	bool overflow;
};

#define BUF_INIT(maximum) ((struct buf){.max = (maximum)})

void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* empty, memory kept */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) printf_like(2, 3);

/* Drop the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/* Room for n more bytes behind len, to be written by the caller who then adds to len; NULL (and
 * overflow set) when the maximum does not allow it. */
char *buf_reserve(struct buf *b, size_t n) must_check;

/* The text, never NULL. */
const char *buf_str(const struct buf *b);

#define auto_buf auto_cleanup(buf_release)

#endif
