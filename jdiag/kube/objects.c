/* The objects jdiag asks for: one pod, one node, what makes pods, lists. */
#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/patch.h"
#include "remote/base/limits.h"

#define PAGE_SIZE 500

int kube_bad_name(const char *what, const char *name, struct error *err)
{
	return error_set(err, ERR_USAGE, "'%s' cannot be the name of a %s", name, what);
}

/* The API answers the same for a missing pod and a missing namespace: ask about the latter. Best
 * effort, it may be forbidden. */
static int explain_missing_pod(struct kube *k, const char *ns, struct error *err)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/%s", ns);
	const struct kube_get get = {
		.verb = "get", .resource = "namespaces", .name = ns, .path = path};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_json json_t *status = NULL;

	if (kube_send(k, &get, &r, NULL) != 0 || r.status != 404)
		return -1;
	status = json_from_text(buf_str(&r.body), r.body.len, "answer", ERR_API, NULL);
	if (strcmp(json_str_at(status, "details.kind", ""), "namespaces") != 0)
		return -1;
	error_set(err, ERR_TARGET, "no namespace '%s' in the cluster", ns);
	return error_hint(err, "see what there is: kubectl get namespaces (context '%s')",
			  k->config.context);
}

/* What comes back decides where we go and what is touched there. (Whoever takes an object apart
 * sees to it that it has a name.) */
static int check_asked_for(const struct kube_get *get, json_t *object, json_t **ret,
			   struct error *err)
{
	if (strcmp(json_str_at(object, "metadata.name", get->name), get->name) == 0 &&
	    (!get->ns ||
	     strcmp(json_str_at(object, "metadata.namespace", get->ns), get->ns) == 0)) {
		*ret = object;
		return 0;
	}
	json_decref(object);
	return error_set(err, ERR_API, "the cluster API sent another object than '%s' of its %s",
			 get->name, get->resource);
}

int kube_fetch_object(struct kube *k, const struct kube_get *get, json_t **ret, long *ret_status,
		      struct error *err)
{
	json_t *object = NULL;

	if (kube_fetch(k, get, &object, ret_status, err) != 0)
		return -1;
	return check_asked_for(get, object, ret, err);
}

int kube_get_pod(struct kube *k, const char *ns, const char *name, json_t **ret, struct error *err)
{
	auto_free char *path = NULL;
	struct kube_get get = {.verb = "get", .resource = "pods", .ns = ns, .name = name};
	struct error why = {0};
	long status;

	if (!name_is_label(ns))
		return kube_bad_name("namespace", ns, err);
	if (!name_is_subdomain(name))
		return kube_bad_name("pod", name, err);
	path = xasprintf("/api/v1/namespaces/%s/pods/%s", ns, name);
	get.path = path;
	if (kube_fetch_object(k, &get, ret, &status, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return status == 404 && why.code == ERR_TARGET ? explain_missing_pod(k, ns, err) : -1;
}

int kube_get_node(struct kube *k, const char *name, json_t **ret, struct error *err)
{
	auto_free char *path = NULL;
	struct kube_get get = {.verb = "get", .resource = "nodes", .name = name};

	if (!name_is_subdomain(name))
		return kube_bad_name("node", name, err);
	path = xasprintf("/api/v1/nodes/%s", name);
	get.path = path;
	return kube_fetch_object(k, &get, ret, NULL, err);
}

int kube_get_workload(struct kube *k, const struct kube_kind *kind, const char *ns,
		      const char *name, json_t **ret, struct error *err)
{
	auto_free char *path = NULL;
	struct kube_get get = {.verb = "get",
			       .group = kind->group,
			       .resource = kind->resource,
			       .ns = ns,
			       .name = name};

	if (!name_is_label(ns))
		return kube_bad_name("namespace", ns, err);
	if (!name_is_subdomain(name))
		return kube_bad_name("workload", name, err);
	path = xasprintf("/apis/%s/v1/namespaces/%s/%s/%s", kind->group, ns, kind->resource, name);
	get.path = path;
	return kube_fetch_object(k, &get, ret, NULL, err);
}

struct listing {
	const char *resource, *ns, *labels, *fields;
	bool annotations; /* are kept */
	json_t *items;	  /* owned; what was gathered so far */
	char *next;	  /* owned; the continue token, NULL at the end */
};

static void listing_release(struct listing *l)
{
	json_decref(l->items);
	free_cleanup(&l->next);
}

static void add_query(struct buf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(b, "&%s=", name);
	http_escape(b, value);
}

static int fetch_page(struct kube *k, const struct listing *l, json_t **ret, long *ret_status,
		      struct error *err)
{
	auto_buf struct buf path = BUF_INIT(MAX_API_QUERY);
	struct kube_get get = {.verb = "list", .resource = l->resource, .ns = l->ns};

	buf_addf(&path, "/api/v1/%s%s%s%s?limit=%d", l->ns ? "namespaces/" : "", l->ns ? l->ns : "",
		 l->ns ? "/" : "", l->resource, PAGE_SIZE);
	add_query(&path, "labelSelector", l->labels);
	add_query(&path, "fieldSelector", l->fields);
	add_query(&path, "continue", l->next);
	if (path.overflow)
		return error_set(err, ERR_USAGE, "the selector is too long");
	get.path = buf_str(&path);
	get.has_selector = (l->labels || l->fields) && !l->next;
	return kube_fetch(k, &get, ret, ret_status, err);
}

/* What nobody here reads, and what is half of an object's size. */
static void prune(json_t *object, bool keep_annotations)
{
	json_t *meta = json_object_get(object, "metadata");

	json_object_del(meta, "managedFields");
	if (!keep_annotations)
		json_object_del(meta, "annotations");
}

static int take_page(struct listing *l, const json_t *page, struct error *err)
{
	const json_t *items = json_object_get(page, "items");
	const char *next = json_str_at(page, "metadata.continue", "");
	size_t i;
	json_t *object;

	if (!json_is_array(items) && !json_is_null(items))
		return error_set(err, ERR_API, "answer of the cluster API is not a list");
	if (json_array_size(l->items) + json_array_size(items) > MAX_API_ITEMS ||
	    (*next && (!json_array_size(items) || (l->next && strcmp(next, l->next) == 0))))
		return error_set(err, ERR_API, "the cluster API's list of %s does not end",
				 l->resource);
	json_array_foreach (items, i, object) {
		prune(object, l->annotations);
		json_array_append(l->items, object);
	}
	free_cleanup(&l->next);
	l->next = *next ? xstrdup(next) : NULL;
	return 0;
}

/* -1 with *ret_status = 410 when the list has to begin again. */
static int list_all(struct kube *k, struct listing *l, long *ret_status, struct error *err)
{
	do {
		auto_json json_t *page = NULL;

		if (fetch_page(k, l, &page, ret_status, err) != 0)
			return -1;
		*ret_status = 0;
		if (take_page(l, page, err) != 0)
			return -1;
	} while (l->next);
	return 0;
}

/* Of what is in the listing: the items in *ret, a new array. */
static int list_twice(struct kube *k, const struct listing *what, json_t **ret, struct error *err)
{
	struct error why = {0};
	long status = 0;

	/* a continue token lives for about five minutes, then it is 410 Gone */
	for (int round = 0; round < 2; round++) {
		auto_cleanup(listing_release) struct listing l = *what;

		l.items = json_array();
		if (list_all(k, &l, &status, &why) == 0) {
			*ret = STEAL(l.items);
			return 0;
		}
		if (status != 410)
			break;
	}
	if (err)
		*err = why;
	return -1;
}

int kube_list_nodes(struct kube *k, json_t **ret, struct error *err)
{
	/* their annotations are few, and say which machine it is */
	return list_twice(k, &(struct listing){.resource = "nodes", .annotations = true}, ret, err);
}

static int list_pods(struct kube *k, const struct listing *what, json_t **ret, struct error *err)
{
	if (what->ns && !name_is_label(what->ns))
		return kube_bad_name("namespace", what->ns, err);
	return list_twice(k, what, ret, err);
}

int kube_list_pods(struct kube *k, const char *ns, const char *label_selector,
		   const char *field_selector, json_t **ret, struct error *err)
{
	const struct listing what = {
		.resource = "pods", .ns = ns, .labels = label_selector, .fields = field_selector};

	return list_pods(k, &what, ret, err);
}

int kube_list_pods_whole(struct kube *k, const char *ns, const char *label_selector,
			 const char *field_selector, json_t **ret, struct error *err)
{
	const struct listing what = {.resource = "pods",
				     .ns = ns,
				     .labels = label_selector,
				     .fields = field_selector,
				     .annotations = true};

	return list_pods(k, &what, ret, err);
}
