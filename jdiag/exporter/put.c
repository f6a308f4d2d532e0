#include "jdiag/exporter/put.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/agent/load.h"
#include "jdiag/agent/place.h"
#include "jdiag/exporter/annotate_pod.h"
#include "jdiag/exporter/ended.h"
#include "jdiag/exporter/page.h"
#include "jdiag/exporter/port.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "remote/base/str.h"

/* Its server is there before agentmain returns; a margin for slow machines. */
#define LISTEN_MS 10000

struct files {
	struct placed jar, config;
};

static int add_hint(const char *text, struct error *err)
{
	auto_free char *first = xstrdup(err->hint);

	return error_hint(err, "%s%s%s", first, *first ? "\n" : "", text);
}

/* ---- files ---- */

static int place_jar(struct exporter_work *w, const struct exporter_jvm *j, struct placed *ret,
		     struct error *err)
{
	const struct exporter_settings *s = w->settings;

	return agent_place(w->session->helper, &j->ref, s->place_name, buf_str(&s->jar.data),
			   s->jar.data.len, s->jar.sha256, false, NULL, ret, err);
}

/* Never over one that is there: another run may be about to load it. Then it is placed elsewhere.
 */
static int place_config(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
			struct placed *ret, struct error *err)
{
	const struct exporter_settings *s = w->settings;
	char name[EXPORTER_CONFIG_NAME];

	exporter_config_name(name, port, j->ref.pid);
	return agent_place(w->session->helper, &j->ref, name, s->config, s->config_len,
			   s->config_sha256, false, NULL, ret, err);
}

/* What is left when it cannot be removed is said; what was there before is another JVM's. */
static void remove_file(struct exporter_work *w, const struct exporter_jvm *j,
			const struct placed *p)
{
	struct error e = {0};
	bool removed;

	if (*p->path && !p->existed &&
	    agent_unplace(w->session->helper, &j->ref, p->path, &removed, &e) < 0)
		progress_note(w->progress, "warning: '%s' stays in the container: %s", p->path,
			      e.msg);
}

/* What an earlier start of the container has left, where that outlives it (an emptyDir). Not what
 * is called as this JVM's is (its pid was given once more): another run may have placed that. */
static void remove_outlived(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port)
{
	auto_free char *ours = exporter_config_path("", port, j->ref.pid);
	struct error unimportant;
	bool removed;

	if (j->outlived && j->mark.file[0] && !str_ends(j->mark.file, ours))
		(void)!agent_unplace(w->session->helper, &j->ref, j->mark.file, &removed,
				     &unimportant);
}

static void remove_files(struct exporter_work *w, const struct exporter_jvm *j,
			 const struct files *f, bool jar)
{
	session_set_uninterruptible(w->session, true);
	if (jar)
		remove_file(w, j, &f->jar); /* first: as in eject.c */
	remove_file(w, j, &f->config);
	session_set_uninterruptible(w->session, false);
}

/* Who has got the port may be another JVM of the container, that another run has told to load this
 * very jar, and that has not opened it yet. The configuration has a name for each JVM. */
static int tell_port_lost(struct exporter_work *w, const struct exporter_jvm *j,
			  const struct files *f, struct error *err)
{
	remove_files(w, j, f, false);
	return add_hint(
		"nothing is loaded, the configuration is removed, nothing was annotated; "
		"the jar stays in the container, as who has the port may be about to load it",
		err);
}

/* Where two are at work on the same JVM they place the same files in the same place: those of one
 * that is told to go away may be what the other one is about to load. That needs its configuration
 * to be there in the moment of the load. */
static int tell_refused(struct exporter_work *w, const struct exporter_jvm *j,
			const struct files *f, struct error *err)
{
	if (err->sys == EADDRINUSE)
		return tell_port_lost(w, j, f, err);
	if (err->sys && err->sys != EEXIST) {
		remove_files(w, j, f, true);
		return add_hint("nothing is loaded, the files are removed, nothing was annotated",
				err);
	}
	return add_hint("this run has loaded nothing; run the same command again, it looks at what "
			"is there",
			err);
}

/* By another pod of this run. */
static int check_unsure(const struct exporter_work *w, uint16_t port, struct error *err)
{
	if (!exporter_has_node_network(w) || !(w->settings->unsure[port / 8] >> port % 8 & 1))
		return 0;
	error_set(
		err, ERR_REFUSED,
		"port %u may yet be another JVM's, which was told to take it and has not answered",
		port);
	err->sys = EADDRINUSE;
	return -1;
}

/* Who came in the meantime would make the exporter's start fail, and that ends the JVM. The helper
 * looks once more in the moment of the load; here it can be told who it is. */
static int look_again(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		      struct error *err)
{
	auto_json json_t *now = NULL;
	struct exporter_found found;

	if (check_unsure(w, port, err) < 0)
		return -1;
	if (survey_with(w->session->helper, &j->ref, port, NULL, &now, err) < 0)
		return -1;
	exporter_find_seen(now, &found);
	if (found.owner != EXPORTER_NONE) {
		error_set(err, ERR_REFUSED, "somebody has loaded an exporter meanwhile: '%s'",
			  found.what);
		err->sys = EEXIST;
		return -1;
	}
	return port_check(port, now, w->pod, err) < 0 ? -1 : port_check_bind(port, now, err);
}

/* Without a mark the configuration is looked for beside the jar. Where it could not lie there the
 * jar goes where it lies; or stays, and only the mark knows. */
static void follow_config(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
			  struct files *f)
{
	const struct exporter_settings *s = w->settings;
	auto_free char *beside = exporter_config_path(f->jar.path, port, j->ref.pid), *path = NULL;
	const char *config = f->config.path;
	struct placed jar = {0};
	struct error unimportant;

	if (strcmp(beside, config) == 0)
		return;
	path = xasprintf("%.*s/%s", (int)(strrchr(config, '/') - config), config, s->place_name);
	if (agent_place(w->session->helper, &j->ref, s->place_name, buf_str(&s->jar.data),
			s->jar.data.len, s->jar.sha256, false, path, &jar, &unimportant) < 0)
		return;
	remove_file(w, j, &f->jar);
	f->jar = jar;
}

static int place(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		 struct files *f, struct error *err)
{
	progress_phase(w->progress, "place");
	remove_outlived(w, j, port);
	if (place_jar(w, j, &f->jar, err) == 0 && look_again(w, j, port, err) == 0 &&
	    place_config(w, j, port, &f->config, err) == 0) {
		follow_config(w, j, port, f);
		if (f->jar.why[0])
			progress_note(w->progress, "the files are in '%s': %s", f->jar.path,
				      f->jar.why);
		return 0;
	}
	if (err->code == ERR_REFUSED)
		return tell_refused(w, j, f, err);
	remove_files(w, j, f, true);
	return add_hint("nothing was loaded", err);
}

/* ---- the agent ---- */

/* It may have ended a moment after it had answered. */
static bool has_ended(struct exporter_work *w, const struct exporter_jvm *j)
{
	auto_json json_t *answer = NULL;
	struct error e = {0};

	return survey(w->session->helper, &j->ref, &answer, &e) < 0 &&
	       (e.sys == ESRCH || e.code == ERR_TARGET);
}

/* No answer, the connection, or Ctrl-C. */
static int tell_unknown(struct exporter_work *w, uint16_t port, struct error *err)
{
	auto_free char *text = xasprintf(
		"whether the exporter is loaded is not known, and the files stay: run the same "
		"command again, it looks at that first\nuntil that is known, give port %u of this "
		"pod to no other JVM: where two want it, the exporter ends one of them",
		port);

	if (exporter_has_node_network(w))
		w->settings->unsure[port / 8] |= (unsigned char)(1u << port % 8);
	return add_hint(text, err);
}

static int tell_load(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		     const struct files *f, struct error *err)
{
	if (err->sys == ESRCH)
		return exporter_tell_end(w, j, err);
	if (err->code == ERR_REFUSED)
		return tell_refused(w, j, f, err);
	if (agent_is_out(err)) {
		remove_files(w, j, f, true);
		return add_hint("nothing is loaded, the files are removed, nothing was annotated",
				err);
	}
	if (err->code == ERR_ATTACH && err->sys == ECANCELED)
		return add_hint("a part of the exporter is in the JVM until that ends: the files "
				"stay, nothing was annotated; restart the container to try again",
				err);
	return tell_unknown(w, port, err);
}

static int load(struct exporter_work *w, const struct exporter_jvm *j,
		const struct exporter_before *b, const struct files *f, struct error *err)
{
	auto_free char *options = xasprintf("%u:%s", b->port, f->config.path);
	const struct agent_request r = {
		.kind = AGENT_JAR,
		.path = f->jar.path,
		.options = options,
		.unless_port = b->port,
		.unless_jar = EXPORTER_JAR,
		.needs = f->config.path,
	};

	progress_phase(w->progress, "load");
	if (exporter_check_options(options, err) < 0) {
		remove_files(w, j, f, true);
		return -1;
	}
	if (b->warns)
		progress_note(w->progress, "the JVM writes a warning of four lines to its standard "
					   "error, as an agent is loaded (JEP 451)");
	if (agent_load(w->session->helper, &j->ref, &r, err) == 0)
		return 0;
	return tell_load(w, j, b->port, f, err);
}

/* The JVM has it, and keeps it. */
static int tell_loaded(uint16_t port, struct error *err)
{
	auto_free char *text = xasprintf(
		"the exporter stays until the JVM ends (port %u); nothing was annotated\nrun the "
		"same command again: it looks at what is there, and annotates once the metrics are "
		"right",
		port);

	return add_hint(text, err);
}

/* The first one takes long where the CPU is scarce: classes are loaded, nothing is compiled yet.
 * The second one has that behind it. */
static int first_page(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		      struct scrape *ret, struct error *err)
{
	struct error e = {0};

	if (exporter_page(w, j, port, "/metrics", LISTEN_MS, ret, &e) == 0)
		return 0;
	if (e.sys == ETIMEDOUT)
		return exporter_page(w, j, port, "/metrics", LISTEN_MS, ret, err);
	*err = e;
	return -1;
}

/* 1.0 collects its own metrics before those of the MBeans (PrometheusRegistry.scrape): a page has
 * the jmx_scrape_error of the scrape before, and the first says nothing about itself. */
static int read_page(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		     struct scrape *ret, struct error *err)
{
	if (first_page(w, j, port, ret, err) < 0)
		return -1;
	if (w->settings->generation < EXPORTER_1_0)
		return 0;
	return exporter_page(w, j, port, "/metrics", 0, ret, err);
}

static int prove(struct exporter_work *w, const struct exporter_jvm *j, uint16_t port,
		 struct scrape *ret, struct error *err)
{
	if (read_page(w, j, port, ret, err) == 0)
		return 0;
	if (err->code == ERR_INTERRUPTED)
		return tell_loaded(port, err);
	if (helper_lost(w->session->helper)) {
		error_prefix(err, "the exporter is loaded; what it answers was not seen");
		return tell_loaded(port, err);
	}
	if (has_ended(w, j)) {
		error_set(err, ERR_ATTACH,
			  "the JVM has ended after the exporter was loaded: how is not known");
		return exporter_tell_end(w, j, err);
	}
	error_prefix(err, "the exporter is loaded, but its metrics are not right");
	return tell_loaded(port, err);
}

/* ---- all of it ---- */

static int finish(struct exporter_work *w, const struct exporter_jvm *j, const struct mark *m,
		  const struct files *f, const struct scrape *page, struct error *err)
{
	bool annotate = exporter_annotates(w, m);
	json_t *r;

	if (annotate && exporter_annotate(w, m, NULL, err) < 0) {
		error_prefix(err,
			     "the exporter is loaded and answers on port %llu, but the pod is "
			     "not annotated",
			     (unsigned long long)m->port);
		/* the next one of its name has no exporter */
		if (err->sys == ESTALE)
			return -1;
		return add_hint(
			"run the same command again: it loads nothing more, and annotates (or use "
			"--no-annotate)",
			err);
	}
	r = exporter_result(w, j, j->restarted ? "reinjected" : "injected");
	exporter_result_mark(r, m);
	exporter_result_page(r, page);
	json_object_set_new(r, "mounted", json_boolean(f->jar.mounted));
	json_object_set_new(r, "annotated", json_boolean(annotate));
	return 0;
}

int exporter_put(struct exporter_work *w, const struct exporter_jvm *j,
		 const struct exporter_before *b, struct error *err)
{
	const struct exporter_settings *s = w->settings;
	struct files f = {0};
	struct scrape page;
	struct mark m;

	if (session_recheck(w->session, err) < 0 || place(w, j, b->port, &f, err) < 0 ||
	    load(w, j, b, &f, err) < 0 || prove(w, j, b->port, &page, err) < 0)
		return -1;
	m = exporter_mark_new(j, b->port, s->jar.version, s->config_sha256);
	if (!str_copy(m.jar, sizeof(m.jar), f.jar.path) ||
	    !str_copy(m.file, sizeof(m.file), f.config.path))
		return error_set(err, ERR_FAILED, "the path of a placed file is too long");
	return finish(w, j, &m, &f, &page, err);
}
