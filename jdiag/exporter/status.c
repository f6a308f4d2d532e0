#include "jdiag/exporter/status.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/exporter/page.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/kube/pod.h"
#include "jdiag/options.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "jdiag/target.h"

static void set_reason(json_t *r, const char *reason)
{
	json_set_text(r, "reason", reason);
}

/* ---- through the node ---- */

static void tell_marked(struct exporter_work *w, const struct exporter_jvm *j)
{
	struct error why = {0};
	struct scrape page;
	bool answers =
		exporter_page(w, j, (uint16_t)j->mark.port, j->mark.path, 0, &page, &why) == 0;
	json_t *r = exporter_result(w, j, answers ? "injected" : "silent");

	exporter_result_mark(r, &j->mark);
	if (answers)
		exporter_result_page(r, &page);
	else
		set_reason(r, why.msg);
}

static void tell_unmarked(struct exporter_work *w, const struct exporter_jvm *j)
{
	json_t *r = exporter_result(w, j, "unmarked");
	auto_free char *reason = NULL;
	char ports[64];

	json_object_set_new(r, "by", json_string("jdiag"));
	json_set_text(r, "version", j->found.version);
	json_set_text(r, "jar", j->found.what);
	survey_own(j->survey, ports);
	if (!*ports && !json_bool_at(j->survey, "truncated", false)) {
		set_reason(r, "jdiag has loaded it, but the JVM listens on no port: see its log; "
			      "restarting the container gives it a new start");
		return;
	}
	if (!w->session->has_pod) {
		set_reason(r, "jdiag has loaded it; here is no pod that could say so");
		return;
	}
	reason = xasprintf("jdiag has loaded it, but the pod%s: run inject again, with the port "
			   "that it has%s%s%s",
			   j->mark_why[0] ? "'s mark cannot be read" : " is not annotated",
			   *ports ? " (the JVM listens on " : "", ports, *ports ? ")" : "");
	set_reason(r, reason);
}

static void tell_foreign(struct exporter_work *w, const struct exporter_jvm *j)
{
	bool at_start = j->found.owner == EXPORTER_AT_START;
	json_t *r = exporter_result(w, j, "foreign");

	json_object_set_new(r, "by", json_string(at_start ? "start" : "somebody"));
	json_set_text(r, "found", j->found.what);
	set_reason(r, at_start ? "the JVM was started with an exporter"
			       : "somebody else has loaded an exporter");
}

/* Of what inject would be refused for, what is known without asking the JVM. */
static void tell_shut(json_t *r, const struct exporter_jvm *j)
{
	auto_free char *why = NULL;
	const char *reason = "agents are not allowed in (-XX:-EnableDynamicAgentLoading)";

	if (!json_bool_at(j->jvm, "attachable", true))
		reason = json_str_at(j->jvm, "reason", "it cannot be attached to");
	else if (!json_bool_at(j->survey, "shut", false))
		return;
	why = xasprintf("no exporter is seen from outside, and inject cannot load one: %s", reason);
	set_reason(r, why);
}

static void tell_none(struct exporter_work *w, const struct exporter_jvm *j)
{
	json_t *r = exporter_result(w, j, j->restarted ? "restarted" : "none");

	if (j->restarted)
		set_reason(r, "the JVM was restarted since it was injected: run inject again");
	else if (json_bool_at(j->survey, "truncated", false))
		set_reason(r, "no exporter is seen from outside, where not all could be looked at");
	else
		set_reason(r, "no exporter is seen from outside (one in a jar of another name "
			      "would not be)");
	if (!j->restarted)
		tell_shut(r, j);
}

static int tell(struct exporter_work *w, const json_t *jvm, struct error *err)
{
	auto_cleanup(exporter_jvm_release) struct exporter_jvm j = {0};

	if (exporter_jvm_look(w, jvm, &j, err) < 0)
		return -1;
	if (j.marked)
		tell_marked(w, &j);
	else if (j.found.owner == EXPORTER_OURS)
		tell_unmarked(w, &j);
	else if (j.found.owner != EXPORTER_NONE)
		tell_foreign(w, &j);
	else
		tell_none(w, &j);
	return 0;
}

/* The others have their own. */
static int tell_failure(struct exporter_work *w, const json_t *jvm, const struct error *why,
			struct error *err)
{
	struct exporter_jvm j = {.jvm = jvm, .container = w->session->container};

	if (why->code == ERR_INTERRUPTED || helper_lost(w->session->helper)) {
		*err = *why;
		return -1;
	}
	if (!exporter_jvm_ended(why)) {
		exporter_result_failed(w, jvm, why);
		return 0;
	}
	jvmref_from_json(jvm, &j.ref);
	set_reason(exporter_result(w, &j, "no-jvm"), why->msg);
	return 0;
}

static int tell_all(struct exporter_work *w, const json_t *jvms, struct error *err)
{
	const json_t *jvm;
	size_t i;

	json_array_foreach (jvms, i, jvm) {
		struct error why = {0};

		if (tell(w, jvm, &why) < 0 && tell_failure(w, jvm, &why, err) < 0)
			return -1;
	}
	return 0;
}

int exporter_status(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err)
{
	auto_json json_t *jvms = NULL;
	struct error why = {0};

	if (exporter_work_resolve(w, t, has_node, err) < 0)
		return -1;
	if (exporter_work_find(w, &jvms, &why) < 0) {
		if (!exporter_work_is_empty(w, &why)) {
			*err = why;
			return -1;
		}
		set_reason(exporter_result(w, NULL, "no-jvm"), why.msg);
	}
	return tell_all(w, jvms, err);
}

/* ---- by the cluster alone ---- */

static json_t *row(const json_t *pod, const char *container, const char *state, json_t *results)
{
	json_t *r = json_object();

	json_set_text(r, "namespace", json_str_at(pod, "metadata.namespace", ""));
	json_set_text(r, "pod", json_str_at(pod, "metadata.name", ""));
	json_set_text(r, "node", json_str_at(pod, "spec.nodeName", ""));
	if (container)
		json_set_text(r, "container", container);
	json_object_set_new(r, "state", json_string(state));
	json_array_append_new(results, r);
	return r;
}

static void tell_mark(const json_t *pod, const char *container, const char *name, json_t *results)
{
	struct mark m;
	char why[128];
	json_t *r;

	if (mark_read(pod, name, &m, why) != 1) {
		set_reason(row(pod, container, "none", results), why);
		return;
	}
	r = row(pod, container, mark_is_current(&m, pod) ? "injected" : "restarted", results);
	json_object_set_new(r, "pid", json_integer((json_int_t)m.ns_pid));
	if (mark_is_current(&m, pod))
		exporter_result_mark(r, &m);
	else
		set_reason(r,
			   "the container was restarted since it was injected: run inject again");
}

static void tell_container(const json_t *pod, const char *container, json_t *results)
{
	char names[MAX_MARKS][MARK_NAME];
	size_t n = mark_names(pod, container, names);

	for (size_t i = 0; i < n; i++)
		tell_mark(pod, container, names[i], results);
	if (!n)
		set_reason(row(pod, container, "none", results),
			   "the pod has no mark of an exporter");
}

/* As select.h takes them: whatever else is in the way is found out with the others. */
static bool is_up(const struct pod *pod)
{
	return strcmp(pod->phase, "Running") == 0 && pod->node[0] && !pod->deleting;
}

bool exporter_status_known(const json_t *object, const struct options *o, bool all, json_t *results)
{
	struct error why = {0};
	struct pod pod;

	if (pod_from_json(object, &pod, &why) < 0 ||
	    (pod_check_reachable(&pod, &why) < 0 && (all || !is_up(&pod)))) {
		set_reason(row(object, NULL, "not-running", results), why.msg);
		return true;
	}
	for (unsigned int i = 0; all && i < pod.n_containers; i++)
		if (pod.containers[i].running &&
		    (!o->container || strcmp(pod.containers[i].name, o->container) == 0))
			tell_container(object, pod.containers[i].name, results);
	return all;
}
