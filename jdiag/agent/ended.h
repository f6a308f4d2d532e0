/* How a JVM has ended that an agent took along, by the cluster: before kernel 6.15 the node cannot
 * tell. */
#ifndef JDIAG_AGENT_ENDED_H
#define JDIAG_AGENT_ENDED_H

#include "remote/base/error.h"

#define AGENT_END_UNKNOWN "how is not known" /* as the helper says it */

struct json_t;
struct pod_container;
struct session;

/* The status of that instance of a container in a pod object: 1 with "exit status 1 (Error)" or
 * "signal 9 (OOMKilled)" in ret; 0: it has not ended, as far as the object says. */
int agent_ended_status(const struct json_t *pod, const char *id, char ret[128]) must_check;

/* err (ESRCH) says that a JVM of the session's pod has ended in that container: put there how, if
 * that is not known; the pod is read for some seconds. c NULL, or no pod: it stays unknown. Returns
 * -1. */
int agent_tell_end(struct session *s, const struct pod_container *c, struct error *err);

#endif
