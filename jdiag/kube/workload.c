#include "jdiag/kube/workload.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define VALUE_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define KEY_CHARS VALUE_CHARS "/"

static const struct {
	const char *word;
	struct kube_kind kind;
	const char *name; /* in ownerReferences */
} workloads[] = {
	[WORKLOAD_DEPLOYMENT] = {"deploy", {"apps", "deployments"}, "Deployment"},
	[WORKLOAD_STATEFULSET] = {"sts", {"apps", "statefulsets"}, "StatefulSet"},
	[WORKLOAD_DAEMONSET] = {"ds", {"apps", "daemonsets"}, "DaemonSet"},
	[WORKLOAD_REPLICASET] = {"rs", {"apps", "replicasets"}, "ReplicaSet"},
	[WORKLOAD_JOB] = {"job", {"batch", "jobs"}, "Job"},
};

const struct kube_kind *workload_kind(enum workload w)
{
	return &workloads[w].kind;
}

const char *workload_word(enum workload w)
{
	return workloads[w].word;
}

/* ---- its selector ---- */

/* Nothing that would mean something else inside a selector. */
static bool is_key(const char *s)
{
	return str_only(s, KEY_CHARS);
}

static bool is_value(const char *s)
{
	return !*s || str_only(s, VALUE_CHARS);
}

static bool add_labels(struct buf *b, const json_t *labels)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)labels, key, value) {
		const char *text = json_string_value(value);

		if (!text || !is_key(key) || !is_value(text))
			return false;
		buf_addf(b, "%s%s=%s", b->len ? "," : "", key, text);
	}
	return true;
}

static bool add_values(struct buf *b, const json_t *values)
{
	const json_t *value;
	size_t i;

	if (json_array_size(values) == 0)
		return false;
	json_array_foreach (values, i, value) {
		const char *text = json_string_value(value);

		if (!text || !is_value(text))
			return false;
		buf_addf(b, "%s%s", i ? "," : "(", text);
	}
	buf_adds(b, ")");
	return true;
}

static bool add_expression(struct buf *b, const json_t *expression)
{
	const char *key = json_str_at(expression, "key", "");
	const char *op = json_str_at(expression, "operator", "");
	const char *comma = b->len ? "," : "";

	if (!is_key(key))
		return false;
	if (strcmp(op, "Exists") == 0) {
		buf_addf(b, "%s%s", comma, key);
	} else if (strcmp(op, "DoesNotExist") == 0) {
		buf_addf(b, "%s!%s", comma, key);
	} else if (strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) {
		buf_addf(b, "%s%s %s ", comma, key, *op == 'I' ? "in" : "notin");
		return add_values(b, json_at(expression, "values"));
	} else {
		return false;
	}
	return true;
}

int workload_selector(const json_t *object, struct buf *ret, struct error *err)
{
	const json_t *expression;
	bool good = add_labels(ret, json_at(object, "spec.selector.matchLabels"));
	size_t i;

	json_array_foreach (json_at(object, "spec.selector.matchExpressions"), i, expression)
		good = good && add_expression(ret, expression);
	if (good && ret->len && !ret->overflow)
		return 0;
	return error_set(err, ERR_API, "the selector of '%s' cannot be used",
			 json_str_at(object, "metadata.name", "?"));
}

/* ---- its pods ---- */

static const json_t *controller(const json_t *pod)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_at(pod, "metadata.ownerReferences"), i, one)
		if (json_bool_at(one, "controller", false))
			return one;
	return NULL;
}

/* The replica set of a deployment is named by it and by the hash that its pods carry. */
static bool is_of_deployment(const json_t *object, const json_t *owner, const json_t *pod)
{
	const json_t *labels = json_at(pod, "metadata.labels");
	const char *hash = json_string_value(json_object_get(labels, "pod-template-hash"));
	auto_free char *name =
		xasprintf("%s-%s", json_str_at(object, "metadata.name", ""), hash ? hash : "");

	return hash && strcmp(json_str_at(owner, "kind", ""), "ReplicaSet") == 0 &&
	       strcmp(json_str_at(owner, "name", ""), name) == 0;
}

bool workload_owns(enum workload w, const json_t *object, const json_t *pod)
{
	const char *uid = json_str_at(object, "metadata.uid", "");
	const json_t *owner = controller(pod);

	if (!owner)
		return false;
	if (w == WORKLOAD_DEPLOYMENT)
		return is_of_deployment(object, owner, pod);
	return strcmp(json_str_at(owner, "kind", ""), workloads[w].name) == 0 && *uid &&
	       strcmp(json_str_at(owner, "uid", ""), uid) == 0;
}

/* ---- the best of them ---- */

/* When it became ready, as the API writes times (they compare as text); NULL: it is not. */
static const char *ready_since(const json_t *pod)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_at(pod, "status.conditions"), i, one)
		if (strcmp(json_str_at(one, "type", ""), "Ready") == 0 &&
		    strcmp(json_str_at(one, "status", ""), "True") == 0)
			return json_str_at(one, "lastTransitionTime", "");
	return NULL;
}

static uint64_t restarts(const json_t *pod)
{
	const json_t *one;
	uint64_t most = 0;
	size_t i;

	json_array_foreach (json_at(pod, "status.containerStatuses"), i, one) {
		uint64_t n = json_u64_at(one, "restartCount", 0);

		most = n > most ? n : most;
	}
	return most;
}

static int running(const json_t *pod)
{
	const char *phase = json_str_at(pod, "status.phase", "");

	return strcmp(phase, "Running") == 0 ? 2 : strcmp(phase, "Unknown") == 0;
}

int pod_compare(const json_t *a, const json_t *b)
{
	const char *ra = ready_since(a), *rb = ready_since(b);
	int d = !*json_str_at(a, "spec.nodeName", "") - !*json_str_at(b, "spec.nodeName", "");

	if (d == 0)
		d = running(b) - running(a);
	if (d == 0)
		d = !ra - !rb;
	if (d == 0 && ra && rb)
		d = strcmp(ra, rb);
	if (d == 0)
		d = (restarts(a) > restarts(b)) - (restarts(a) < restarts(b));
	if (d == 0)
		d = strcmp(json_str_at(a, "metadata.creationTimestamp", ""),
			   json_str_at(b, "metadata.creationTimestamp", ""));
	return d ? d
		 : strcmp(json_str_at(a, "metadata.name", ""), json_str_at(b, "metadata.name", ""));
}
