/* Times as APIs write them. */
#ifndef JDIAG_RFC3339_H
#define JDIAG_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/compiler.h"

/* "2026-11-21T05:35:00Z", fractions and offsets too: Unix time. False when it is something else. */
bool rfc3339_to_unix(const char *text, int64_t *ret) must_check;

#endif
