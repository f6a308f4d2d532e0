/* The agent that --jar, --native or --module names: looked at, before anybody is asked for it. */
#ifndef JDIAG_AGENT_SOURCE_H
#define JDIAG_AGENT_SOURCE_H

#include "jdiag/agent/jar.h"
#include "jdiag/agent/load.h"
#include "jdiag/agent/place.h"

struct json_t;
struct options;

struct agent_source {
	enum agent_kind kind;
	const char *given;	    /* file or module, as on the command line; borrowed */
	const char *options;	    /* --options or ""; borrowed, maybe a secret */
	struct agent_jar jar;	    /* AGENT_JAR */
	struct buf library;	    /* AGENT_LIBRARY, once agent_source_for was called */
	char sha256[65];	    /* of the file; "" of a module */
	char name[AGENT_NAME_SIZE]; /* of the file in the container, with 12 digits of it */
};

/* Exactly one of the three has to be given (ERR_USAGE). A jar is opened and checked here, the
 * options of a module, too. ret starts zeroed; release it on failure, too. */
int agent_source_open(struct agent_source *ret, const struct options *o,
		      struct error *err) must_check;

/* What is left to check once the node is known: a library is opened for its machine (`uname -m`),
 * and the JVM has to be young enough. release: 0 unknown. ERR_USAGE, ERR_REFUSED. */
int agent_source_for(struct agent_source *a, const char *machine, unsigned int release,
		     struct error *err) must_check;

/* The file's bytes; of no module. */
const struct buf *agent_source_data(const struct agent_source *a);

/* "naughty.jar (rig.Naughty 1.0)" for people; free with free(). */
char *agent_source_text(const struct agent_source *a) must_check;

/* {"kind":"jar", "name", "sha256", "class", "title", "version"}; of a module kind and name. New. */
struct json_t *agent_source_json(const struct agent_source *a) must_check;

void agent_source_release(struct agent_source *a);

#endif
