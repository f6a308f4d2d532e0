#include "jdiag/exporter/work.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "jdiag/kube/kube.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "remote/base/buf.h"

#define PS_TIMEOUT_MS 30000

void exporter_work_release(struct exporter_work *w)
{
	json_decref(w->pod);
	json_decref(w->answer);
	json_decref(w->results);
}

/* ---- the pod ---- */

static int take_pod(struct exporter_work *w, json_t *object, struct error *err)
{
	struct session *s = w->session;

	json_decref(w->pod);
	w->pod = object;
	if (pod_from_json(object, &s->pod, err) < 0)
		return -1;
	s->has_pod = true;
	s->container = NULL;
	return pod_check_reachable(&s->pod, err);
}

static int read_pod(struct exporter_work *w, const struct target *t, struct error *err)
{
	struct session *s = w->session;
	json_t *object = STEAL(w->pod); /* it may have been read already */

	memcpy(s->ns, t->ns, sizeof(s->ns));
	if (session_open_cluster(s, err) < 0) {
		json_decref(object);
		return -1;
	}
	if ((!object && kube_get_pod(s->kube, s->ns[0] ? s->ns : kube_namespace(s->kube), t->name,
				     &object, err) < 0) ||
	    take_pod(w, object, err) < 0)
		return -1;
	/* the containers that there are, or what is the matter with this one */
	return !s->o->container || pod_pick_container(&s->pod, s->o->container, err) ? 0 : -1;
}

int exporter_work_resolve(struct exporter_work *w, const struct target *t, bool has_node,
			  struct error *err)
{
	struct session *s = w->session;

	progress_phase(w->progress, "resolve");
	if (t->kind == TARGET_SSH)
		return has_node ? 0 : session_resolve_ssh(s, t, err);
	if (t->kind != TARGET_POD)
		return error_set(err, ERR_USAGE, "'node/%s' is no pod: exporters belong to pods",
				 t->name);
	if (s->o->host_pid)
		return error_set(err, ERR_USAGE, "--pid goes with ssh://HOST, use --jvm for a pod");
	if (read_pod(w, t, err) < 0)
		return -1;
	if (!has_node)
		return session_resolve_node(s, s->pod.node, err);
	if (strcmp(s->pod.node, s->node) == 0)
		return 0;
	return error_set(err, ERR_TARGET, "pod '%s' has moved to node '%s'", t->name, s->pod.node);
}

int exporter_work_reread(struct exporter_work *w, struct error *err)
{
	const struct session *s = w->session;
	auto_json json_t *object = NULL;

	if (kube_get_pod(s->kube, s->pod.ns, s->pod.name, &object, err) < 0)
		return -1;
	if (strcmp(json_str_at(object, "metadata.uid", ""), s->pod.uid) != 0) {
		error_set(err, ERR_TARGET, "pod '%s' was replaced by another one", s->pod.name);
		err->sys = ESTALE;
		return -1;
	}
	json_decref(w->pod);
	w->pod = STEAL(object);
	return 0;
}

/* ---- its JVMs ---- */

static const struct pod_container *container_of(const struct session *s, const json_t *jvm)
{
	for (unsigned int i = 0; s->has_pod && i < s->pod.n_containers; i++) {
		const struct pod_container *c = &s->pod.containers[i];

		if (c->id[0] && strcmp(c->id, json_str_at(jvm, "container", "")) == 0)
			return c;
	}
	return NULL;
}

static bool is_wanted(const struct session *s, const struct pod_container *c)
{
	return c->running && c->id[0] &&
	       (!s->o->container || strcmp(c->name, s->o->container) == 0);
}

static int ask(void *work, struct error *err)
{
	struct exporter_work *w = work;
	const struct session *s = w->session;
	auto_json json_t *params = json_object();
	json_t *ids = json_array();

	for (unsigned int i = 0; i < s->pod.n_containers; i++)
		if (is_wanted(s, &s->pod.containers[i]))
			json_array_append_new(ids, json_string(s->pod.containers[i].id));
	json_object_set_new(params, "containers", ids);
	json_decref(STEAL(w->answer));
	return helper_call(s->helper, "ps", params, PS_TIMEOUT_MS, &w->answer, err);
}

/* Those of one container, in the order of the answer. */
static void add_of(const struct exporter_work *w, const struct pod_container *c, json_t *ret)
{
	const struct session *s = w->session;
	json_t *jvm;
	size_t i;

	json_array_foreach (json_at(w->answer, "jvms"), i, jvm)
		if (json_u64_at(jvm, "pid", 0) && container_of(s, jvm) == c &&
		    (!s->o->jvm || jvm_is_called(jvm, s->o->jvm)))
			json_array_append(ret, jvm);
}

static int none(const struct exporter_work *w, struct error *err)
{
	const struct session *s = w->session;

	if (s->o->jvm)
		error_set(err, ERR_TARGET, "no JVM of pod '%s' matches --jvm '%s'", s->pod.name,
			  s->o->jvm);
	else if (s->o->container)
		error_set(err, ERR_TARGET, "no JVM runs in container '%s' of pod '%s'",
			  s->o->container, s->pod.name);
	else
		error_set(err, ERR_TARGET, "no JVM runs in pod '%s'", s->pod.name);
	return error_hint(err, "list the JVMs there: %s ps %s -n %s", command_program(),
			  s->pod.name, s->pod.ns);
}

/* Behind ssh:// one container is chosen by its name, and one JVM in it. */
static int find_one(void *work, struct error *err)
{
	struct exporter_work *w = work;
	json_t *jvm = NULL;

	if (jvm_pick(w->session, &jvm, err) < 0)
		return -1;
	json_decref(w->answer);
	w->answer = json_pack("[o]", jvm);
	return 0;
}

int exporter_work_find(struct exporter_work *w, json_t **ret, struct error *err)
{
	struct session *s = w->session;

	progress_phase(w->progress, "connect");
	if (!s->has_pod) {
		if (session_steadily(s, w->progress, find_one, w, err) < 0)
			return -1;
		*ret = json_incref(w->answer);
		return 0;
	}
	if (session_steadily(s, w->progress, ask, w, err) < 0)
		return -1;
	*ret = json_array();
	for (unsigned int i = 0; i < s->pod.n_containers; i++)
		if (is_wanted(s, &s->pod.containers[i]))
			add_of(w, &s->pod.containers[i], *ret);
	if (json_array_size(*ret))
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return none(w, err);
}

bool exporter_work_is_empty(const struct exporter_work *w, const struct error *why)
{
	const struct options *o = w->session->o;

	return why->code == ERR_TARGET && w->answer && w->session->has_pod && !o->jvm &&
	       !o->container;
}

int exporter_work_ambiguous(const struct exporter_work *w, const json_t *jvms, struct error *err)
{
	const struct session *s = w->session;
	auto_buf struct buf list = BUF_INIT(700);
	const json_t *jvm;
	size_t i;

	error_set(err, ERR_TARGET, "pod '%s' has %zu JVMs", s->pod.name, json_array_size(jvms));
	json_array_foreach (jvms, i, jvm)
		buf_addf(&list, "  -c %s --jvm %llu  %.100s\n", container_of(s, jvm)->name,
			 (unsigned long long)json_u64_at(jvm, "ns_pid", 0),
			 json_str_at(jvm, "main", "?"));
	return error_hint(err,
			  "%schoose one of them, or take each, with a port of its own: --all "
			  "--port 9404-9499",
			  buf_str(&list));
}

/* ---- one JVM ---- */

static bool is_of_mark(const json_t *jvm, const struct mark *m)
{
	return json_u64_at(jvm, "start_time", 0) == m->start_time &&
	       json_u64_at(jvm, "ns_pid", 0) == m->ns_pid;
}

bool exporter_mark_runs(const struct exporter_work *w, const struct mark *m)
{
	const json_t *jvm;
	size_t i;

	json_array_foreach (json_at(w->answer, "jvms"), i, jvm)
		if (strcmp(json_str_at(jvm, "container", ""), m->id) == 0 && is_of_mark(jvm, m))
			return mark_is_current(m, w->pod);
	return false;
}

/* One of the container's marks. */
static void take_mark(const struct exporter_work *w, struct exporter_jvm *j, const struct mark *m)
{
	if (mark_is_current(m, w->pod) && is_of_mark(j->jvm, m)) {
		j->mark = *m;
		j->marked = true;
		return;
	}
	/* its own is better than the container's */
	if (exporter_mark_runs(w, m) || (m->ns_pid != j->ref.ns_pid && (m->further || j->outlived)))
		return;
	j->mark = *m;
	j->outlived = true;
}

static bool is_alone(const struct exporter_work *w, const struct pod_container *c)
{
	const json_t *jvm;
	size_t i, n = 0;

	json_array_foreach (json_at(w->answer, "jvms"), i, jvm)
		n += container_of(w->session, jvm) == c;
	return n == 1;
}

static void look_at_marks(const struct exporter_work *w, struct exporter_jvm *j)
{
	char names[MAX_MARKS][MARK_NAME], why[128];
	size_t n = w->pod ? mark_names(w->pod, j->container->name, names) : 0;
	struct mark m;

	for (size_t i = 0; i < n && !j->marked; i++) {
		if (mark_read(w->pod, names[i], &m, why) == 1)
			take_mark(w, j, &m);
		else if (!j->mark_why[0])
			snprintf(j->mark_why, sizeof(j->mark_why), "%s", why);
	}
	if (j->marked) {
		j->outlived = false;
		j->mark_why[0] = '\0';
	}
	j->restarted =
		j->outlived && (j->mark.ns_pid == j->ref.ns_pid || is_alone(w, j->container));
}

int exporter_jvm_look(struct exporter_work *w, const json_t *jvm, struct exporter_jvm *ret,
		      struct error *err)
{
	struct session *s = w->session;

	ret->jvm = jvm;
	jvmref_from_json(jvm, &ret->ref);
	ret->container = container_of(s, jvm);
	s->container = ret->container;
	look_at_marks(w, ret);
	if (survey_with(s->helper, &ret->ref, 0, EXPORTER_VARIABLE, &ret->survey, err) < 0)
		return -1;
	exporter_find_seen(ret->survey, &ret->found);
	return 0;
}

void exporter_jvm_release(struct exporter_jvm *j)
{
	json_decref(j->survey);
}

/* ---- results ---- */

json_t *exporter_result(struct exporter_work *w, const struct exporter_jvm *j, const char *state)
{
	const struct session *s = w->session;
	json_t *r = json_object();

	if (s->has_pod) {
		json_object_set_new(r, "namespace", json_string(s->pod.ns));
		json_object_set_new(r, "pod", json_string(s->pod.name));
	}
	json_set_text(r, "node", s->node);
	if (j) {
		json_set_text(r, "container",
			      j->container ? j->container->name : json_str_at(j->jvm, "name", ""));
		json_object_set_new(r, "pid", json_integer((json_int_t)j->ref.ns_pid));
		json_set_text(r, "main", j->ref.main);
		json_set_text(r, "java", j->ref.version);
	}
	json_object_set_new(r, "state", json_string(state));
	if (!w->results)
		w->results = json_array();
	json_array_append_new(w->results, r);
	return r;
}

void exporter_result_failed(struct exporter_work *w, const json_t *jvm, const struct error *why)
{
	struct exporter_jvm j = {.jvm = jvm, .container = container_of(w->session, jvm)};
	json_t *r;

	jvmref_from_json(jvm, &j.ref);
	r = exporter_result(w, &j, "failed");
	json_object_set_new(r, "code", json_integer(why->code));
	json_set_text(r, "reason", why->msg);
	json_set_text(r, "hint", why->hint);
}

bool exporter_has_node_network(const struct exporter_work *w)
{
	return w->pod && json_bool_at(w->pod, "spec.hostNetwork", false);
}

bool exporter_jvm_ended(const struct error *why)
{
	return why->code == ERR_TARGET || why->sys == ESRCH;
}

void exporter_result_mark(json_t *r, const struct mark *m)
{
	json_object_set_new(r, "by", json_string("jdiag"));
	json_object_set_new(r, "port", json_integer((json_int_t)m->port));
	json_set_text(r, "path", m->path);
	json_set_text(r, "version", m->version);
	json_set_text(r, "config", m->config);
	json_set_text(r, "jar", m->jar);
	json_set_text(r, "file", m->file);
	if (m->scraped[0])
		json_set_text(r, "scraped", m->scraped);
}
