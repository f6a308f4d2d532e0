#include "jdiag/exporter/eject.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/agent/place.h"
#include "jdiag/exporter/annotate_pod.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/target.h"

/* ---- files ---- */

static int remove_file(struct exporter_work *w, const struct exporter_jvm *j, const char *path,
		       unsigned int *count, struct error *err)
{
	bool removed = false;

	if (!*path)
		return 0;
	if (agent_unplace(w->session->helper, &j->ref, path, &removed, err) < 0)
		return -1;
	*count += removed;
	return 0;
}

/* Without a mark: beside the jar, called by a port that the JVM holds. */
static int remove_beside(struct exporter_work *w, const struct exporter_jvm *j, unsigned int *count,
			 struct error *err)
{
	const char *jar = j->found.what;
	const json_t *port;
	size_t i;

	json_array_foreach (json_at(j->survey, "own"), i, port) {
		auto_free char *path =
			exporter_config_path(jar, (uint16_t)json_integer_value(port));

		if (remove_file(w, j, path, count, err) < 0)
			return -1;
	}
	return remove_file(w, j, jar, count, err);
}

/* That of the JVM; and what an earlier start of the container has left, where that outlives it (an
 * emptyDir). */
static int remove_files(struct exporter_work *w, const struct exporter_jvm *j, unsigned int *count,
			struct error *err)
{
	if (!j->marked && j->found.owner == EXPORTER_OURS && remove_beside(w, j, count, err) < 0)
		return -1;
	if (!j->marked && !j->outlived)
		return 0;
	if (remove_file(w, j, j->mark.file, count, err) < 0)
		return -1;
	return remove_file(w, j, j->mark.jar, count, err);
}

static int eject_jvm(struct exporter_work *w, const json_t *jvm, struct error *err)
{
	auto_cleanup(exporter_jvm_release) struct exporter_jvm j = {0};
	unsigned int count = 0;
	bool loaded;
	json_t *r;

	if (exporter_jvm_look(w, jvm, &j, err) < 0)
		return -1;
	loaded = j.marked || j.found.owner == EXPORTER_OURS;
	if (!loaded && !j.outlived)
		return 0;
	if (!w->session->o->dry_run &&
	    (session_recheck(w->session, err) < 0 || remove_files(w, &j, &count, err) < 0))
		return -1;
	if (!loaded && !count)
		return 0;
	r = exporter_result(w, &j, w->session->o->dry_run ? "planned" : "ejected");
	if (j.marked)
		exporter_result_mark(r, &j.mark);
	json_object_set_new(r, "removed", json_integer(count));
	if (!w->session->o->dry_run && loaded)
		progress_note(w->progress,
			      "an agent cannot be unloaded: the exporter goes on to answer in "
			      "container '%s' (pid %llu) until the JVM ends",
			      json_str_at(r, "container", ""), (unsigned long long)j.ref.ns_pid);
	return 0;
}

/* ---- annotations ---- */

static bool is_told(const struct exporter_work *w, const char *container)
{
	const json_t *r;
	size_t i;

	json_array_foreach (w->results, i, r)
		if (strcmp(json_str_at(r, "container", ""), container) == 0)
			return true;
	return false;
}

static bool has_mark(const struct exporter_work *w, const char *container)
{
	auto_free char *key = xasprintf(MARK_PREFIX "%s", container);

	return json_object_get(json_at(w->pod, "metadata.annotations"), key);
}

static int clear_container(struct exporter_work *w, const char *name, struct error *err)
{
	bool changed = true;

	if (!has_mark(w, name))
		return 0;
	if (!w->session->o->dry_run && exporter_clear(w, name, &changed, err) < 0)
		return error_prefix(err, "the annotations are not removed");
	if (!is_told(w, name))
		json_set_text(
			exporter_result(w, NULL, w->session->o->dry_run ? "planned" : "ejected"),
			"container", name);
	return 0;
}

/* --jvm: those of one JVM, whose container it is; a mark of another start is nobody's. */
static int clear_all(struct exporter_work *w, struct error *err)
{
	const struct session *s = w->session;

	if (s->o->no_annotate)
		return 0;
	for (unsigned int i = 0; s->has_pod && i < s->pod.n_containers; i++) {
		const char *name = s->pod.containers[i].name;

		if (s->o->container && strcmp(name, s->o->container) != 0)
			continue;
		if (s->o->jvm && !is_told(w, name))
			continue;
		if (clear_container(w, name, err) < 0)
			return -1;
	}
	return 0;
}

/* One whose files stay keeps neither the others' nor the annotations. */
static int eject_all(struct exporter_work *w, const json_t *jvms, struct error *err)
{
	const json_t *jvm;
	size_t i;

	json_array_foreach (jvms, i, jvm) {
		struct error why = {0};

		if (eject_jvm(w, jvm, &why) == 0 || exporter_jvm_ended(&why))
			continue;
		if (why.code == ERR_INTERRUPTED || helper_lost(w->session->helper)) {
			*err = why;
			return -1;
		}
		exporter_result_failed(w, jvm, &why);
	}
	return 0;
}

int exporter_eject(struct exporter_work *w, const struct target *t, bool has_node,
		   struct error *err)
{
	auto_json json_t *jvms = NULL;
	struct error why = {0};

	if (exporter_work_resolve(w, t, has_node, err) < 0)
		return -1;
	/* no JVM: there may be marks of one that was */
	if (exporter_work_find(w, &jvms, &why) < 0 && !exporter_work_is_empty(w, &why)) {
		*err = why;
		return -1;
	}
	if (eject_all(w, jvms, err) < 0 || clear_all(w, err) < 0)
		return -1;
	if (!json_array_size(w->results))
		json_set_text(exporter_result(w, NULL, "nothing"), "reason",
			      "jdiag has left nothing here");
	return 0;
}
