/* What is said about a JVM that the exporter has taken along. */
#ifndef JDIAG_EXPORTER_ENDED_H
#define JDIAG_EXPORTER_ENDED_H

#include "jdiag/exporter/work.h"

/* err (ESRCH) says that the JVM has ended: put there how, if it is not known yet (agent/ended.h),
 * and where to read on. Returns -1. */
int exporter_tell_end(struct exporter_work *w, const struct exporter_jvm *j, struct error *err);

#endif
