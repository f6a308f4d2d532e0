/* jdiag ps: the JVMs of a pod, of the pods that match, of a node. Nothing is signalled. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/command.h"
#include "jdiag/fleet.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "jdiag/kube/kube.h"
#include "jdiag/output.h"
#include "jdiag/select.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define PS_TIMEOUT_MS 60000

struct listing {
	const struct options *o;
	struct table *table; /* owned */
	size_t found;
	/* of several targets */
	const struct selection *all; /* NULL: there is one */
	json_t **results;	     /* owned, of each target: what a table shows at the end */
	json_t *answer;		     /* owned, in a worker: what the node said of all its pods */
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

static void format_age(char dst[24], uint64_t started)
{
	uint64_t now = (uint64_t)time(NULL);

	if (started)
		str_format_age(dst, now > started ? now - started : 0);
	else
		snprintf(dst, 24, "-");
}

static const char *container_name(const json_t *jvm, const struct owner *o)
{
	return json_str_at(o->status, "name", json_str_at(jvm, "name", ""));
}

/* What the node did not know is not there. */
static void drop_unknown(json_t *object)
{
	static const char *const members[] = {"runtime", "containerName", "pod", "namespace"};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (!*json_str_at(object, members[i], "x"))
			json_object_del(object, members[i]);
}

/* A JVM as JSON output has it: what the node said, with the names by the API, else by the runtime's
 * files on the node. A new reference. */
static json_t *jvm_object(const json_t *jvm, const char *node, const struct owner *o)
{
	json_t *object = json_deep_copy(jvm);

	/* as the API's are called; the helper's "name" says too little */
	json_object_set(object, "containerName", json_at(jvm, "name"));
	json_object_del(object, "name");
	json_object_set_new(object, "node", json_string(node));
	drop_unknown(object);
	if (o->pod) {
		json_object_set(object, "pod", json_at(o->pod, "metadata.name"));
		json_object_set(object, "namespace", json_at(o->pod, "metadata.namespace"));
		json_object_set(object, "containerName", json_at(o->status, "name"));
	}
	return object;
}

static void add_row(struct listing *l, const json_t *object)
{
	char pid[24], ns_pid[24], uid[24], age[24];
	bool attachable = json_bool_at(object, "attachable", false);
	const char *cells[] = {
		/* of many machines, the one where it runs */
		json_str_at(object, "pod", l->all ? json_str_at(object, "node", "-") : "-"),
		json_str_at(object, "containerName", ""),
		ns_pid,
		pid,
		json_str_at(object, "version", ""),
		uid,
		attachable ? "yes" : "no",
		json_str_at(object, "main", ""),
		age,
		/* for wide only */
		json_str_at(object, "namespace", ""),
		json_str_at(object, "node", ""),
		json_str_at(object, "vm", ""),
		json_str_at(object, "container", ""),
		json_str_at(object, "reason", ""),
	};
	const char *wide[] = {cells[0], cells[9],  cells[10], cells[1], cells[12],
			      cells[2], cells[3],  cells[11], cells[4], cells[5],
			      cells[6], cells[13], cells[7],  cells[8]};

	snprintf(pid, sizeof(pid), "%llu", (unsigned long long)json_u64_at(object, "pid", 0));
	snprintf(ns_pid, sizeof(ns_pid), "%llu",
		 (unsigned long long)json_u64_at(object, "ns_pid", 0));
	snprintf(uid, sizeof(uid), "%llu", (unsigned long long)json_u64_at(object, "uid", 0));
	format_age(age, json_u64_at(object, "started", 0));
	table_row(l->table, l->o->output == OUTPUT_WIDE ? wide : cells);
	if (!attachable && l->o->output == OUTPUT_TEXT && !l->o->quiet)
		log_at(LOG_WARN, "%s: pid %s cannot be attached to: %s", cells[0], ns_pid,
		       cells[13]);
}

static void show(struct listing *l, const json_t *object)
{
	l->found++;
	if (l->o->output == OUTPUT_JSON) {
		output_json("JVM", object);
	} else if (l->o->output == OUTPUT_NAME) {
		auto_free char *line = xasprintf(
			"%s/%llu", json_str_at(object, "pod", json_str_at(object, "node", "?")),
			(unsigned long long)json_u64_at(object, "ns_pid", 0));

		output_line(line);
	} else {
		add_row(l, object);
	}
}

static void show_all(struct listing *l, const json_t *objects)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object)
		show(l, object);
}

/* -c: the container's name in its pod, or its id. */
static bool is_wanted(const struct options *o, const json_t *jvm, const struct owner *owner)
{
	if (!o->container)
		return true;
	if (strcmp(container_name(jvm, owner), o->container) == 0)
		return true;
	return !owner->status && jvm_id_begins(json_str_at(jvm, "container", ""), o->container);
}

/* ---- one node ---- */

static bool add_id(const json_t *status, void *ctx)
{
	if (*bare_id(status))
		json_array_append_new(ctx, json_string(bare_id(status)));
	return false;
}

/* Ask the session's node: of_pods: for the JVMs in the containers of pods; else for all. */
static int ask_node(struct session *s, const json_t *pods, bool of_pods, json_t **ret,
		    struct error *err)
{
	auto_json json_t *params = json_object();
	const json_t *pod;
	size_t i;

	if (of_pods) {
		json_t *ids = json_array();

		json_array_foreach (pods, i, pod)
			each_status(pod, add_id, ids);
		json_object_set_new(params, "containers", ids);
	} else if (s->o->host_pid) {
		json_object_set_new(params, "pid", json_integer((json_int_t)s->o->host_pid));
	}
	if (helper_call(s->helper, "ps", params, PS_TIMEOUT_MS, ret, err) < 0)
		return -1;
	if (json_bool_at(*ret, "truncated", false))
		log_at(LOG_WARN, "node '%s' has more JVMs than one answer can hold", s->node);
	return 0;
}

/* Those of an answer that are wanted, as objects; a new array. pods (may be NULL): whose names are
 * known. of_pods: no others count, whatever the node says. */
static json_t *take_answer(const struct session *s, const json_t *answer, const json_t *pods,
			   bool of_pods)
{
	json_t *objects = json_array();
	const json_t *jvm;
	size_t i;

	json_array_foreach (json_at(answer, "jvms"), i, jvm) {
		struct owner o = find_owner(pods, json_str_at(jvm, "container", ""));

		if ((o.pod || !of_pods) && is_wanted(s->o, jvm, &o))
			json_array_append_new(objects, jvm_object(jvm, s->node, &o));
	}
	return objects;
}

static int list_node(struct listing *l, struct session *s, const json_t *pods, bool of_pods,
		     struct error *err)
{
	auto_json json_t *answer = NULL, *objects = NULL;

	if (session_connect(s, err) < 0 || ask_node(s, pods, of_pods, &answer, err) < 0)
		return -1;
	objects = take_answer(s, answer, pods, of_pods);
	show_all(l, objects);
	return 0;
}

/* The pods of a node, for their names only; NULL when they cannot be had. A new reference. */
static json_t *read_names(const struct session *s, const char *node)
{
	auto_free char *selector = xasprintf("spec.nodeName=%s", node);
	struct error e = {0};
	json_t *pods = NULL;

	if (kube_list_pods(s->kube, NULL, NULL, selector, &pods, &e) < 0)
		log_at(LOG_WARN, "the names of pods are not shown: %s", e.msg);
	return pods;
}

/* ---- one target ---- */

static int list_pod(struct listing *l, struct session *s, const struct target *t, struct error *err)
{
	auto_json json_t *pods = json_array();
	json_t *object = NULL;
	struct pod pod;

	if (session_open_cluster(s, err) < 0 ||
	    kube_get_pod(s->kube, t->ns[0] ? t->ns : kube_namespace(s->kube), t->name, &object,
			 err) < 0)
		return -1;
	json_array_append_new(pods, object);
	if (pod_from_json(object, &pod, err) < 0 || pod_check_reachable(&pod, err) < 0)
		return -1;
	/* the containers that there are, or why this one has no JVM */
	if (l->o->container && !pod_pick_container(&pod, l->o->container, err))
		return -1;
	if (session_resolve_node(s, pod.node, err) < 0)
		return -1;
	return list_node(l, s, pods, true, err);
}

static int list_whole_node(struct listing *l, struct session *s, const struct target *t,
			   struct error *err)
{
	auto_json json_t *pods = NULL;

	if (session_open_cluster(s, err) < 0)
		return -1;
	pods = read_names(s, t->name);
	if (session_resolve_node(s, t->name, err) < 0)
		return -1;
	return list_node(l, s, pods, false, err);
}

static int list_one(struct listing *l, struct session *s, const struct target *t, struct error *err)
{
	if (t->kind == TARGET_POD)
		return list_pod(l, s, t, err);
	if (t->kind == TARGET_NODE)
		return list_whole_node(l, s, t, err);
	if (session_resolve_ssh(s, t, err) < 0)
		return -1;
	return list_node(l, s, NULL, false, err);
}

/* ---- several targets ---- */

/* The pods among the targets that are on the same node; a new array. */
static json_t *pods_beside(const struct selection *all, const struct selected *one)
{
	json_t *pods = json_array();

	for (size_t i = 0; i < all->n; i++)
		if (all->targets[i].node == one->node && all->targets[i].pod)
			json_array_append(pods, all->targets[i].pod);
	return pods;
}

/* The node is asked once for all its pods. */
static int look_at_pod(struct listing *l, struct session *s, const struct selected *t, json_t **ret,
		       struct error *err)
{
	auto_json json_t *pods = pods_beside(l->all, t), *own = json_array();

	if (!l->answer && ask_node(s, pods, true, &l->answer, err) < 0)
		return -1;
	json_array_append(own, t->pod);
	*ret = take_answer(s, l->answer, own, true);
	return 0;
}

static int look_at_node(struct session *s, const struct selected *t, json_t **ret,
			struct error *err)
{
	auto_json json_t *answer = NULL, *pods = NULL;

	if (t->target.kind == TARGET_NODE)
		pods = read_names(s, t->target.name);
	if (ask_node(s, pods, false, &answer, err) < 0)
		return -1;
	*ret = take_answer(s, answer, pods, false);
	return 0;
}

/* In a worker. The objects go to the parent, which shows them. */
static int look(void *ctx, struct session *s, const struct selected *t, struct error *err)
{
	struct listing *l = ctx;
	auto_json json_t *objects = NULL;
	auto_free char *line = NULL;

	if ((t->pod ? look_at_pod(l, s, t, &objects, err) : look_at_node(s, t, &objects, err)) < 0)
		return -1;
	line = json_to_line(objects);
	puts(line);
	return 0;
}

/* A table has to wait for the last one; all else is shown as it comes. */
static void take_result(void *ctx, const struct selected *t, const char *text, size_t len)
{
	struct listing *l = ctx;
	auto_json json_t *objects = json_from_text(text, len, "result", ERR_FAILED, NULL);

	if (l->o->output == OUTPUT_JSON || l->o->output == OUTPUT_NAME)
		show_all(l, objects);
	else
		l->results[t - l->all->targets] = STEAL(objects);
}

static int list_several(struct listing *l, const struct selection *all, struct error *err)
{
	static const struct fleet_command command = {.work = look, .result = take_result};
	int rc;

	l->all = all;
	l->results = xcalloc(all->n, sizeof(*l->results));
	rc = fleet_run(&command, l, l->o, all, err);
	for (size_t i = 0; i < all->n; i++) {
		show_all(l, l->results[i]);
		json_decref(l->results[i]);
	}
	free(l->results);
	return rc;
}

static int list(struct listing *l, char *const *argv, struct error *err)
{
	auto_cleanup(selection_release) struct selection all = {0};
	struct session s;
	struct target t;
	bool single;
	int rc;

	if (select_is_single(argv, &t, &single, err) < 0 ||
	    (!single && select_targets(&all, l->o, argv, true, err) < 0))
		return -1;
	if (!single && all.n > 1)
		return list_several(l, &all, err);
	session_init(&s, l->o);
	s.kube = STEAL(all.kube);
	rc = list_one(l, &s, single ? &t : &all.targets[0].target, err);
	session_close(&s);
	return rc;
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
	.arguments = "[TARGET...]",
	.summary = "list the JVMs of pods, of the pods that match, or of nodes",
	.options = "container pid",
	.examples = "$ jdiag ps checkout-7d9f8 -n shop\n"
		    "$ jdiag ps -l app=checkout -A\n"
		    "$ jdiag ps deploy/checkout sts/orders -n shop\n"
		    "$ jdiag ps node/gke-pool-1-x7k2 -o wide",
	.flags = CMD_MANY_TARGETS,
	.run = run,
};
