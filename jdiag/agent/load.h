/*
 * Load an agent into a running JVM, and say in words what came of it. Sources: facts of
 * HotSpotVirtualMachine.java (return codes 100, 101, 102) and attachListener.cpp; JEP 451.
 */
#ifndef JDIAG_AGENT_LOAD_H
#define JDIAG_AGENT_LOAD_H

#include <stdbool.h>

#include "jdiag/jvmref.h"
#include "remote/base/error.h"

struct helper;

enum agent_kind { AGENT_JAR, AGENT_LIBRARY, AGENT_MODULE };

struct agent_request {
	enum agent_kind kind;
	const char *path;    /* as the JVM sees it; of a module its name: "jdk.management.agent" */
	const char *options; /* "" none; may be a secret: never shown */
};

/* May this JVM load agents at all? ERR_ATTACH: EnableDynamicAgentLoading is off (on every version,
 * also where the JVM would not look at it), no attach. *ret_warns: it will print the four lines of
 * JEP 451 on its standard error. */
int agent_check_allowed(struct helper *h, const struct jvmref *j, bool *ret_warns,
			struct error *err) must_check;

/* ERR_ATTACH in words: jar not found or broken, not on the class path, the agent's own start
 * failed, library missing; the JVM has ended (err->sys ESRCH), with its status if it is known. */
int agent_load(struct helper *h, const struct jvmref *j, const struct agent_request *r,
	       struct error *err) must_check;

/* The words of a reply, for that release of Java; for agent_load and tests. 0, or -1 with err. */
int agent_reply(const struct agent_request *r, unsigned int release, int code, const char *text,
		struct error *err) must_check;

#endif
