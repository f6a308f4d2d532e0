/* A file for file_sd: replaced as a whole, and only when its content changes. */
#ifndef JDIAG_TARGETS_FILE_H
#define JDIAG_TARGETS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"

/*
 * Written beside it as PATH.XXXXXX.partial (a name that no pattern of Prometheus's ends in), on the
 * disk before it is renamed. It keeps the mode and, as far as that is allowed, the owner of the
 * file that it replaces; a new one can be read by all, as Prometheus runs as somebody else.
 * *ret_changed: whether there was anything to write. ERR_USAGE for a path that is no regular
 * file's, or in no directory; ERR_FAILED.
 */
int targets_file_write(const char *path, const char *text, size_t len, bool *ret_changed,
		       struct error *err) must_check;

#endif
