#include "jdiag/exporter/inject.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/exporter/again.h"
#include "jdiag/exporter/annotate_pod.h"
#include "jdiag/exporter/before.h"
#include "jdiag/exporter/put.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/target.h"
#include "remote/base/buf.h"

#define MAX_LISTED 600 /* of a hint */

static void plan(struct exporter_work *w, const struct exporter_jvm *j,
		 const struct exporter_before *b)
{
	const struct exporter_settings *s = w->settings;
	const struct mark m = exporter_mark_new(j, b->port, s->jar.version, s->config_sha256);
	bool annotate = exporter_annotates(w, &m);
	json_t *r = exporter_result(w, j, "planned");

	json_set_text(r, "version", s->jar.version);
	json_set_text(r, "config", s->config_sha256);
	json_object_set_new(r, "port", json_integer(b->port));
	json_object_set_new(r, "path", json_string("/metrics"));
	json_set_text(r, "jarname", s->place_name);
	json_object_set_new(r, "warns", json_boolean(b->warns));
	json_object_set_new(
		r, "plan",
		json_string(annotate ? "place jar and configuration, load, scrape, annotate"
				     : "place jar and configuration, load, scrape"));
}

/* Worked on side by side, or by somebody else: another JVM has got the port since it was looked at.
 * Nothing was loaded. */
static bool takes_next_port(const struct exporter_work *w, const struct error *why)
{
	const struct port_range *ports = &w->settings->ports;

	return why->code == ERR_REFUSED && why->sys == EADDRINUSE && ports->first < ports->last;
}

/* A port that was lost is not tried again: who has it may take long until that is seen. */
static int put_somewhere(struct exporter_work *w, const struct exporter_jvm *j,
			 struct exporter_before *b, struct error *err)
{
	struct error why = {0};

	while (exporter_put(w, j, b, &why) < 0) {
		if (!takes_next_port(w, &why)) {
			*err = why;
			return -1;
		}
		if (exporter_before_next_port(w, j, b, err) < 0)
			return error_hint(err, "%s%snothing was loaded", err->hint,
					  *err->hint ? "\n" : "");
		progress_note(w->progress, "%s: %u is taken instead", why.msg, b->port);
		why = (struct error){0};
	}
	return 0;
}

static int put_new(struct exporter_work *w, struct exporter_jvm *j, struct error *err)
{
	auto_cleanup(exporter_before_release) struct exporter_before b = {0};

	progress_phase(w->progress, "check");
	if (exporter_before(w, j, &b, err) < 0)
		return -1;
	if (b.found.owner != EXPORTER_NONE) {
		exporter_leave(w, j, &b.found);
		return 0;
	}
	if (w->session->o->dry_run) {
		plan(w, j, &b);
		return 0;
	}
	return put_somewhere(w, j, &b, err);
}

static int inject_one(struct exporter_work *w, const json_t *jvm, struct error *err)
{
	auto_cleanup(exporter_jvm_release) struct exporter_jvm j = {0};

	if (exporter_jvm_look(w, jvm, &j, err) < 0)
		return -1;
	if (j.mark_why[0])
		progress_note(w->progress, "the pod's mark of container '%s' is not read: %s",
			      j.container->name, j.mark_why);
	if (j.marked)
		return exporter_again(w, &j, err);
	switch (j.found.owner) {
	case EXPORTER_OURS:
		return exporter_adopt(w, &j, err);
	case EXPORTER_AT_START:
	case EXPORTER_SOMEBODY:
		exporter_leave(w, &j, &j.found);
		return 0;
	case EXPORTER_NONE:
		break;
	}
	return put_new(w, &j, err);
}

/* Of the node's own network: which ports the JVMs of this pod have now. */
static void note_ports(struct exporter_work *w)
{
	const json_t *r;
	size_t i;

	if (!exporter_has_node_network(w))
		return;
	json_array_foreach (w->results, i, r) {
		auto_free char *who =
			xasprintf("pod '%s', container '%s'", json_str_at(r, "pod", ""),
				  json_str_at(r, "container", ""));

		if (json_at(r, "samples"))
			exporter_settings_hold(w->settings, (uint16_t)json_u64_at(r, "port", 0),
					       who);
	}
}

/* Of several the others go on. */
static int inject_all(struct exporter_work *w, const json_t *jvms, struct error *err)
{
	const json_t *jvm;
	size_t i;

	json_array_foreach (jvms, i, jvm) {
		struct error why = {0};
		int rc = inject_one(w, jvm, &why);

		note_ports(w);
		if (rc == 0)
			continue;
		if (json_array_size(jvms) == 1 || why.code == ERR_INTERRUPTED) {
			*err = why;
			return -1;
		}
		exporter_result_failed(w, jvm, &why);
	}
	return 0;
}

/* Of several one port could only be had by the first: none is begun with. Those that have an
 * exporter want none. */
static int check_ports(struct exporter_work *w, const json_t *jvms, struct error *err)
{
	const struct port_range *ports = &w->settings->ports;
	auto_buf struct buf list = BUF_INIT(MAX_LISTED);
	const json_t *jvm;
	size_t i, n = 0;

	if (json_array_size(jvms) < 2 || ports->first < ports->last)
		return 0;
	json_array_foreach (jvms, i, jvm) {
		auto_cleanup(exporter_jvm_release) struct exporter_jvm j = {0};
		struct error why = {0};

		if (exporter_jvm_look(w, jvm, &j, &why) < 0) {
			if (why.code == ERR_INTERRUPTED || helper_lost(w->session->helper)) {
				*err = why;
				return -1;
			}
			continue; /* told when it is its turn */
		}
		if (j.marked || j.found.owner != EXPORTER_NONE)
			continue;
		n++;
		buf_addf(&list, "  -c %s --jvm %llu  %.100s\n", j.container->name,
			 (unsigned long long)j.ref.ns_pid, j.ref.main);
	}
	if (n < 2)
		return 0;
	error_set(err, ERR_USAGE,
		  "%zu JVMs of pod '%s' want an exporter, and there is one port, %u", n,
		  w->session->pod.name, ports->first);
	return error_hint(err,
			  "%sgive a range, of which each gets one: --all --port 9404-9499\nnothing "
			  "was loaded",
			  buf_str(&list));
}

static bool is_selected(const struct options *o)
{
	return o->selector || o->field_selector || o->all_namespaces;
}

int exporter_inject(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err)
{
	auto_json json_t *jvms = NULL;
	struct session *s = w->session;
	struct error why = {0};

	if (exporter_work_resolve(w, t, has_node, err) < 0 ||
	    exporter_settings_config(w->settings, s->kube, s->has_pod ? s->pod.ns : "", err) < 0)
		return -1;
	if (exporter_work_find(w, &jvms, &why) < 0) {
		/* most pods that a selector finds may have none */
		if (is_selected(s->o) && exporter_work_is_empty(w, &why)) {
			json_set_text(exporter_result(w, NULL, "no-jvm"), "reason", why.msg);
			return 0;
		}
		*err = why;
		return -1;
	}
	if (json_array_size(jvms) > 1 && !s->o->all)
		return exporter_work_ambiguous(w, jvms, err);
	if (check_ports(w, jvms, err) < 0)
		return -1;
	return inject_all(w, jvms, err);
}
