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
#include "jdiag/survey.h"
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

/* Each time the jar goes first: a JVM that is told to load it without its configuration would be
 * ended by it; without the jar it says so, and goes on. */

/* Without a mark: beside the jar, called by the JVM and a port that need not be open (an agent
 * whose start failed). */
static int remove_beside(struct exporter_work *w, struct exporter_jvm *j, unsigned int *count,
			 struct error *err)
{
	auto_free char *end = exporter_config_like(j->found.what, j->ref.pid);
	char name[AGENT_NAME_SIZE];

	if (remove_file(w, j, j->found.what, count, err) < 0 ||
	    agent_unplace_like(w->session->helper, &j->ref, end, EXPORTER_CONFIG_BEGIN, name, err) <
		    0)
		return -1;
	*count += *name != '\0';
	j->mark.port = exporter_config_port(name);
	return 0;
}

static int remove_marked(struct exporter_work *w, const struct exporter_jvm *j,
			 const struct mark *m, unsigned int *count, struct error *err)
{
	if (remove_file(w, j, m->jar, count, err) < 0)
		return -1;
	return remove_file(w, j, m->file, count, err);
}

/* What JVMs of the container have left that have ended, where that outlives them (the container
 * runs on, an emptyDir). */
static void remove_outlived(struct exporter_work *w, const struct exporter_jvm *j,
			    unsigned int *count)
{
	char names[MAX_MARKS][MARK_NAME], why[128];
	size_t n = w->pod ? mark_names(w->pod, j->container->name, names) : 0;
	struct error e = {0};
	struct mark m;

	for (size_t i = 0; i < n; i++)
		if (mark_read(w->pod, names[i], &m, why) == 1 && !exporter_mark_runs(w, &m) &&
		    remove_marked(w, j, &m, count, &e) < 0)
			progress_note(w->progress,
				      "warning: what mark '%s' is about may be left: %s", names[i],
				      e.msg);
}

static int remove_files(struct exporter_work *w, struct exporter_jvm *j, unsigned int *count,
			struct error *err)
{
	if (j->marked && remove_marked(w, j, &j->mark, count, err) < 0)
		return -1;
	if (!j->marked && j->found.owner == EXPORTER_OURS && remove_beside(w, j, count, err) < 0)
		return -1;
	if (!w->session->o->jvm)
		remove_outlived(w, j, count);
	else if (j->outlived)
		return remove_marked(w, j, &j->mark, count, err);
	return 0;
}

/* Which are to go with --jvm: its own; the container's, if nobody can say whose that is. */
static void note_marks(const struct exporter_work *w, const struct exporter_jvm *j, json_t *marks)
{
	char name[MARK_NAME], why[128];
	struct mark m;

	if ((j->marked || j->outlived) && mark_name(&j->mark, name))
		json_array_append_new(marks, json_string(name));
	if (w->pod && mark_read(w->pod, j->container->name, &m, why) == 0 && why[0])
		json_array_append_new(marks, json_string(j->container->name));
}

static bool has_marks(const struct exporter_work *w, const struct exporter_jvm *j)
{
	char names[MAX_MARKS][MARK_NAME];

	return w->pod && mark_names(w->pod, j->container->name, names) > 0;
}

/* The port: of the mark, or of the file that is gone now; 0: not known. */
static void tell_loaded(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port)
{
	const char *container = j->container ? j->container->name : "";
	auto_free char *where =
		xasprintf("%s%s%s(pid %llu)", *container ? "of container '" : "", container,
			  *container ? "' " : "",
			  (unsigned long long)(j->container ? j->ref.ns_pid : j->ref.pid));

	if (!port || !survey_listens_self(j->survey, port))
		progress_note(w->progress,
			      "an agent cannot be unloaded: what the JVM %s has of the exporter "
			      "stays in it until it ends",
			      where);
	else
		progress_note(
			w->progress,
			"an agent cannot be unloaded: the exporter in the JVM %s goes on to "
			"answer on port %u until that ends; to have it again: exporter inject "
			"--port %u",
			where, port, port);
}

static int check_marks(const struct exporter_work *w, const struct exporter_jvm *j,
		       struct error *err)
{
	if (!w->session->o->no_annotate || !j->marked)
		return 0;
	error_set(err, ERR_USAGE,
		  "--no-annotate: the pod's mark would go on to name files that are removed");
	return error_hint(err, "leave --no-annotate away");
}

/* marks: gets the names of its own. */
static int eject_jvm(struct exporter_work *w, const json_t *jvm, json_t *marks, struct error *err)
{
	auto_cleanup(exporter_jvm_release) struct exporter_jvm j = {0};
	bool dry = w->session->o->dry_run, loaded;
	unsigned int count = 0;
	json_t *r;

	if (exporter_jvm_look(w, jvm, &j, err) < 0 || check_marks(w, &j, err) < 0)
		return -1;
	note_marks(w, &j, marks);
	loaded = j.marked || j.found.owner == EXPORTER_OURS;
	if (!loaded && (dry || !has_marks(w, &j)))
		return 0;
	if (!dry && (session_recheck(w->session, err) < 0 || remove_files(w, &j, &count, err) < 0))
		return -1;
	if (!loaded && !count)
		return 0;
	if (!dry && !count && !has_marks(w, &j)) {
		json_set_text(exporter_result(w, &j, "nothing"), "reason",
			      "the files are gone already; what is loaded stays in the JVM until "
			      "that ends");
		return 0;
	}
	r = exporter_result(w, &j, dry ? "planned" : "ejected");
	if (j.marked)
		exporter_result_mark(r, &j.mark);
	json_object_set_new(r, "removed", json_integer(count));
	if (!dry && loaded)
		tell_loaded(w, &j, (uint16_t)j.mark.port);
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

static int clear_mark(struct exporter_work *w, const char *container, const char *name,
		      struct error *err)
{
	bool changed = true;

	if (!w->session->o->dry_run && exporter_clear(w, name, &changed, err) < 0)
		return error_prefix(err, "the annotations are not removed");
	if (!is_told(w, container))
		json_set_text(
			exporter_result(w, NULL, w->session->o->dry_run ? "planned" : "ejected"),
			"container", container);
	return 0;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return true;
	return false;
}

/* --jvm: those of one JVM; a mark of another start is nobody's. */
static int clear_container(struct exporter_work *w, const char *container, const json_t *marks,
			   struct error *err)
{
	char names[MAX_MARKS][MARK_NAME];
	size_t n = mark_names(w->pod, container, names);

	for (size_t i = 0; i < n; i++)
		if ((!w->session->o->jvm || has_text(marks, names[i])) &&
		    clear_mark(w, container, names[i], err) < 0)
			return -1;
	return 0;
}

static int clear_all(struct exporter_work *w, const json_t *marks, struct error *err)
{
	const struct session *s = w->session;

	if (s->o->no_annotate)
		return 0;
	for (unsigned int i = 0; s->has_pod && i < s->pod.n_containers; i++) {
		const char *name = s->pod.containers[i].name;

		if ((!s->o->container || strcmp(name, s->o->container) == 0) &&
		    clear_container(w, name, marks, err) < 0)
			return -1;
	}
	return 0;
}

/* One whose files stay keeps neither the others' nor the annotations. */
static int eject_all(struct exporter_work *w, const json_t *jvms, json_t *marks, struct error *err)
{
	const json_t *jvm;
	size_t i;

	json_array_foreach (jvms, i, jvm) {
		struct error why = {0};

		if (eject_jvm(w, jvm, marks, &why) == 0 || exporter_jvm_ended(&why))
			continue;
		if (why.code == ERR_INTERRUPTED || helper_lost(w->session->helper)) {
			*err = why;
			return -1;
		}
		exporter_result_failed(w, jvm, &why);
	}
	return 0;
}

/* What would be removed. */
static void tell_plan(struct exporter_work *w)
{
	json_t *r;
	size_t i;

	json_array_foreach (w->results, i, r) {
		bool files = json_at(r, "pid"), marked = !files || json_at(r, "by");

		if (strcmp(json_str_at(r, "state", ""), "planned") == 0)
			json_object_set_new(
				r, "plan",
				json_string(!files   ? "remove the annotations"
					    : marked ? "remove jar, configuration and annotations"
						     : "remove jar and configuration"));
	}
}

int exporter_eject(struct exporter_work *w, const struct target *t, bool has_node,
		   struct error *err)
{
	auto_json json_t *jvms = NULL, *marks = json_array();
	struct error why = {0};

	if (exporter_work_resolve(w, t, has_node, err) < 0)
		return -1;
	/* no JVM: there may be marks of one that was */
	if (exporter_work_find(w, &jvms, &why) < 0 && !exporter_work_is_empty(w, &why)) {
		*err = why;
		return -1;
	}
	if (eject_all(w, jvms, marks, err) < 0 || clear_all(w, marks, err) < 0)
		return -1;
	tell_plan(w);
	if (!json_array_size(w->results))
		json_set_text(exporter_result(w, NULL, "nothing"), "reason",
			      "jdiag has left nothing here");
	return 0;
}
