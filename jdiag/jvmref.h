/*
 * The JVM that a command works on, as the helper is told it: by process reference and container
 * (PROTOCOL.md section 4), so that what was looked at is what is acted on.
 */
#ifndef JDIAG_JVMREF_H
#define JDIAG_JVMREF_H

#include <stdint.h>

struct json_t;

struct jvmref {
	uint64_t pid, start_time;
	char container[600]; /* id, or "" */
	char version[64];    /* of Java; "" unknown */
	uint64_t ns_pid;
	uint64_t uid;
	char main[256];
};

/* From a JVM object of `ps`. */
void jvmref_from_json(const struct json_t *jvm, struct jvmref *ret);

/* A request's parameters with "pid", "start_time" and "container" in it. A new reference. */
struct json_t *jvmref_params(const struct jvmref *j);

/* 8, 11, 17 ...; 0 unknown. */
unsigned int jvmref_release(const struct jvmref *j);

#endif
