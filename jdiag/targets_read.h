/* The pods that `jdiag targets` is about, as the cluster has them now. */
#ifndef JDIAG_TARGETS_READ_H
#define JDIAG_TARGETS_READ_H

#include <stdbool.h>

#include "remote/base/error.h"

struct json_t;
struct kube;
struct options;

/* words: pods, workloads, nodes; none: -l, --field-selector and -A of o. ssh:// is ERR_USAGE.
 * missing_is_none: a pod or workload that is not there has no targets (it may come); else it is
 * ERR_TARGET. *ret: a new array of pod objects with their annotations; some may be there twice. */
int targets_read(struct kube *k, const struct options *o, char *const *words, bool missing_is_none,
		 struct json_t **ret, struct error *err) must_check;

/* What of the words cannot be, before anything is asked. */
int targets_check(char *const *words, struct error *err) must_check;

#endif
