#include "jdiag/exporter/annotate_pod.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jdiag/json.h"
#include "jdiag/kube/patch.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"

#define TRIES 5

struct mark exporter_mark_new(const struct exporter_jvm *j, uint16_t port, const char *version,
			      const char *config_sha256)
{
	struct mark m = {
		.port = port,
		.ns_pid = j->ref.ns_pid,
		.start_time = j->ref.start_time,
		.path = "/metrics",
	};
	time_t now = time(NULL);
	struct tm tm;

	if (j->container) {
		snprintf(m.container, sizeof(m.container), "%s", j->container->name);
		snprintf(m.id, sizeof(m.id), "%s", j->container->id);
		m.restarts = j->container->restarts;
	}
	snprintf(m.version, sizeof(m.version), "%s", version);
	snprintf(m.config, sizeof(m.config), "%s", config_sha256);
	strftime(m.scraped, sizeof(m.scraped), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return m;
}

/* ---- which mark ---- */

static bool is_of_same_jvm(const struct mark *a, const struct mark *b)
{
	return strcmp(a->id, b->id) == 0 && a->restarts == b->restarts && a->ns_pid == b->ns_pid &&
	       a->start_time == b->start_time;
}

/* The configuration by the mark that its JVM has now; "" also without one. */
static void config_of(const struct exporter_work *w, const struct mark *m, char ret[65])
{
	char names[MAX_MARKS][MARK_NAME], why[128];
	size_t n = mark_names(w->pod, m->container, names);
	struct mark now;

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (mark_read(w->pod, names[i], &now, why) == 1 && is_of_same_jvm(&now, m))
			memcpy(ret, now.config, sizeof(now.config));
}

static void choose(const struct exporter_work *w, struct mark *m)
{
	char names[MAX_MARKS][MARK_NAME], why[128];
	size_t n = mark_names(w->pod, m->container, names);
	struct mark other;

	for (size_t i = 0; i < n; i++)
		if (mark_read(w->pod, names[i], &other, why) == 1 && is_of_same_jvm(&other, m)) {
			m->further = other.further;
			return;
		}
	m->further =
		mark_read(w->pod, m->container, &other, why) == 1 && exporter_mark_runs(w, &other);
}

/* What mark_clear makes: all of it removes. */
static void apply(json_t *pod, json_t *patch)
{
	json_t *annotations = json_at(pod, "metadata.annotations"), *v;
	const char *key;

	json_object_foreach (patch, key, v)
		if (json_is_null(v))
			json_object_del(annotations, key);
}

/* Nobody else would: its pid does not come again. Their keys of Prometheus's are free then. */
static void drop_ended(const struct exporter_work *w, const char *container, const char *own,
		       json_t *pod, json_t *patch)
{
	char names[MAX_MARKS][MARK_NAME], why[128], told[MARK_TOLD];
	size_t n = mark_names(pod, container, names);

	for (size_t i = 0; i < n; i++) {
		auto_json json_t *clear = NULL;
		struct mark other;

		if (strcmp(names[i], own) == 0 || mark_read(pod, names[i], &other, why) != 1 ||
		    exporter_mark_runs(w, &other))
			continue;
		clear = mark_clear(pod, names[i], told);
		apply(pod, clear);
		json_object_update(patch, clear);
	}
}

json_t *exporter_mark_patch(const struct exporter_work *w, const struct mark *m,
			    char ret_told[MARK_TOLD])
{
	auto_json json_t *pod = json_deep_copy(w->pod), *set = NULL;
	json_t *patch = json_object();
	char name[MARK_NAME];
	struct mark now = *m;

	ret_told[0] = '\0';
	choose(w, &now);
	if (mark_name(&now, name)) {
		drop_ended(w, now.container, name, pod, patch);
		set = mark_set(pod, &now, ret_told);
		json_object_update(patch, set);
	}
	if (json_object_size(patch))
		return patch;
	json_decref(patch);
	return NULL;
}

/* ---- the pod ---- */

/* Where the others of the pod, or of the container, stay, the pod goes on to name one of them. */
static json_t *clear_patch(const struct exporter_work *w, const char *name, char told[MARK_TOLD])
{
	const struct options *o = w->session->o;

	if (!o->jvm && !o->container)
		return mark_clear(w->pod, name, told);
	return mark_hand_on(w->pod, name, o->jvm ? "" : o->container, told);
}

static json_t *changes(const struct exporter_work *w, const struct mark *m, const char *name,
		       char told[MARK_TOLD])
{
	return m ? exporter_mark_patch(w, m, told) : clear_patch(w, name, told);
}

/* 1 done, 0 to be tried again, -1. */
static int try_once(struct exporter_work *w, const struct mark *m, const char *name, bool *ret,
		    char told[MARK_TOLD], struct error *err)
{
	auto_json json_t *patch = changes(w, m, name, told);
	json_t *now = NULL;
	struct error e = {0};

	if (!patch)
		return 1;
	if (kube_annotate_pod(w->session->kube, w->pod, patch, &now, &e) == 0) {
		json_decref(w->pod);
		w->pod = now;
		*ret = true;
		return 1;
	}
	if (e.code != ERR_API || e.sys != EAGAIN) {
		*err = e;
		return -1;
	}
	if (exporter_work_reread(w, err) < 0)
		return -1;
	if (!m || mark_is_current(m, w->pod))
		return 0;
	error_set(err, ERR_TARGET, "container '%s' was restarted meanwhile", m->container);
	err->sys = ESTALE;
	return error_hint(err, "it is without an exporter again: run the same command once more");
}

/* Another run has marked another configuration since: whose file came last is not known. */
static bool is_outrun(const struct exporter_work *w, const struct mark *m, const char *first)
{
	char now[65];

	config_of(w, m, now);
	return m->config[0] && strcmp(now, first) != 0 && strcmp(now, m->config) != 0;
}

static int tell_outrun(struct error *err)
{
	error_set(err, ERR_REFUSED,
		  "another run has given the exporter another configuration at the same time: "
		  "the mark names neither");
	err->sys = ESTALE;
	return error_hint(err, "run the same command again");
}

static int change(struct exporter_work *w, const struct mark *m, const char *name, bool *ret,
		  struct error *err)
{
	char told[MARK_TOLD] = "", first[65] = "";
	bool changed = false, outrun = false;
	struct mark neither;
	int rc = w->pod ? 0 : 1;

	if (m && rc == 0)
		config_of(w, m, first);
	for (int i = 0; rc == 0 && i < TRIES; i++) {
		rc = try_once(w, m, name, &changed, told, err);
		if (rc != 0 || !m || !is_outrun(w, m, first))
			continue;
		neither = *m;
		neither.config[0] = '\0';
		m = &neither;
		outrun = true;
	}
	if (rc == 0)
		return error_set(err, ERR_API, "the pod is changed all the time, by somebody else");
	if (rc > 0 && outrun)
		return tell_outrun(err);
	if (rc > 0 && told[0])
		progress_note(w->progress, "%s", told);
	if (rc > 0 && ret)
		*ret = changed;
	return rc > 0 ? 0 : -1;
}

int exporter_annotate(struct exporter_work *w, const struct mark *m, bool *ret, struct error *err)
{
	return change(w, m, NULL, ret, err);
}

bool exporter_annotates(const struct exporter_work *w, const struct mark *m)
{
	char name[MARK_NAME];
	struct mark now = *m;

	if (!w->pod || w->session->o->no_annotate)
		return false;
	choose(w, &now);
	if (mark_name(&now, name))
		return true;
	progress_note(w->progress,
		      "the pod is not annotated: the name of container '%s' is too long for the "
		      "marks of more than one JVM",
		      now.container);
	return false;
}

int exporter_clear(struct exporter_work *w, const char *name, bool *ret, struct error *err)
{
	return change(w, NULL, name, ret, err);
}
