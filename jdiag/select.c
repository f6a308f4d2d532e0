#include "jdiag/select.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/kube/pod.h"
#include "jdiag/kube/workload.h"
#include "jdiag/options.h"
#include "jdiag/session.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define FEW_NODES 8	    /* up to so many are read one by one */
#define SHOWN_CANDIDATES 12 /* in the hint of an error */

/* What is being put together. */
struct selecting {
	struct selection *s;
	const struct options *o;
	bool each;
};

/* ---- the cluster ---- */

static int open_cluster(struct selecting *g, struct error *err)
{
	struct session session;
	int rc;

	if (g->s->kube)
		return 0;
	session_init(&session, g->o);
	rc = session_open_cluster(&session, err);
	g->s->kube = STEAL(session.kube);
	return rc;
}

/* ---- targets ---- */

static struct selected *add(struct selection *s, const struct target *t, struct error *err)
{
	if (s->n == MAX_TARGETS) {
		error_set(err, ERR_TARGET, "too many targets: at most %d at once", MAX_TARGETS);
		return NULL;
	}
	s->targets = xrealloc(s->targets, (s->n + 1) * sizeof(*s->targets));
	s->targets[s->n] = (struct selected){.target = *t, .node = SIZE_MAX};
	return &s->targets[s->n++];
}

static bool same_target(const struct target *a, const struct target *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->ns, b->ns) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->user, b->user) == 0 && a->port == b->port;
}

static bool is_there(const struct selection *s, const struct target *t)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_target(&s->targets[i].target, t))
			return true;
	return false;
}

static int add_pod(struct selecting *g, json_t *object, struct error *err)
{
	struct target t = {.kind = TARGET_POD};
	struct selected *one;

	if (!str_copy(t.name, sizeof(t.name), json_str_at(object, "metadata.name", "")) ||
	    !str_copy(t.ns, sizeof(t.ns), json_str_at(object, "metadata.namespace", "")))
		return error_set(err, ERR_API, "the cluster API sent a pod whose name is too long");
	if (is_there(g->s, &t))
		return 0;
	one = add(g->s, &t, err);
	if (!one)
		return -1;
	one->pod = json_incref(object);
	return 0;
}

static int take_pod(struct selecting *g, const struct target *t, struct error *err)
{
	auto_json json_t *object = NULL;

	if (open_cluster(g, err) < 0 ||
	    kube_get_pod(g->s->kube, kube_namespace(g->s->kube), t->name, &object, err) < 0)
		return -1;
	return add_pod(g, object, err);
}

/* ---- of those that a selector has found ---- */

/* Runs, as far as the cluster knows. */
static bool is_up(const json_t *pod)
{
	return strcmp(json_str_at(pod, "status.phase", ""), "Running") == 0 &&
	       *json_str_at(pod, "spec.nodeName", "") &&
	       !json_at(pod, "metadata.deletionTimestamp");
}

static void tell_left_out(const json_t *pod)
{
	log_at(LOG_NOTICE, "pod '%s' is left out: %s", json_str_at(pod, "metadata.name", "?"),
	       json_at(pod, "metadata.deletionTimestamp") ? "it is being deleted"
							  : json_str_at(pod, "status.phase", "?"));
}

/* A new array: those that run, and belong to the workload (NULL: any). */
static json_t *keep_running(const json_t *pods, const json_t *owner, enum workload w)
{
	json_t *kept = json_array();
	json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod) {
		if (owner && !workload_owns(w, owner, pod))
			continue;
		if (is_up(pod))
			json_array_append(kept, pod);
		else
			tell_left_out(pod);
	}
	return kept;
}

static int too_many(const json_t *pods, const char *what, bool namespaces, struct error *err)
{
	size_t n = json_array_size(pods), i;
	auto_buf struct buf list = BUF_INIT(sizeof(err->hint));
	const json_t *pod;

	json_array_foreach (pods, i, pod) {
		if (i < SHOWN_CANDIDATES)
			buf_addf(&list, "  %s%s%s\n",
				 namespaces ? json_str_at(pod, "metadata.namespace", "?") : "",
				 namespaces ? "/" : "", json_str_at(pod, "metadata.name", "?"));
	}
	if (n > SHOWN_CANDIDATES)
		buf_addf(&list, "  ... and %zu more\n", n - SHOWN_CANDIDATES);
	error_set(err, ERR_TARGET, "%s has %zu pods", what, n);
	return error_hint(err,
			  "%sname one of them, or choose with --any (one that is ready) or "
			  "--all (each)",
			  buf_str(&list));
}

static int add_all(struct selecting *g, const json_t *pods, struct error *err)
{
	json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (add_pod(g, pod, err) < 0)
			return -1;
	return 0;
}

static int add_best(struct selecting *g, const json_t *pods, struct error *err)
{
	json_t *pod, *best = NULL;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (!best || pod_compare(pod, best) < 0)
			best = pod;
	return add_pod(g, best, err);
}

/* what: how an error calls it. */
static int choose(struct selecting *g, const json_t *found, const json_t *owner, enum workload w,
		  const char *what, struct error *err)
{
	auto_json json_t *pods = keep_running(found, owner, w);
	size_t n = json_array_size(pods), of = json_array_size(found);

	if (n == 0 && of == 0)
		return error_set(err, ERR_TARGET, "no pod %s", owner ? "is there" : "matches");
	if (n == 0) {
		error_set(err, ERR_TARGET, "%s has no pod that runs", what);
		return error_hint(err, "%zu match: kubectl get pods", of);
	}
	if (g->o->any)
		return add_best(g, pods, err);
	if (n > 1 && !g->each && !g->o->all)
		return too_many(pods, what, g->o->all_namespaces, err);
	return add_all(g, pods, err);
}

static int take_workload(struct selecting *g, const struct target *t, struct error *err)
{
	const struct kube_kind *kind = workload_kind(t->workload);
	auto_free char *what = xasprintf("%s/%s", workload_word(t->workload), t->name);
	auto_buf struct buf selector = BUF_INIT(MAX_API_QUERY);
	auto_json json_t *object = NULL, *pods = NULL;
	const char *ns;

	if (open_cluster(g, err) < 0)
		return -1;
	ns = kube_namespace(g->s->kube);
	if (kube_get_workload(g->s->kube, kind, ns, t->name, &object, err) < 0 ||
	    workload_selector(object, &selector, err) < 0 ||
	    kube_list_pods(g->s->kube, ns, buf_str(&selector), NULL, &pods, err) < 0)
		return -1;
	return choose(g, pods, object, t->workload, what, err);
}

static int take_selector(struct selecting *g, struct error *err)
{
	const struct options *o = g->o;
	auto_json json_t *pods = NULL;

	if (open_cluster(g, err) < 0 ||
	    kube_list_pods(g->s->kube, o->all_namespaces ? NULL : kube_namespace(g->s->kube),
			   o->selector, o->field_selector, &pods, err) < 0)
		return -1;
	return choose(g, pods, NULL, 0, "the selector", err);
}

static int take_word(struct selecting *g, const char *word, struct error *err)
{
	struct target t;

	if (target_parse(word, &t, err) < 0)
		return -1;
	switch (t.kind) {
	case TARGET_POD:
		return take_pod(g, &t, err);
	case TARGET_WORKLOAD:
		return take_workload(g, &t, err);
	case TARGET_NODE:
		if (open_cluster(g, err) < 0)
			return -1;
		break;
	case TARGET_SSH:
		break;
	}
	return is_there(g->s, &t) || add(g->s, &t, err) ? 0 : -1;
}

/* ---- how they are called ---- */

static bool one_namespace(const struct selection *s)
{
	const char *first = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct target *t = &s->targets[i].target;

		if (t->kind != TARGET_POD)
			continue;
		if (first && strcmp(first, t->ns) != 0)
			return false;
		first = t->ns;
	}
	return true;
}

static char *ssh_label(const struct target *t)
{
	bool v6 = strchr(t->host, ':');
	auto_free char *port = t->port ? xasprintf(":%u", t->port) : xstrdup("");

	return xasprintf("ssh://%s%s%s%s%s%s", t->user, t->user[0] ? "@" : "", v6 ? "[" : "",
			 t->host, v6 ? "]" : "", port);
}

static char *label_of(const struct target *t, bool namespaces)
{
	if (t->kind == TARGET_SSH)
		return ssh_label(t);
	if (t->kind == TARGET_NODE)
		return xasprintf("node/%s", t->name);
	return namespaces ? xasprintf("%s/%s", t->ns, t->name) : xstrdup(t->name);
}

/* ---- nodes ---- */

/* The node of a target, as a target of its own; a pod that cannot be reached is on none. */
static struct target place_of(const struct selected *one, struct error *why)
{
	struct target t = one->target;
	struct pod pod;

	if (t.kind != TARGET_POD)
		return t;
	if (pod_from_json(one->pod, &pod, why) < 0 || pod_check_reachable(&pod, why) < 0)
		return t;
	t = (struct target){.kind = TARGET_NODE};
	if (!str_copy(t.name, sizeof(t.name), pod.node))
		error_set(why, ERR_API, "the name of the node of pod '%s' is too long", pod.name);
	return t;
}

static size_t node_index(struct selection *s, const struct target *t, const struct error *why)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (same_target(&s->nodes[i].target, t))
			return i;
	s->nodes = xrealloc(s->nodes, (s->n_nodes + 1) * sizeof(*s->nodes));
	s->nodes[s->n_nodes] = (struct selected_node){.target = *t, .error = *why};
	return s->n_nodes++;
}

static bool is_wanted(const struct selected_node *n)
{
	return n->target.kind == TARGET_NODE && !n->error.code && !n->object;
}

static void find_in_list(struct selection *s, const json_t *list)
{
	auto_json json_t *by_name = json_object();
	json_t *object;
	size_t i;

	json_array_foreach (list, i, object)
		json_object_set(by_name, json_str_at(object, "metadata.name", "?"), object);
	for (i = 0; i < s->n_nodes; i++) {
		struct selected_node *n = &s->nodes[i];

		if (is_wanted(n))
			n->object = json_incref(json_object_get(by_name, n->target.name));
		if (is_wanted(n))
			error_set(&n->error, ERR_TARGET, "no node '%s' in the cluster",
				  n->target.name);
	}
}

/* 0 read, 1 not allowed to, -1. */
static int read_list(struct selection *s, struct error *err)
{
	auto_json json_t *list = NULL;
	struct error e = {0};

	if (kube_list_nodes(s->kube, &list, &e) == 0) {
		find_in_list(s, list);
		return 0;
	}
	if (e.sys == EACCES) {
		log_at(LOG_STEP, "%s; each is read alone", e.msg);
		return 1;
	}
	*err = e;
	return -1;
}

static int read_nodes(struct selection *s, struct error *err)
{
	size_t wanted = 0;

	for (size_t i = 0; i < s->n_nodes; i++)
		wanted += is_wanted(&s->nodes[i]);
	if (wanted > FEW_NODES) {
		int rc = read_list(s, err);

		if (rc <= 0)
			return rc;
	}
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct selected_node *n = &s->nodes[i];

		if (is_wanted(n) &&
		    kube_get_node(s->kube, n->target.name, &n->object, &n->error) < 0 &&
		    n->error.code == ERR_INTERRUPTED) {
			*err = n->error;
			return -1;
		}
	}
	return 0;
}

/* ---- all of it ---- */

static int take_words(struct selecting *g, char *const *words, struct error *err)
{
	if (!*words)
		return take_selector(g, err);
	for (; *words; words++)
		if (take_word(g, *words, err) < 0)
			return -1;
	return 0;
}

int select_targets(struct selection *ret, const struct options *o, char *const *words, bool each,
		   struct error *err)
{
	struct selecting g = {ret, o, each};
	bool namespaces;

	if (take_words(&g, words, err) < 0)
		return -1;
	namespaces = !one_namespace(ret);
	for (size_t i = 0; i < ret->n; i++) {
		struct selected *one = &ret->targets[i];
		struct error why = {0};
		const struct target place = place_of(one, &why);

		one->label = label_of(&one->target, namespaces);
		one->node = node_index(ret, &place, &why);
	}
	/* one alone is read by whoever works on it */
	return ret->n > 1 ? read_nodes(ret, err) : 0;
}

int select_is_single(char *const *words, struct target *ret, bool *ret_single, struct error *err)
{
	*ret_single = false;
	if (!words[0] || words[1])
		return 0;
	if (target_parse(words[0], ret, err) < 0)
		return -1;
	*ret_single = ret->kind != TARGET_WORKLOAD;
	return 0;
}

void selection_release(struct selection *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->targets[i].label);
		json_decref(s->targets[i].pod);
	}
	for (size_t i = 0; i < s->n_nodes; i++)
		json_decref(s->nodes[i].object);
	free(s->targets);
	free(s->nodes);
	kube_close(s->kube);
	*s = (struct selection){0};
}
