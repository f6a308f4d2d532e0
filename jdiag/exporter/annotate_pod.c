#include "jdiag/exporter/annotate_pod.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jdiag/json.h"
#include "jdiag/kube/patch.h"
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

static json_t *changes(const struct exporter_work *w, const struct mark *m, const char *container,
		       char told[MARK_TOLD])
{
	return m ? mark_set(w->pod, m, told) : mark_clear(w->pod, container, told);
}

/* 1 done, 0 to be tried again, -1. */
static int try_once(struct exporter_work *w, const struct mark *m, const char *container, bool *ret,
		    char told[MARK_TOLD], struct error *err)
{
	auto_json json_t *patch = changes(w, m, container, told);
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

static int change(struct exporter_work *w, const struct mark *m, const char *container, bool *ret,
		  struct error *err)
{
	char told[MARK_TOLD] = "";
	bool changed = false;
	int rc = w->pod ? 0 : 1;

	for (int i = 0; rc == 0 && i < TRIES; i++)
		rc = try_once(w, m, container, &changed, told, err);
	if (rc == 0)
		return error_set(err, ERR_API, "the pod is changed all the time, by somebody else");
	if (rc > 0 && told[0])
		progress_note(w->progress, "%s", told);
	if (rc > 0 && ret)
		*ret = changed;
	return rc > 0 ? 0 : -1;
}

int exporter_annotate(struct exporter_work *w, const struct mark *m, bool *ret, struct error *err)
{
	return change(w, m, m->container, ret, err);
}

bool exporter_annotates(const struct exporter_work *w, const struct exporter_jvm *j)
{
	if (j->beside)
		progress_note(
			w->progress,
			"the pod's mark of container '%s' is of another JVM in it (pid %llu): "
			"this one is not annotated",
			j->container->name, (unsigned long long)j->mark.ns_pid);
	return w->pod && !w->session->o->no_annotate && !j->beside;
}

int exporter_clear(struct exporter_work *w, const char *container, bool *ret, struct error *err)
{
	return change(w, NULL, container, ret, err);
}
