/*
 * An agent's jar, looked at before anybody loads it: a whole zip whose every entry was read and
 * whose checksums agree, with a manifest and an Agent-Class that is in it. By libarchive
 * (jdiag/archive/zip.h). Sources: java.lang.instrument's package description, the JAR File
 * Specification, JVMS 4.1 (class file versions).
 */
#ifndef JDIAG_AGENT_JAR_H
#define JDIAG_AGENT_JAR_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

#define MAX_AGENT_FILE (64 * MiB)

struct agent_jar {
	struct buf data; /* the file */
	char sha256[65];
	char name[128];		      /* base name of the path */
	char agent_class[256];	      /* "io.prometheus.jmx.JavaAgent" */
	char title[128], version[64]; /* Implementation-Title, -Version; "" */
	unsigned int java;	      /* release that its Agent-Class needs: 8, 11, 17 ... */
	bool can_redefine, can_retransform;
};

/* ERR_USAGE: no such file, not a zip, truncated, no manifest, no Agent-Class, class missing or
 * broken, too large. */
int agent_jar_open(struct agent_jar *ret, const char *path, struct error *err) must_check;
void agent_jar_release(struct agent_jar *j);

/* A shared library for --native: ELF, 64 bits, of that machine (`uname -m`), with Agent_OnAttach.
 */
int agent_library_open(struct buf *ret_data, char sha256[65], const char *path, const char *machine,
		       struct error *err) must_check;

#endif
