#include "jdiag/exporter/port.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/survey.h"
#include "remote/base/str.h"

#define FIRST_PORT 1024

/* ---- what the user wants ---- */

static int bad_range(const char *text, const char *why, struct error *err)
{
	error_set(err, ERR_USAGE, "bad value '%s' for '--port': %s", text, why);
	return error_hint(err, "a port from %d to %d, or a range like 9404-9499", FIRST_PORT,
			  UINT16_MAX);
}

int port_range_parse(const char *text, struct port_range *ret, struct error *err)
{
	const char *dash = text ? strchr(text, '-') : NULL;
	uint64_t first, last;
	char from[24];

	if (!text) {
		*ret = (struct port_range){EXPORTER_PORT, EXPORTER_PORT};
		return 0;
	}
	snprintf(from, sizeof(from), "%.*s", (int)(dash ? (size_t)(dash - text) : strlen(text)),
		 text);
	if ((dash && dash - text >= (ptrdiff_t)sizeof(from)) || strlen(text) >= sizeof(from) ||
	    !str_to_u64(from, UINT64_MAX, &first) ||
	    !str_to_u64(dash ? dash + 1 : from, UINT64_MAX, &last))
		return bad_range(text, "not a number", err);
	if (first > UINT16_MAX || last > UINT16_MAX || !first || !last)
		return bad_range(text, "there is no such port", err);
	if (first < FIRST_PORT)
		return bad_range(text, "it is privileged: only root may listen there", err);
	if (first > last)
		return bad_range(text, "the range ends before it begins", err);
	*ret = (struct port_range){(uint16_t)first, (uint16_t)last};
	return 0;
}

/* ---- what the pod keeps ---- */

static bool is_tcp(const json_t *entry)
{
	return strcmp(json_str_at(entry, "protocol", "TCP"), "TCP") == 0;
}

static bool claims(const json_t *container, uint16_t port)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_at(container, "ports"), i, entry)
		if (is_tcp(entry) && json_u64_at(entry, "containerPort", 0) == port)
			return true;
	return false;
}

/* The name of the container whose spec has the port, or NULL. */
static const char *claimed_by(const json_t *pod, uint16_t port)
{
	static const char *const lists[] = {"spec.containers", "spec.initContainers"};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		const json_t *container;
		size_t i;

		json_array_foreach (json_at(pod, lists[k]), i, container)
			if (claims(container, port))
				return json_str_at(container, "name", "?");
	}
	return NULL;
}

static int hint_other(struct error *err)
{
	return error_hint(err, "take another one, or a range: --port 9404-9499");
}

int port_check(uint16_t port, const json_t *survey, const json_t *pod, struct error *err)
{
	const char *owner = claimed_by(pod, port);

	if (survey_listens(survey, port)) {
		error_set(err, ERR_REFUSED, "port %u is in use: %s listens there", port,
			  survey_listens_self(survey, port) ? "the JVM itself" : "somebody else");
		err->sys = EADDRINUSE;
		return hint_other(err);
	}
	if (owner) {
		error_set(err, ERR_REFUSED, "port %u is a containerPort of '%s'", port, owner);
		return hint_other(err);
	}
	return 0;
}

int port_check_bind(uint16_t port, const json_t *survey, struct error *err)
{
	int sys = survey_bind(survey);

	if (!sys)
		return 0;
	if (sys == EADDRINUSE) {
		error_set(err, ERR_REFUSED,
			  "port %u is in use: nobody listens there, but a socket of the pod has it "
			  "(perhaps a connection that it has opened)",
			  port);
		err->sys = sys;
	} else {
		error_sys(err, ERR_REFUSED, sys, "the JVM cannot listen on port %u", port);
	}
	return hint_other(err);
}

int port_check_kept(uint16_t port, const json_t *survey, struct error *err)
{
	if (survey_next(survey) == port)
		return 0;
	error_set(err, ERR_REFUSED,
		  "port %u is one of those that the kernel gives to connections "
		  "(net.ipv4.ip_local_port_range): one may have it before the exporter, which then "
		  "ends the JVM",
		  port);
	return hint_other(err);
}

int port_none(const struct port_range *range, const struct error *why, struct error *err)
{
	if (range->first == range->last) {
		*err = *why;
		return -1;
	}
	error_set(err, ERR_REFUSED, "no port from %u to %u is free", range->first, range->last);
	return error_hint(err, "the last of them: %s", why->msg);
}

int port_choose(const struct port_range *range, const json_t *survey, const json_t *pod,
		uint16_t *ret, struct error *err)
{
	struct error why = {0};

	for (unsigned int port = range->first; port <= range->last; port++)
		if (port_check((uint16_t)port, survey, pod, &why) == 0) {
			*ret = (uint16_t)port;
			return 0;
		}
	return port_none(range, &why, err);
}
