#include "jdiag/targets_read.h"

#include <jansson.h>

#include "jdiag/json.h"
#include "jdiag/kube/patch.h"
#include "jdiag/kube/workload.h"
#include "jdiag/options.h"
#include "jdiag/target.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

int targets_check(char *const *words, struct error *err)
{
	struct target t;

	for (; *words; words++) {
		if (target_parse(*words, &t, err) < 0)
			return -1;
		if (t.kind != TARGET_SSH)
			continue;
		error_set(err, ERR_USAGE, "'%s' has no targets", *words);
		return error_hint(err,
				  "what is a target is told by the cluster's pods: name one, or "
				  "use -l SELECTOR or -A");
	}
	return 0;
}

static int take_pod(struct kube *k, const struct target *t, json_t *pods, struct error *err)
{
	json_t *object;

	if (kube_get_pod(k, kube_namespace(k), t->name, &object, err) < 0)
		return -1;
	json_array_append_new(pods, object);
	return 0;
}

static int take_node(struct kube *k, const struct target *t, json_t *pods, struct error *err)
{
	auto_free char *field = xasprintf("spec.nodeName=%s", t->name);
	auto_json json_t *found = NULL;

	if (kube_list_pods_whole(k, NULL, NULL, field, &found, err) < 0)
		return -1;
	json_array_extend(pods, found);
	return 0;
}

static int take_workload(struct kube *k, const struct target *t, json_t *pods, struct error *err)
{
	auto_buf struct buf selector = BUF_INIT(MAX_API_QUERY);
	auto_json json_t *owner = NULL, *found = NULL;
	const char *ns = kube_namespace(k);
	json_t *pod;
	size_t i;

	if (kube_get_workload(k, workload_kind(t->workload), ns, t->name, &owner, err) < 0 ||
	    workload_selector(owner, &selector, err) < 0 ||
	    kube_list_pods_whole(k, ns, buf_str(&selector), NULL, &found, err) < 0)
		return -1;
	json_array_foreach (found, i, pod)
		if (workload_owns(t->workload, owner, pod))
			json_array_append(pods, pod);
	return 0;
}

static int take_word(struct kube *k, const char *word, json_t *pods, struct error *err)
{
	struct target t;

	if (target_parse(word, &t, err) < 0)
		return -1;
	switch (t.kind) {
	case TARGET_POD:
		return take_pod(k, &t, pods, err);
	case TARGET_WORKLOAD:
		return take_workload(k, &t, pods, err);
	case TARGET_NODE:
		return take_node(k, &t, pods, err);
	case TARGET_SSH:
		break;
	}
	return error_set(err, ERR_USAGE, "'%s' has no targets", word);
}

static int take_words(struct kube *k, char *const *words, bool missing_is_none, json_t *pods,
		      struct error *err)
{
	for (; *words; words++) {
		struct error why = {0};

		if (take_word(k, *words, pods, &why) == 0)
			continue;
		if (!missing_is_none || why.code != ERR_TARGET) {
			*err = why;
			return -1;
		}
		log_at(LOG_NOTICE, "%s", why.msg);
	}
	return 0;
}

int targets_read(struct kube *k, const struct options *o, char *const *words, bool missing_is_none,
		 json_t **ret, struct error *err)
{
	const char *ns = o->all_namespaces ? NULL : kube_namespace(k);
	json_t *pods;

	if (!*words)
		return kube_list_pods_whole(k, ns, o->selector, o->field_selector, ret, err);
	pods = json_array();
	if (take_words(k, words, missing_is_none, pods, err) < 0) {
		json_decref(pods);
		return -1;
	}
	*ret = pods;
	return 0;
}
