/*
 * The little JSON that the helper needs: requests of the client in, messages out. No tree, no
 * number conversion surprises, no allocation while reading. (jdiag itself uses jansson.)
 *
 * Reading: jsonr_parse checks the whole text once (strict RFC 8259, UTF-8 not verified, depth at
 * most MAX_JSON_DEPTH); afterwards members of the *top-level object* are looked up by name.
 * Requests are flat objects whose values are strings, integers, booleans and arrays of strings.
 */
#ifndef REMOTE_WIRE_JSON_H
#define REMOTE_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct jsonr {
	const char *text; /* borrowed */
	size_t len;
};

/* Check that text is one JSON object. ERR_FAILED with the offset when it is not. */
int jsonr_parse(struct jsonr *doc, const char *text, size_t len, struct error *err) must_check;

/* Members of the object. Absent: *ret untouched, 0. Present with another type, or out of range:
 * ERR_FAILED. A string is unescaped into dst, and refused when it holds a NUL or does not fit. */
int jsonr_string(const struct jsonr *doc, const char *name, char *dst, size_t size,
		 struct error *err) must_check;
int jsonr_u64(const struct jsonr *doc, const char *name, uint64_t *ret,
	      struct error *err) must_check;
int jsonr_bool(const struct jsonr *doc, const char *name, bool *ret, struct error *err) must_check;
bool jsonr_has(const struct jsonr *doc, const char *name);

/* An array of strings: calls fn for each (unescaped, at most 1023 bytes) until it returns nonzero,
 * which is then returned. */
int jsonr_each_string(const struct jsonr *doc, const char *name,
		      int (*fn)(void *ctx, const char *s, struct error *err), void *ctx,
		      struct error *err) must_check;

/* The same with the caller's room for each: size bytes with the NUL. */
int jsonr_each_text(const struct jsonr *doc, const char *name, char *s, size_t size,
		    int (*fn)(void *ctx, const char *s, struct error *err), void *ctx,
		    struct error *err) must_check;

/* An object inside, to be read like a document; it borrows from doc. Absent: an empty object. */
int jsonr_object(const struct jsonr *doc, const char *name, struct jsonr *ret,
		 struct error *err) must_check;

/* An array of objects: calls fn for each until it returns nonzero, which is then returned. */
int jsonr_each_object(const struct jsonr *doc, const char *name,
		      int (*fn)(void *ctx, const struct jsonr *object, struct error *err),
		      void *ctx, struct error *err) must_check;

/* Writing: appends to b; commas are the writer's business. Names are literals of ours. Bytes that
 * are not UTF-8 are written as U+FFFD. A name of NULL makes an element of an array. */
struct jsonw {
	struct buf *b;
	bool comma;
};

void jsonw_open(struct jsonw *w, const char *name, char bracket); /* '{' or '[' */
void jsonw_close(struct jsonw *w, char bracket);		  /* '}' or ']' */
void jsonw_string(struct jsonw *w, const char *name, const char *value);
void jsonw_u64(struct jsonw *w, const char *name, uint64_t value);
void jsonw_i64(struct jsonw *w, const char *name, int64_t value);
void jsonw_bool(struct jsonw *w, const char *name, bool value);
void jsonw_null(struct jsonw *w, const char *name);

#endif
