/*
 * The only writes that jdiag makes in a cluster: annotations of a pod, by a JSON merge patch whose
 * metadata has uid and resourceVersion, so that it takes effect on the object that was read or not
 * at all. Sources: RFC 7386; the API conventions on concurrency control; fixtures/kube/patch-*.
 */
#ifndef JDIAG_KUBE_PATCH_H
#define JDIAG_KUBE_PATCH_H

#include <stddef.h>

#include "jdiag/kube/kube.h"

/* object: the pod as it was read (of a list, too). annotations: an object of strings and nulls
 * (remove). *ret (may be NULL): the new pod. ERR_API: forbidden, with the rule that is missing
 * (EACCES in err->sys). ERR_TARGET with ESTALE: it is another pod now (409, 422, 404). ERR_API with
 * EAGAIN: it was changed meanwhile; read it again. A lost answer is looked up: success means that
 * the annotations are there, any error but these three says whether that is known. */
int kube_annotate_pod(struct kube *k, const struct json_t *object, const struct json_t *annotations,
		      struct json_t **ret, struct error *err) must_check;

/* The text of one key of a ConfigMap (data, or binaryData decoded). key NULL: the only one.
 * ERR_TARGET: no such ConfigMap or key, several keys (they are listed). *ret: free with free(). */
int kube_read_configmap(struct kube *k, const char *ns, const char *name, const char *key,
			char **ret, size_t *ret_len, struct error *err) must_check;

/* As kube_list_pods, with their annotations. */
int kube_list_pods_whole(struct kube *k, const char *ns, const char *label_selector,
			 const char *field_selector, struct json_t **ret,
			 struct error *err) must_check;

#endif
