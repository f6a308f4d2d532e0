/* jdiag ps: the JVMs of a pod, of the pods that match, of a node. Nothing is signalled. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/command.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/output.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define PS_TIMEOUT_MS 60000

struct listing {
	const struct options *o;
	struct table *table; /* owned */
	struct kube *kube;   /* for the nodes of a selection; borrowed */
	size_t found;
};

/* ---- whose container is it? ---- */

static const char *const status_lists[] = {
	"status.containerStatuses",
	"status.initContainerStatuses",
	"status.ephemeralContainerStatuses",
};

/* "containerd://ID" without its scheme, or "". */
static const char *bare_id(const json_t *status)
{
	const char *id = strstr(json_str_at(status, "containerID", ""), "://");

	return id ? id + 3 : "";
}

/* Call fn for each container status of a pod object until it returns true. */
static bool each_status(const json_t *pod, bool (*fn)(const json_t *status, void *ctx), void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_lists); i++) {
		const json_t *status;
		size_t k;

		json_array_foreach (json_at(pod, status_lists[i]), k, status)
			if (fn(status, ctx))
				return true;
	}
	return false;
}

struct owner {
	const char *id;
	const json_t *pod, *status; /* NULL: of no pod */
};

static bool status_is_owner(const json_t *status, void *ctx)
{
	struct owner *o = ctx;

	if (strcmp(bare_id(status), o->id) != 0)
		return false;
	o->status = status;
	return true;
}

static struct owner find_owner(const json_t *pods, const char *id)
{
	struct owner o = {.id = id};
	const json_t *pod;
	size_t i;

	if (*id)
		json_array_foreach (pods, i, pod)
			if (each_status(pod, status_is_owner, &o)) {
				o.pod = pod;
				break;
			}
	return o;
}

/* ---- one JVM ---- */

/* By the API, else by the runtime's files on the node, else "-". */
static const char *pod_name(const json_t *jvm, const struct owner *o)
{
	const char *name = json_str_at(o->pod, "metadata.name", json_str_at(jvm, "pod", ""));

	return *name ? name : "-";
}

static const char *container_name(const json_t *jvm, const struct owner *o)
{
	return json_str_at(o->status, "name", json_str_at(jvm, "name", ""));
}

static void format_age(char dst[16], uint64_t started)
{
	uint64_t now = (uint64_t)time(NULL);
	uint64_t s = started && now > started ? now - started : 0;

	if (!started)
		snprintf(dst, 16, "-");
	else if (s < 120)
		snprintf(dst, 16, "%us", (unsigned int)s);
	else if (s < 7200)
		snprintf(dst, 16, "%um", (unsigned int)(s / 60));
	else if (s < 172800)
		snprintf(dst, 16, "%uh", (unsigned int)(s / 3600));
	else
		snprintf(dst, 16, "%ud", (unsigned int)(s / 86400));
}

static void add_row(struct listing *l, const char *node, const json_t *jvm, const struct owner *o)
{
	char pid[24], ns_pid[24], uid[24], age[16];
	bool attachable = json_bool_at(jvm, "attachable", false);
	const char *cells[] = {
		pod_name(jvm, o),
		container_name(jvm, o),
		ns_pid,
		pid,
		json_str_at(jvm, "version", ""),
		uid,
		attachable ? "yes" : "no",
		json_str_at(jvm, "main", ""),
		age,
		/* for wide only */
		json_str_at(o->pod, "metadata.namespace", json_str_at(jvm, "namespace", "")),
		node,
		json_str_at(jvm, "vm", ""),
		json_str_at(jvm, "container", ""),
		json_str_at(jvm, "reason", ""),
	};
	const char *wide[] = {cells[0], cells[9],  cells[10], cells[1], cells[12],
			      cells[2], cells[3],  cells[11], cells[4], cells[5],
			      cells[6], cells[13], cells[7],  cells[8]};

	snprintf(pid, sizeof(pid), "%llu", (unsigned long long)json_u64_at(jvm, "pid", 0));
	snprintf(ns_pid, sizeof(ns_pid), "%llu", (unsigned long long)json_u64_at(jvm, "ns_pid", 0));
	snprintf(uid, sizeof(uid), "%llu", (unsigned long long)json_u64_at(jvm, "uid", 0));
	format_age(age, json_u64_at(jvm, "started", 0));
	table_row(l->table, l->o->output == OUTPUT_WIDE ? wide : cells);
	if (!attachable && l->o->output == OUTPUT_TEXT && !l->o->quiet)
		log_at(LOG_WARN, "%s: pid %s cannot be attached to: %s", cells[0], ns_pid,
		       cells[13]);
}

/* -c: the container's name in its pod, or its id. */
static bool is_wanted(const struct options *o, const json_t *jvm, const struct owner *owner)
{
	if (!o->container)
		return true;
	if (strcmp(container_name(jvm, owner), o->container) == 0)
		return true;
	return !owner->status && str_starts(json_str_at(jvm, "container", ""), o->container);
}

/* What the node did not know is not there. */
static void drop_unknown(json_t *object)
{
	static const char *const members[] = {"runtime", "containerName", "pod", "namespace"};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (!*json_str_at(object, members[i], "x"))
			json_object_del(object, members[i]);
}

static void add_jvm(struct listing *l, const char *node, const json_t *jvm, const json_t *pods)
{
	struct owner o = find_owner(pods, json_str_at(jvm, "container", ""));

	if (!is_wanted(l->o, jvm, &o))
		return;
	l->found++;
	if (l->o->output == OUTPUT_JSON) {
		auto_json json_t *object = json_deep_copy(jvm);

		/* as the API's are called; the helper's "name" says too little */
		json_object_set(object, "containerName", json_at(jvm, "name"));
		json_object_del(object, "name");
		json_object_set_new(object, "node", json_string(node));
		drop_unknown(object);
		if (o.pod) {
			json_object_set(object, "pod", json_at(o.pod, "metadata.name"));
			json_object_set(object, "namespace", json_at(o.pod, "metadata.namespace"));
			json_object_set(object, "containerName", json_at(o.status, "name"));
		}
		output_json("JVM", object);
	} else if (l->o->output == OUTPUT_NAME) {
		auto_free char *line =
			xasprintf("%s/%llu", json_str_at(o.pod, "metadata.name", node),
				  (unsigned long long)json_u64_at(jvm, "ns_pid", 0));

		output_line(line);
	} else {
		add_row(l, node, jvm, &o);
	}
}

/* ---- one node ---- */

static bool add_id(const json_t *status, void *ctx)
{
	if (*bare_id(status))
		json_array_append_new(ctx, json_string(bare_id(status)));
	return false;
}

static bool is_asked_for(const json_t *ids, const json_t *jvm)
{
	const json_t *id;
	size_t i;

	json_array_foreach (ids, i, id)
		if (strcmp(json_string_value(id), json_str_at(jvm, "container", "")) == 0)
			return true;
	return false;
}

/* Ask the session's node. pods (may be NULL): whose containers to look at when only_pods, and whose
 * names to show. */
static int list_node(struct listing *l, struct session *s, const json_t *pods, bool only_pods,
		     struct error *err)
{
	auto_json json_t *params = json_object();
	auto_json json_t *answer = NULL;
	const json_t *item;
	size_t i;

	if (session_connect(s, err) < 0)
		return -1;
	if (only_pods) {
		json_t *ids = json_array();

		json_array_foreach (pods, i, item)
			each_status(item, add_id, ids);
		json_object_set_new(params, "containers", ids);
	} else if (l->o->host_pid) {
		json_object_set_new(params, "pid", json_integer((json_int_t)l->o->host_pid));
	}
	if (helper_call(s->helper, "ps", params, PS_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	/* The node may name others than those it was asked for. */
	json_array_foreach (json_at(answer, "jvms"), i, item)
		if (!only_pods || is_asked_for(json_at(params, "containers"), item))
			add_jvm(l, s->node, item, pods);
	if (json_bool_at(answer, "truncated", false))
		log_at(LOG_WARN, "node '%s' has more JVMs than one answer can hold", s->node);
	return 0;
}

/* ---- the forms of TARGET ---- */

static int list_pod(struct listing *l, const char *name, struct error *err)
{
	auto_json json_t *pods = json_array();
	json_t *object = NULL;
	struct session s;
	struct pod pod;
	int rc;

	session_init(&s, l->o);
	rc = session_open_cluster(&s, err);
	if (rc == 0)
		rc = kube_get_pod(s.kube, kube_namespace(s.kube), name, &object, err);
	if (rc == 0) {
		json_array_append_new(pods, object);
		rc = pod_from_json(object, &pod, err);
	}
	if (rc == 0)
		rc = pod_check_reachable(&pod, err);
	/* the containers that there are, or why this one has no JVM */
	if (rc == 0 && l->o->container && !pod_pick_container(&pod, l->o->container, err))
		rc = -1;
	if (rc == 0)
		rc = session_resolve_node(&s, pod.node, err);
	if (rc == 0)
		rc = list_node(l, &s, pods, true, err);
	session_close(&s);
	return rc;
}

static int list_whole_node(struct listing *l, const struct target *t, struct error *err)
{
	auto_free char *selector = xasprintf("spec.nodeName=%s", t->name);
	auto_json json_t *pods = NULL;
	struct error e = {0};
	struct session s;
	int rc;

	session_init(&s, l->o);
	rc = session_open_cluster(&s, err);
	if (rc == 0 && kube_list_pods(s.kube, NULL, NULL, selector, &pods, &e) < 0)
		log_at(LOG_WARN, "the names of pods are not shown: %s", e.msg);
	if (rc == 0)
		rc = session_resolve_node(&s, t->name, err);
	if (rc == 0)
		rc = list_node(l, &s, pods, false, err);
	session_close(&s);
	return rc;
}

static int list_ssh(struct listing *l, const struct target *t, struct error *err)
{
	struct session s;
	int rc;

	session_init(&s, l->o);
	rc = session_resolve_ssh(&s, t, err);
	if (rc == 0)
		rc = list_node(l, &s, NULL, false, err);
	session_close(&s);
	return rc;
}

/* The pods that run on one node; a new array. */
static json_t *pods_of_node(const json_t *pods, const char *node)
{
	json_t *some = json_array();
	json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (strcmp(json_str_at(pod, "spec.nodeName", ""), node) == 0)
			json_array_append(some, pod);
	return some;
}

static int list_one_node_of(struct listing *l, const json_t *pods, const char *node,
			    struct error *err)
{
	auto_json json_t *some = pods_of_node(pods, node);
	struct session s;
	int rc;

	session_init(&s, l->o);
	s.kube = l->kube;
	rc = session_resolve_node(&s, node, err);
	if (rc == 0)
		rc = list_node(l, &s, some, true, err);
	s.kube = NULL; /* borrowed */
	session_close(&s);
	return rc;
}

/* A node that does not answer never hides the others: its error is told, the first one is the
 * status. */
static int list_each_node(struct listing *l, const json_t *pods, struct error *err)
{
	auto_json json_t *nodes = json_object();
	struct error first = {0};
	const json_t *pod;
	const char *node;
	json_t *unused;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (*json_str_at(pod, "spec.nodeName", ""))
			json_object_set_new(nodes, json_str_at(pod, "spec.nodeName", ""),
					    json_true());
	json_object_foreach (nodes, node, unused) {
		struct error e = {0};

		if (list_one_node_of(l, pods, node, &e) == 0)
			continue;
		if (e.code == ERR_INTERRUPTED || json_object_size(nodes) == 1) {
			*err = e;
			return -1;
		}
		error_prefix(&e, "node '%s'", node);
		output_error(&e);
		if (!first.code)
			first = e;
	}
	if (!first.code)
		return 0;
	return error_set(err, first.code, "not all nodes could be asked");
}

static int list_selected(struct listing *l, struct error *err)
{
	const struct options *o = l->o;
	auto_json json_t *pods = NULL;
	struct session s;
	int rc;

	session_init(&s, o);
	rc = session_open_cluster(&s, err);
	if (rc == 0)
		rc = kube_list_pods(s.kube, o->all_namespaces ? NULL : kube_namespace(s.kube),
				    o->selector, o->field_selector, &pods, err);
	if (rc == 0 && json_array_size(pods) == 0)
		rc = error_set(err, ERR_TARGET, "no pod matches");
	l->kube = s.kube;
	if (rc == 0)
		rc = list_each_node(l, pods, err);
	session_close(&s);
	return rc;
}

static int list(struct listing *l, char *const *argv, struct error *err)
{
	struct target t;

	if (!argv[0])
		return list_selected(l, err);
	if (target_parse(argv[0], &t, err) < 0)
		return -1;
	switch (t.kind) {
	case TARGET_SSH:
		return list_ssh(l, &t, err);
	case TARGET_NODE:
		return list_whole_node(l, &t, err);
	case TARGET_POD:
	default:
		return list_pod(l, t.name, err);
	}
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	static const char *const titles[] = {"NAME", "CONTAINER", "PID",  "HOSTPID", "VERSION",
					     "UID",  "ATTACH",	  "MAIN", "AGE",     NULL};
	static const char *const wide[] = {"NAME",   "NAMESPACE", "NODE", "CONTAINER", "ID",
					   "PID",    "HOSTPID",	  "VM",	  "VERSION",   "UID",
					   "ATTACH", "REASON",	  "MAIN", "AGE",       NULL};
	struct listing l = {.o = o};
	int rc;

	l.table = table_new(o->output == OUTPUT_WIDE ? wide : titles);
	rc = list(&l, argv, err);
	if (o->output == OUTPUT_TEXT || o->output == OUTPUT_WIDE)
		table_print(l.table);
	table_free(l.table);
	if (rc == 0 && l.found == 0 && !o->quiet)
		log_at(LOG_WARN, "no JVM found");
	return rc;
}

const struct command cmd_ps = {
	.name = "ps",
	.arguments = "[TARGET]",
	.summary = "list the JVMs of a pod, of the pods that match, or of a node",
	.options = "container pid",
	.examples = "$ jdiag ps checkout-7d9f8 -n shop\n"
		    "$ jdiag ps -l app=checkout -A\n"
		    "$ jdiag ps node/gke-pool-1-x7k2 -o wide",
	.flags = CMD_MANY_TARGETS,
	.run = run,
};
