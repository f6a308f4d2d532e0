/* What the command line asks of a capture: checked, and as the parameters of `inspect` and `begin`
 * (remote/wire/PROTOCOL.md). */
#ifndef JDIAG_CAPTURE_OPTIONS_H
#define JDIAG_CAPTURE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/codec/codec.h"

struct json_t;
struct options;
struct preflight;
struct session;
struct target;

/* What is not taken from struct options as it is. */
struct capture_options {
	enum codec codec;	  /* of the artifact: --format, else by the name of --to */
	uint64_t buffer, percent; /* --buffer; 0: not given */
};

/* Whether the options of `heapdump` go together, and with this target. ERR_USAGE. */
int capture_options_take(struct capture_options *ret, const struct options *o,
			 const struct target *t, struct error *err) must_check;

/* What an estimate depends on, but for the room at the destination: not limited until somebody says
 * so. The session has its container. */
void capture_preflight(struct preflight *p, const struct capture_options *c,
		       const struct options *o, const struct session *s);

/* A new object. attach: the JVM itself is asked. */
struct json_t *capture_inspect_params(const struct capture_options *c, const struct options *o,
				      const struct json_t *jvm, bool attach) must_check;

struct capture_begin {
	const char *id;
	const struct json_t *jvm; /* as `ps` gave it */
	const struct preflight *preflight;
	struct capture_options options;
};

/* A new object. */
struct json_t *capture_begin_params(const struct capture_begin *c, const struct options *o,
				    const struct json_t *label) must_check;

#endif
