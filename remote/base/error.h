/*
 * One error, owned by the caller, passed by pointer as the last argument of every function that can
 * fail. Success leaves it untouched; failure returns -1 or NULL, fills it and leaves the
 * out-parameters alone. There is nothing to free. It is exactly what an ERROR frame carries
 * (remote/wire/PROTOCOL.md), so that a failure on the node reads like a local one.
 *
 * Messages: lower case, no full stop, what failed first, the subject in single quotes, then why:
 *	"cannot read 'x.json': No such file or directory"
 * Each layer adds at most one prefix. The hint says what to do about it, in one or more lines.
 * Bytes from outside (process names, server replies) are escaped by error_set and error_hint
 * themselves: control characters never get into msg; hint keeps only '\n'.
 */
#ifndef REMOTE_BASE_ERROR_H
#define REMOTE_BASE_ERROR_H

#include <stdarg.h>

#include "remote/base/compiler.h"

/* The closed list. Each value is the exit status of the program that ends with it. */
enum err_code {
	ERR_NONE = 0,
	ERR_FAILED = 1,	  /* any other reason */
	ERR_USAGE = 2,	  /* the command line or the configuration */
	ERR_TARGET = 3,	  /* target not found or ambiguous */
	ERR_API = 4,	  /* cluster API: unreachable, forbidden, credentials */
	ERR_SSH = 5,	  /* unreachable, host key, authentication */
	ERR_NODE = 6,	  /* not permitted on the node (sudo), helper cannot run there */
	ERR_ATTACH = 7,	  /* the JVM cannot be attached to */
	ERR_CAPTURE = 8,  /* capture failed or is not valid */
	ERR_UPLOAD = 9,	  /* delivery to the bucket failed */
	ERR_REFUSED = 10, /* refused because it could hurt the target */
	ERR_INTERRUPTED = 130,
};

struct error {
	enum err_code code;
	int sys; /* errno, or 0 */
	char msg[512];
	char hint[1024]; /* what to do; empty when there is nothing to say */
};

/* The name that the wire and the JSON output use: "failed", "usage", "target" ...; never NULL. */
const char *err_code_name(enum err_code code);

/* The inverse; a name that is not known gives ERR_FAILED. */
enum err_code err_code_from_name(const char *name);

/* Fill err (which may be NULL). Always returns -1, so that callers can `return error_set(...)`. */
int error_set(struct error *err, enum err_code code, const char *fmt, ...) printf_like(3, 4);

/* The same, with errnum kept in err->sys and ": strerror(errnum)" put behind the message. */
int error_sys(struct error *err, enum err_code code, int errnum, const char *fmt, ...)
	printf_like(4, 5);

/* Put "prefix: " before the message, unless the user has ended it (ERR_INTERRUPTED): where that was
 * is of no interest. Returns -1. */
int error_prefix(struct error *err, const char *fmt, ...) printf_like(2, 3);

/* Set the hint. Returns -1. */
int error_hint(struct error *err, const char *fmt, ...) printf_like(2, 3);

/* Ends the process with "out of memory"; the only place that does (style.md 14). */
_Noreturn void die_oom(void);

/* malloc, realloc, strdup, strndup and asprintf that do not fail. Free with free(). */
void *xmalloc(unsigned long size) must_check;
void *xcalloc(unsigned long n, unsigned long size) must_check;
void *xrealloc(void *p, unsigned long size) must_check;
char *xstrdup(const char *s) must_check;
char *xstrndup(const char *s, unsigned long n) must_check;
char *xasprintf(const char *fmt, ...) printf_like(1, 2) must_check;

/* For auto_cleanup on any pointer that free() takes. */
void free_cleanup(void *pp);

#define auto_free auto_cleanup(free_cleanup)

#endif
