/* META-INF/MANIFEST.MF: what its main section says (JAR File Specification; the JVM's reader is
 * parse_manifest.c). Private to this folder. */
#ifndef JDIAG_AGENT_MANIFEST_H
#define JDIAG_AGENT_MANIFEST_H

#include <stddef.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

#define MAX_MANIFEST_VALUE 4096

/* One attribute of the main section, its continuation lines joined, names without regard to case:
 * 1 with its value in *ret (whose maximum it must not exceed), 0 there is none, -1 ERR_USAGE: not a
 * manifest, or the attribute is there twice. */
int jar_manifest_get(const char *text, size_t len, const char *name, struct buf *ret,
		     struct error *err) must_check;

#endif
