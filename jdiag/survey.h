/* What an agent would meet in a pod, by the helper's `survey`; nothing is signalled. */
#ifndef JDIAG_SURVEY_H
#define JDIAG_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;
struct json_t;

/* *ret: the answer as PROTOCOL.md has it, checked. A new reference. */
int survey(struct helper *h, const struct jvmref *j, struct json_t **ret,
	   struct error *err) must_check;

/* The same, and could the JVM listen on that port (0: any)? Has it that variable in its environment
 * (NULL: none)? */
int survey_with(struct helper *h, const struct jvmref *j, uint16_t port, const char *variable,
		struct json_t **ret, struct error *err) must_check;

/* 0: the JVM could listen on the port that was asked for; else the errno that it would get. */
int survey_bind(const struct json_t *survey);

/* The port that was asked for, or, where the kernel may give that to a connection, the next that it
 * gives to nobody; 0: there is none. */
uint16_t survey_next(const struct json_t *survey);

/* Anybody, tcp or tcp6; true as well when there are so many that nobody can tell. */
bool survey_listens(const struct json_t *survey, uint16_t port);
bool survey_listens_self(const struct json_t *survey, uint16_t port); /* the JVM itself */

/* "8080, 9404", the first of them that the JVM listens on; "". */
void survey_own(const struct json_t *survey, char dst[64]);

/* An address of the pod's interfaces where somebody listens on that port: for a port that loopback
 * refuses. NULL: there is none. Borrowed. */
const char *survey_interface(const struct json_t *survey, uint16_t port);

#endif
