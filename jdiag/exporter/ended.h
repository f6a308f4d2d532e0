/* How a container has ended, by the cluster: for the error of an agent that took its JVM along. */
#ifndef JDIAG_EXPORTER_ENDED_H
#define JDIAG_EXPORTER_ENDED_H

#include "jdiag/exporter/work.h"

/* The status of that instance of a container in a pod object: 1 with "exit status 1 (Error)" or
 * "signal 9 (OOMKilled)" in ret; 0: it has not ended, as far as the object says. */
int exporter_ended_status(const struct json_t *pod, const char *id, char ret[128]) must_check;

/* err (ESRCH) says that the JVM has ended: put there how, if it is not known yet; the pod is read
 * for some seconds. Returns -1. */
int exporter_tell_end(struct exporter_work *w, const struct exporter_jvm *j, struct error *err);

#endif
