/* Fields of a credential file. Names are dotted paths below its root, as json_at takes them; errors
 * are ERR_USAGE with file and field. */
#ifndef JDIAG_GCS_FIELDS_H
#define JDIAG_GCS_FIELDS_H

#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct json_t;

struct fields {
	const struct json_t *root;
	const char *path; /* of the file; "FILE#source_credentials" for what lies in it */
};

/* A non-empty string without control characters, which may be printed for somebody to paste; with
 * tabs and line breaks only as _lines (a private key, a command). Else NULL and err. Borrowed. */
const char *field_text(const struct fields *f, const char *name, struct error *err) must_check;
const char *field_lines(const struct fields *f, const char *name, struct error *err) must_check;

/* The same into *ret; NULL there when it is missing, null or empty. */
int field_maybe(const struct fields *f, const char *name, const char **ret,
		struct error *err) must_check;
int field_maybe_lines(const struct fields *f, const char *name, const char **ret,
		      struct error *err) must_check;

/* An integer of the range; otherwise is what it is when it is missing. */
int field_number(const struct fields *f, const char *name, uint64_t least, uint64_t most,
		 uint64_t otherwise, uint64_t *ret, struct error *err) must_check;

/* "credential file 'F': field 'NAME' WHY"; -1. */
int field_bad(const struct fields *f, const char *name, struct error *err, const char *why_fmt, ...)
	printf_like(4, 5);

/* A small file that a path of the environment or of a credential file names; links are followed, as
 * a mounted secret is one. Memory is taken at once, so that growing leaves no copies. 0, or -errno
 * (-EINVAL: not a plain file). */
int read_secret_file(const char *path, struct buf *out) must_check;

#endif
