/*
 * Load an agent into a running JVM, and say in words what came of it. Sources: facts of
 * HotSpotVirtualMachine.java (return codes 100, 101, 102) and attachListener.cpp; JEP 451.
 */
#ifndef JDIAG_AGENT_LOAD_H
#define JDIAG_AGENT_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

#define AGENT_LOAD_MS 30000

struct helper;

enum agent_kind { AGENT_JAR, AGENT_LIBRARY, AGENT_MODULE };

struct agent_request {
	enum agent_kind kind;
	const char *path;    /* as the JVM sees it; of a module its name: "jdk.management.agent" */
	const char *options; /* "" none; may be a secret: never shown */
	/* conditions, as of jvm_ask_if; 0 and NULL: none */
	uint16_t unless_port;
	const char *unless_jar, *needs;
};

/* May this JVM load agents at all? ERR_ATTACH: EnableDynamicAgentLoading is off (on every version,
 * also where the JVM would not look at it), no attach. *ret_warns: it will print the four lines of
 * JEP 451 on its standard error. */
int agent_check_allowed(struct helper *h, const struct jvmref *j, bool *ret_warns,
			struct error *err) must_check;

/*
 * ERR_ATTACH in words: jar not found or broken, not on the class path, the agent's own start
 * failed, library missing. err->sys says what became of it:
 *	ENOEXEC    the JVM has taken in nothing of it: its file is of no use any more
 *	ESRCH      the JVM has ended, with its status in the message if the node could tell it
 *	ENOTCONN   the JVM could not be reached: it was told nothing
 *	ETIMEDOUT  no answer within AGENT_LOAD_MS: it may be loaded, or still be at its start
 *	ECANCELED  its own start failed: a part of it is in the JVM
 *	0          it is not known
 * ERR_USAGE when the options do not fit, ERR_REFUSED when a condition is against it or somebody
 * else is at work on the JVM; then nothing was asked. Other errors of the node have err->sys
 * ENOTCONN when nothing was.
 */
int agent_load(struct helper *h, const struct jvmref *j, const struct agent_request *r,
	       struct error *err) must_check;

/* After a failure of it: is nothing of the agent in the JVM, so that its file is of no use? */
bool agent_is_out(const struct error *err) must_check;

/* What can be said about it without asking: a path that the JVM would misread, options that are too
 * long, a module that is none. ERR_USAGE. For agent_load, and before anything is copied. */
int agent_check_request(const struct agent_request *r, unsigned int release,
			struct error *err) must_check;

/* The words of a reply, for that release of Java; for agent_load and tests. 0, or -1 with err. */
int agent_reply(const struct agent_request *r, unsigned int release, int code, const char *text,
		struct error *err) must_check;

#endif
