/* The one JVM that a command works on: by pod and container, or by --container and --pid. */
#ifndef JDIAG_JVMPICK_H
#define JDIAG_JVMPICK_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;
struct session;

/*
 * Ask the helper for the JVMs of the session's container (or of --container, --pid on ssh://) and
 * take the only one, or the one that --jvm names by pid or main class. *ret is a new JVM object
 * (PROTOCOL.md, `ps`). ERR_TARGET when there is none, or more than one (they are listed, never
 * guessed).
 */
int jvm_pick(struct session *s, struct json_t **ret, struct error *err) must_check;

/* The same in two steps: the helper's answer to `ps`, a new reference; and the choice. */
int jvm_list(struct session *s, struct json_t **ret, struct error *err) must_check;
int jvm_choose(const struct session *s, const struct json_t *answer, struct json_t **ret,
	       struct error *err) must_check;

/* Whether the session's container has processes on the node, by the same answer; how many.
 * ERR_TARGET when it has none: the pod has moved. */
int jvm_check_container(const struct session *s, const struct json_t *answer, uint64_t *ret,
			struct error *err) must_check;

/* --jvm: is it the pid as `ps` prints it (the container's or the host's), its main class, or the
 * last part of that? */
bool jvm_is_called(const struct json_t *jvm, const char *wanted);

/* Is it a beginning of the container's id, or of the id behind "user:UID/"? */
bool jvm_id_begins(const char *id, const char *wanted);

/* ERR_ATTACH with the reason that `ps` knows, and what to do. Nothing is signalled. */
int jvm_check_attachable(const struct json_t *jvm, struct error *err) must_check;

/* A new {"pid", "start_time", "container"}: the process reference for the next request. */
struct json_t *jvm_reference(const struct json_t *jvm) must_check;

#endif
