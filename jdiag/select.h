/*
 * What a command works on: the words of the command line (pods, deployments and their like, nodes,
 * hosts) or -l, made into a list of pods and the nodes that they are on. The API is asked as little
 * as possible: one list for each selector, one GET for each pod that is named, and for the nodes
 * one list when there are more than a few of them (without the permission for that, one GET for
 * each).
 *
 * A workload or a selector with more than one pod is refused, and the pods are listed, unless the
 * command takes all of them by itself, or --all or --any is given. --any takes the one that
 * `kubectl exec` would take (workload.h). Pods that a selector has found and that do not run
 * (pending, ended, being deleted) are left out, with a notice; one that is named by a word is an
 * error of its own. A pod that is found twice is worked on once.
 */
#ifndef JDIAG_SELECT_H
#define JDIAG_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/target.h"
#include "remote/base/error.h"

struct json_t;
struct kube;
struct options;

struct selected {
	struct target target; /* a pod, with its namespace; a node; ssh:// */
	char *label;	      /* owned: "web-0", "shop/web-0", "node/n", "ssh://host" */
	struct json_t *pod;   /* owned; NULL: no pod */
	size_t node;	      /* its place in nodes */
};

/* One connection; a node may have several (selection_spread). */
struct selected_node {
	struct target target;  /* TARGET_NODE, TARGET_SSH; a pod without a node: TARGET_POD */
	struct json_t *object; /* owned; NULL for ssh://, or when there is none: then ... */
	struct error error;    /* ... code is not 0, and nothing of it can be worked on */
};

struct selection {
	struct kube *kube; /* owned; NULL: no API was needed */
	struct selected *targets;
	size_t n;
	struct selected_node *nodes;
	size_t n_nodes;
};

/* words: NULL-terminated; none: -l and --field-selector of o count. each: the command takes all
 * pods by itself. ret starts zeroed; release it on failure, too. ERR_TARGET when nothing is there,
 * or when there are too many. */
int select_targets(struct selection *ret, const struct options *o, char *const *words, bool each,
		   struct error *err) must_check;

/* Whether the words name one target without asking (no workload, no selector): it goes to *ret. */
int select_is_single(char *const *words, struct target *ret, bool *ret_single,
		     struct error *err) must_check;

/* For light work, of which one node can do more than one at a time: nodes with many pods stand in
 * the list up to `most` times, each with its part of them. Pods with hostNetwork stay together. */
#define SPREAD_MIN 4
void selection_spread(struct selection *s, size_t most);

void selection_release(struct selection *s);

#endif
