/* Where an exporter can listen in a pod: a port that nobody has and that the pod keeps for nobody.
 */
#ifndef JDIAG_EXPORTER_PORT_H
#define JDIAG_EXPORTER_PORT_H

#include <stdint.h>

#include "remote/base/error.h"

struct json_t;

#define EXPORTER_PORT 9404 /* the exporter's own, in the list of Prometheus's default ports */

struct port_range {
	uint16_t first, last;
};

/* "N" or "N-M", from 1024 on: below, a JVM that is not root could not listen, and the exporter
 * would end it. NULL: EXPORTER_PORT. ERR_USAGE. */
int port_range_parse(const char *text, struct port_range *ret, struct error *err) must_check;

/*
 * Is it free? survey: of the pod's network namespace (survey.h). pod: its containerPorts and
 * hostPorts are taken, whether somebody listens or not (NULL: no pod). ERR_REFUSED with who has it;
 * err->sys EADDRINUSE when somebody listens already.
 */
int port_check(uint16_t port, const struct json_t *survey, const struct json_t *pod,
	       struct error *err) must_check;

/* Of a port that port_check found free, by a survey that was asked for it: could the JVM listen
 * there? ERR_REFUSED with why not; err->sys the errno that it would get. */
int port_check_bind(uint16_t port, const struct json_t *survey, struct error *err) must_check;

/* ... could the kernel give it to a connection, in the time until the exporter has it? ERR_REFUSED.
 */
int port_check_kept(uint16_t port, const struct json_t *survey, struct error *err) must_check;

/* ERR_REFUSED: of one port why not, of many that none is. Returns -1. */
int port_none(const struct port_range *range, const struct error *why, struct error *err);

/* The first one that is free; as port_none. */
int port_choose(const struct port_range *range, const struct json_t *survey,
		const struct json_t *pod, uint16_t *ret, struct error *err) must_check;

#endif
