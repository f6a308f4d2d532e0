/*
 * Deployments and their like: the pods that they have made. Which pods those are is what their own
 * spec.selector says; of these only the ones whose controller they are, as far as the pod itself
 * tells (for a deployment the name of its replica set).
 */
#ifndef JDIAG_KUBE_WORKLOAD_H
#define JDIAG_KUBE_WORKLOAD_H

#include <stdbool.h>

#include "jdiag/target.h"
#include "remote/base/error.h"

struct buf;
struct json_t;
struct kube_kind;

/* How the API calls it. */
const struct kube_kind *workload_kind(enum workload w);

/* "deploy", "sts" ...: as TARGET has it. */
const char *workload_word(enum workload w);

/* spec.selector (matchLabels and matchExpressions) as the text of a label selector. ERR_API for one
 * that the API server would not have taken, or that selects everything. */
int workload_selector(const struct json_t *object, struct buf *ret, struct error *err) must_check;

/* Whether the pod says that it is one of its pods. */
bool workload_owns(enum workload w, const struct json_t *object, const struct json_t *pod);

/*
 * The order in which kubectl exec chooses among pods (k8s.io/kubectl, ActivePods): one that has a
 * node, is running, is ready, is ready for the longest time, was restarted least, is the oldest;
 * then by name. Below 0 when a is the better one.
 */
int pod_compare(const struct json_t *a, const struct json_t *b);

#endif
