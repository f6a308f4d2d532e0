/*
 * The agents that OpenJDK brings along and starts by a diagnostic command of its own. There is one:
 * jdk.management.agent (JMX over RMI; in 8 lib/management-agent.jar), by ManagementAgent.start, and
 * without options ManagementAgent.start_local (for tools on the same machine). Its options are the
 * system properties com.sun.management.KEY=VALUE, as KEY=VALUE, separated by commas or blanks.
 * jdk.jdwp.agent can be loaded at a JVM's start only.
 */
#ifndef JDIAG_AGENT_MODULE_H
#define JDIAG_AGENT_MODULE_H

#include "jdiag/agent/load.h"

/* ERR_USAGE: no such module, an option that it does not know. */
int module_check(const struct agent_request *r, struct error *err) must_check;

/* What `jcmd` is asked; free with free(). Of a request that module_check has passed. */
char *module_command(const struct agent_request *r) must_check;

/* As agent_reply. */
int module_reply(const struct agent_request *r, int code, const char *text,
		 struct error *err) must_check;

/* Does it let everybody in: a port, and no authentication? For a warning. */
bool module_is_open(const struct agent_request *r);

#endif
