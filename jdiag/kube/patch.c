#include "jdiag/kube/patch.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "jdiag/kube/names.h"
#include "remote/base/str.h"

/* One patch: which object, as it was read, and what it shall have. Borrowed. */
struct patch {
	const char *ns, *name, *uid, *version;
	const json_t *annotations;
};

/* Both preconditions are sent as they came; only an object of the API has them. */
static int take(const json_t *object, const json_t *annotations, struct patch *p, struct error *err)
{
	*p = (struct patch){
		.ns = json_str_at(object, "metadata.namespace", ""),
		.name = json_str_at(object, "metadata.name", ""),
		.uid = json_str_at(object, "metadata.uid", ""),
		.version = json_str_at(object, "metadata.resourceVersion", ""),
		.annotations = annotations,
	};
	if (!name_is_label(p->ns) || !name_is_subdomain(p->name) || !*p->uid || !*p->version)
		return error_set(err, ERR_API,
				 "the cluster API sent a pod without name, uid or resourceVersion");
	return 0;
}

static char *body_of(const struct patch *p)
{
	auto_json json_t *root =
		json_pack("{s:{s:s, s:s, s:O}}", "metadata", "uid", p->uid, "resourceVersion",
			  p->version, "annotations", (json_t *)p->annotations);

	if (!root)
		die_oom();
	return json_to_line(root);
}

/* The first annotation that is not as the patch has it, or NULL. */
static const char *differs(const struct patch *p, const json_t *pod)
{
	const json_t *there = json_at(pod, "metadata.annotations");
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)p->annotations, key, value) {
		const json_t *now = json_object_get(there, key);

		if (json_is_null(value) ? now != NULL : !now || !json_equal(value, now))
			return key;
	}
	return NULL;
}

static bool is_same_pod(const struct patch *p, const json_t *pod)
{
	return strcmp(json_str_at(pod, "metadata.uid", ""), p->uid) == 0;
}

static int gone(const struct patch *p, const char *what, struct error *err)
{
	error_set(err, ERR_TARGET, "pod '%s' has changed meanwhile: %s", p->name, what);
	if (err)
		err->sys = ESTALE;
	return error_hint(err, "its annotations were not touched: look at it again, then start "
			       "over");
}

#define REPLACED "it is another pod of the same name"
#define DELETED "it was deleted"

static int changed(const struct patch *p, struct error *err)
{
	error_set(err, ERR_API, "pod '%s' in namespace '%s' was changed by somebody else meanwhile",
		  p->name, p->ns);
	if (err)
		err->sys = EAGAIN;
	return error_hint(err, "its annotations were not touched: try again");
}

/* What is there now: 0 when it is what the patch wanted (whoever did it), 1 when it is not, -1. */
static int look_again(struct kube *k, const struct patch *p, json_t **ret, struct error *err)
{
	auto_json json_t *pod = NULL;

	if (kube_get_pod(k, p->ns, p->name, &pod, err) != 0)
		return -1;
	if (!is_same_pod(p, pod))
		return gone(p, REPLACED, err);
	if (differs(p, pod))
		return 1;
	*ret = STEAL(pod);
	return 0;
}

/* The version was not that of the pod. It may be the patch itself that had changed it, where the
 * answer to its first try was lost. */
static int conflict(struct kube *k, const struct patch *p, json_t **ret, struct error *err)
{
	struct error why = {0};
	int rc = look_again(k, p, ret, &why);

	if (rc == 0)
		return 0;
	if (rc < 0 && why.code == ERR_TARGET && why.sys != ESTALE)
		return gone(p, DELETED, err);
	if (rc > 0 || (why.code != ERR_INTERRUPTED && why.sys != ESTALE))
		return changed(p, err);
	if (err)
		*err = why;
	return -1;
}

/* No answer, or one that does not say whether the patch took effect (of a proxy, of a server that
 * lost its store): err has it. */
static int unsure(struct kube *k, const struct patch *p, json_t **ret, struct error *err)
{
	struct error why = {0};

	if (err->code == ERR_INTERRUPTED)
		return -1;
	/* who was silent for a whole request is not asked another */
	if (err->sys != ETIMEDOUT && look_again(k, p, ret, &why) == 0)
		return 0;
	if (why.code == ERR_INTERRUPTED || why.sys == ESTALE) {
		*err = why;
		return -1;
	}
	error_prefix(err, "annotations of pod '%s'", p->name);
	return error_hint(err,
			  "whether they were set is not known: run it again, or look with\n"
			  "kubectl get pod %s -n %s -o jsonpath='{.metadata.annotations}'",
			  p->name, p->ns);
}

static bool is_status(const json_t *answer)
{
	return strcmp(json_str_at(answer, "kind", ""), "Status") == 0;
}

/* 422 for one of the preconditions, not for an annotation. */
static bool is_other_uid(const json_t *answer)
{
	const json_t *causes = json_at(answer, "details.causes"), *one;

	for (size_t i = 0; (one = json_array_get(causes, i)); i++)
		if (strcmp(json_str_at(one, "field", ""), "metadata.uid") == 0)
			return true;
	return false;
}

/* Something in the cluster may change what is written (an admission webhook). */
static int took_effect(const struct patch *p, json_t *answer, json_t **ret, struct error *err)
{
	const char *key = differs(p, answer);

	if (!is_same_pod(p, answer))
		return error_set(err, ERR_API,
				 "the cluster API sent another object than '%s' of its pods",
				 p->name);
	if (key) {
		error_set(err, ERR_API,
			  "the cluster API took the annotations of pod '%s', but '%s' is not as "
			  "it was sent",
			  p->name, key);
		return error_hint(err, "something in the cluster changes them, as an admission "
				       "webhook can: kubectl get mutatingwebhookconfigurations");
	}
	*ret = json_incref(answer);
	return 0;
}

static int take_answer(struct kube *k, const struct patch *p, const struct kube_get *get,
		       const struct http_response *r, json_t **ret, struct error *err)
{
	auto_json json_t *answer =
		json_from_text(buf_str(&r->body), r->body.len, "answer", ERR_API, NULL);

	if (r->status == 200 && json_is_object(answer))
		return took_effect(p, answer, ret, err);
	if (r->status == 409)
		return conflict(k, p, ret, err);
	if (r->status == 422 && is_other_uid(answer))
		return gone(p, REPLACED, err);
	if (r->status == 404 && is_status(answer))
		return gone(p, DELETED, err);
	kube_status_error(k, get, r, err);
	if (r->status == 200 || r->status >= 500)
		return unsure(k, p, ret, err);
	return kube_add_rule(k, get, err);
}

static int send_patch(struct kube *k, const struct patch *p, json_t **ret, struct error *err)
{
	auto_free char *body = body_of(p);
	auto_free char *path = xasprintf("/api/v1/namespaces/%s/pods/%s", p->ns, p->name);
	const struct kube_get get = {.verb = "patch",
				     .resource = "pods",
				     .ns = p->ns,
				     .name = p->name,
				     .path = path,
				     .body = body,
				     .is_patch = true};
	auto_cleanup(http_response_release) struct http_response r = {0};

	if (kube_send(k, &get, &r, err) == 0)
		return take_answer(k, p, &get, &r, ret, err);
	return err->sys == ECONNRESET || err->sys == ETIMEDOUT ? unsure(k, p, ret, err) : -1;
}

int kube_annotate_pod(struct kube *k, const json_t *object, const json_t *annotations, json_t **ret,
		      struct error *err)
{
	json_t *pod = NULL;
	struct error why = {0};
	struct patch p;

	if (take(object, annotations, &p, err) != 0)
		return -1;
	if (send_patch(k, &p, &pod, &why) != 0) {
		if (err)
			*err = why;
		return -1;
	}
	if (ret)
		*ret = pod;
	else
		json_decref(pod);
	return 0;
}
