/*
 * A zip in memory, read whole: every entry is inflated and its size and checksum are compared
 * before zip_walk says that it is good. By libarchive, its format "zip" with a central directory
 * alone. Refused: what is cut, encrypted, compressed by something else than deflate (Java knows no
 * other), has too many entries or inflates to too much.
 */
#ifndef JDIAG_ARCHIVE_ZIP_H
#define JDIAG_ARCHIVE_ZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"
#include "remote/base/limits.h"

#define MAX_ZIP_ENTRIES 65535
#define MAX_ZIP_BYTES (256 * MiB) /* of all entries, inflated */

struct zip_visitor {
	/* How many of its first bytes are wanted; 0: none, and no call of `member`. */
	size_t (*wanted)(void *ctx, const char *name);
	/* They, when the entry was read whole; len is less where the entry is shorter. */
	int (*member)(void *ctx, const char *name, const void *data, size_t len, struct error *err);
	void *ctx;
	bool again; /* all of it was found good before: what is not wanted is left out */
};

/* ERR_USAGE: why it is none. Names are as they stand there: hostile. */
int zip_walk(const void *data, size_t len, const struct zip_visitor *v,
	     struct error *err) must_check;

#endif
