/*
 * What the cluster API says about the one who asks: is it there, who are we, what may we do.
 * Nothing is read or changed in the cluster. Sources: the Kubernetes API reference,
 * authentication.k8s.io/v1 SelfSubjectReview (since 1.28) and authorization.k8s.io/v1
 * SelfSubjectAccessReview; both are allowed to every authenticated user by the ClusterRole
 * system:basic-user, unless somebody has taken that away.
 */
#ifndef JDIAG_KUBE_ACCESS_H
#define JDIAG_KUBE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/kube/kube.h"

/* GET /version without credentials: reachable, over TLS that is trusted, and a cluster API.
 * version: "v1.34.0", or "" when a server tells that to nobody. */
int kube_look(struct kube *k, char *version, size_t size, struct error *err) must_check;

/* Whether that is sure: the server's certificate is verified. */
bool kube_is_verified(const struct kube *k);

/* Whether the credentials count, and whose they are by the server's own words ("" when it is too
 * old to say). Runs a credential plugin. */
int kube_who(struct kube *k, char *user, size_t size, struct error *err) must_check;

/* One permission, in the words of RBAC. */
struct kube_access {
	const char *verb, *resource; /* "get", "pods" */
	const char *group;	     /* "apps"; "": the core group */
	const char *ns;		     /* NULL: in all namespaces, or not namespaced */
	const char *name;	     /* NULL: any */
};

/* 1 allowed, 0 not, -1 the server does not say. */
int kube_may(struct kube *k, const struct kube_access *a, struct error *err) must_check;

/* "- {apiGroups: [""], resources: [pods], verbs: [get]}" and the two commands that give it to the
 * user ("": unknown), in the namespace alone where there is one. Free with free(). */
char *kube_access_rule(const struct kube_access *a, const char *user) must_check;

/* The answer to a SelfSubjectAccessReview: 1, 0, or -1. For kube_may and for fuzzing. */
int kube_access_parse(const struct json_t *answer, struct error *err) must_check;

#endif
