/*
 * A node of a cluster, or an instance of the Compute Engine, as one flat object: what `jdiag nodes`
 * prints as JSON, takes its columns from and filters by. A member that is not known is not there.
 *
 * node: name, status ("Ready", "NotReady", "Unknown"), cordoned, addresses [{type, address}], arch,
 * kernel, runtime, os, osImage, kubelet, machineType, zone, region, project, providerID,
 * creationTimestamp, labels.
 * instance: name, id, status, internal, external, machineType, zone, project, creationTimestamp,
 * labels.
 * Whoever lists them adds the address that jdiag would use, or addressError.
 */
#ifndef JDIAG_NODE_RECORD_H
#define JDIAG_NODE_RECORD_H

#include "remote/base/error.h"

struct json_t;

/* New references. ERR_API: it is not a node. */
int node_record(const struct json_t *node, struct json_t **ret, struct error *err) must_check;
struct json_t *instance_record(const struct json_t *instance, const char *project) must_check;

/* What a filter looks at: the record, where status is a list that also has "Cordoned", and
 * "RUNNING" (as an instance says it) for a node that is Ready, and addresses are plain texts. A new
 * reference. */
struct json_t *node_record_for_filter(const struct json_t *record) must_check;

/* The names that a filter of nodes may begin with, NULL-terminated. */
extern const char *const node_record_fields[];

#endif
