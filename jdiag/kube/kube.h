/*
 * The cluster API, as far as jdiag needs it. Sources: facts of client-go's clientcmd and exec
 * plugin; the Kubernetes API reference. Errors have ERR_API (unreachable, 401, 403 with the missing
 * verb and resource), ERR_TARGET (404: pod, namespace), ERR_USAGE (kubeconfig, context, names and
 * selectors that cannot be).
 *
 * Every request goes once more after a connection that broke (none of them does more the second
 * time: patch.h), once more with a new credential after a 401 to a plugin's, and up to three times
 * after 429 and 503, waiting as Retry-After says (at most 30 s, interruptible). Redirects are
 * errors. Nothing secret is in errors or logs, also when a server echoes it.
 */
#ifndef JDIAG_KUBE_KUBE_H
#define JDIAG_KUBE_KUBE_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;
struct kube;

struct kube_options {
	const char *kubeconfig; /* --kubeconfig: this file only; NULL: $KUBECONFIG, ~/.kube/config,
				   in-cluster */
	const char *context, *cluster, *user, *as; /* NULL: as the kubeconfig says */
	const char *namespace_;			   /* -n; NULL: the context's, else "default" */
	uint64_t request_timeout_ms;		   /* 0: 30 s */
	bool no_input;				   /* exec plugins may not ask */
};

/* Read the configuration and prepare credentials; no request is sent yet. */
int kube_open(struct kube **ret, const struct kube_options *o, struct error *err) must_check;
void kube_close(struct kube *k);

/* Give up the connection; configuration and credentials stay, the next request connects again. To
 * be called before a fork: two processes cannot share one. */
void kube_disconnect(struct kube *k);

const char *kube_namespace(const struct kube *k); /* the effective one */
const char *kube_context(const struct kube *k);	  /* "" in-cluster */
const char *kube_server(const struct kube *k);	  /* URL, for messages */

/* GET one object. A new reference. */
int kube_get_pod(struct kube *k, const char *ns, const char *name, struct json_t **ret,
		 struct error *err) must_check;
int kube_get_node(struct kube *k, const char *name, struct json_t **ret,
		  struct error *err) must_check;

/* "deployments" of "apps", as the API calls them. */
struct kube_kind {
	const char *group, *resource;
};

int kube_get_workload(struct kube *k, const struct kube_kind *kind, const char *ns,
		      const char *name, struct json_t **ret, struct error *err) must_check;

/* All nodes, as below. Not to be allowed to (it takes more than `get`) has EACCES in err->sys. */
int kube_list_nodes(struct kube *k, struct json_t **ret, struct error *err) must_check;

/* All pods that match, over all pages (410 on a page: once more from the start). ns NULL: all
 * namespaces. Selectors may be NULL. *ret is a new array of pod objects, without managedFields and
 * annotations. At most MAX_API_ITEMS. */
int kube_list_pods(struct kube *k, const char *ns, const char *label_selector,
		   const char *field_selector, struct json_t **ret, struct error *err) must_check;

#endif
