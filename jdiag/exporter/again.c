#include "jdiag/exporter/again.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/agent/place.h"
#include "jdiag/exporter/annotate_pod.h"
#include "jdiag/exporter/config.h"
#include "jdiag/exporter/page.h"
#include "jdiag/exporter/put.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/json.h"
#include "jdiag/options.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/survey.h"
#include "remote/base/buf.h"
#include "remote/base/str.h"

#define MAX_REASON 1024
#define MAX_TRIED 8 /* ports of a JVM that are asked whether the exporter is there */

/* ---- what cannot be had any more ---- */

/* Asked for and not given: the result's "reason". */
static void set_what_stays(const struct exporter_work *w, const struct mark *m, json_t *r)
{
	const struct exporter_settings *s = w->settings;
	bool version = m->version[0] && strcmp(m->version, s->jar.version) != 0;
	bool port = w->session->o->ports && (m->port < s->ports.first || m->port > s->ports.last);
	auto_buf struct buf text = BUF_INIT(MAX_REASON);

	if (version)
		buf_addf(&text,
			 "exporter %s is loaded and cannot be unloaded: for %s restart the "
			 "container, then run this again",
			 m->version, s->jar.version);
	if (port)
		buf_addf(
			&text,
			"%sthe exporter listens on port %llu, which cannot be changed: for another "
			"one restart the container, then run this again",
			version ? "; " : "", (unsigned long long)m->port);
	if (text.len)
		json_set_text(r, "reason", buf_str(&text));
}

/* ---- another configuration ---- */

/* The one that is loaded may be of another version than the jar that would be. */
static int check_config(const struct exporter_work *w, const struct mark *m, struct error *err)
{
	const struct exporter_settings *s = w->settings;
	enum exporter_generation g = s->generation;

	if (m->version[0] && exporter_generation(m->version, &g, err) < 0)
		return -1;
	if (g == s->generation)
		return 0;
	if (exporter_config_check(s->config, s->config_len, s->config_name, g, err) < 0)
		return error_prefix(err, "not for the exporter %s that is loaded", m->version);
	return 0;
}

/* Whether it may be replaced, and the pod's mark be right afterwards. */
static int check_replace(const struct exporter_work *w, const struct exporter_jvm *j,
			 const struct mark *m, struct error *err)
{
	if (check_config(w, m, err) < 0)
		return -1;
	if (!strchr(m->file, '/'))
		return error_set(err, ERR_FAILED,
				 "the place of the configuration in the container is not known");
	if (!w->session->o->no_annotate || !j->marked || !m->config[0])
		return 0;
	error_set(err, ERR_USAGE,
		  "--no-annotate: the pod's mark would go on to name the configuration that is "
		  "replaced");
	return error_hint(err, "leave --no-annotate away; or remove the mark first: eject");
}

/* At the same path, also where the file and its directory were removed meanwhile. */
static int put_file(struct exporter_work *w, const struct exporter_jvm *j, const char *path,
		    struct error *err)
{
	const struct exporter_settings *s = w->settings;
	const char *name = strrchr(path, '/') + 1;
	struct placed placed = {0};
	struct error e = {0};
	bool removed;

	if (agent_place(w->session->helper, &j->ref, name, s->config, s->config_len,
			s->config_sha256, false, path, &placed, &e) == 0)
		return 0;
	if (e.sys != ENOENT) {
		*err = e;
		return -1;
	}
	if (agent_place(w->session->helper, &j->ref, name, s->config, s->config_len,
			s->config_sha256, false, NULL, &placed, err) < 0)
		return -1;
	if (strcmp(placed.path, path) == 0)
		return 0;
	if (agent_unplace(w->session->helper, &j->ref, placed.path, &removed, &e) < 0)
		progress_note(w->progress, "warning: '%s' stays in the container: %s", placed.path,
			      e.msg);
	return error_set(err, ERR_NODE, "'%s' is not there any more, and cannot be put there again",
			 path);
}

/* Whatever becomes of this run: no later one may take the configuration for the one that the mark
 * had. */
static int forget_config(struct exporter_work *w, const struct exporter_jvm *j,
			 const struct mark *m, struct error *err)
{
	struct mark unknown = *m;

	if (!j->marked || !m->config[0])
		return 0;
	unknown.config[0] = '\0';
	if (exporter_annotate(w, &unknown, NULL, err) == 0)
		return 0;
	return error_prefix(err,
			    "the configuration is not replaced, as the pod cannot be annotated");
}

static int replace(struct exporter_work *w, const struct exporter_jvm *j, struct mark *m,
		   struct scrape *page, struct error *err)
{
	const struct exporter_settings *s = w->settings;
	struct scrape before;

	/* once more: the first page may have been the first since another change */
	if (session_recheck(w->session, err) < 0 ||
	    exporter_page(w, j, (uint16_t)m->port, m->path, 0, &before, err) < 0 ||
	    forget_config(w, j, m, err) < 0)
		return -1;
	progress_phase(w->progress, "place");
	progress_note(w->progress, "a loaded agent cannot be unloaded: its configuration is "
				   "replaced, and it reads that by itself");
	if (put_file(w, j, m->file, err) < 0)
		return error_hint(err,
				  "%s%sthe exporter goes on with the configuration that it has",
				  err->hint, err->hint[0] ? "\n" : "");
	if (exporter_page_reloaded(w, j, (uint16_t)m->port, m->path, &before, page, err) < 0) {
		if (!err->hint[0])
			error_hint(err, "the file is replaced, which is not marked yet: run the "
					"same command again");
		return -1;
	}
	memcpy(m->config, s->config_sha256, sizeof(m->config));
	return 0;
}

/* ---- the end of both ---- */

static int finish(struct exporter_work *w, const struct exporter_jvm *j, const struct mark *m,
		  const char *state, const struct scrape *page, struct error *err)
{
	bool annotate = exporter_annotates(w, m);
	json_t *r;

	if (annotate && exporter_annotate(w, m, NULL, err) < 0)
		return error_prefix(err,
				    "the exporter answers on port %llu, but the pod is not "
				    "annotated",
				    (unsigned long long)m->port);
	r = exporter_result(w, j, state);
	exporter_result_mark(r, m);
	exporter_result_page(r, page);
	set_what_stays(w, m, r);
	json_object_set_new(r, "annotated", json_boolean(annotate));
	return 0;
}

static void plan(struct exporter_work *w, const struct exporter_jvm *j, const struct mark *m,
		 bool same, const struct scrape *page)
{
	json_t *r = exporter_result(w, j, same ? "unchanged" : "planned");
	auto_free char *text = NULL;
	const char *stays;

	exporter_result_mark(r, m);
	exporter_result_page(r, page);
	set_what_stays(w, m, r);
	if (same)
		return;
	stays = json_str_at(r, "reason", "");
	text = xasprintf("replace the configuration at the same path%s%s", *stays ? "; " : "",
			 stays);
	json_set_text(r, "plan", text);
}

/* Without --config: whoever gave it one has had a reason. */
static bool keeps(const struct exporter_work *w, const struct exporter_jvm *j, const struct mark *m)
{
	if (w->session->o->config || !j->marked)
		return false;
	if (!m->config[0])
		progress_note(w->progress,
			      "which configuration the exporter has is not known, as a "
			      "run that replaced it did not end well: it stays; for "
			      "another one --config");
	else if (strcmp(m->config, w->settings->config_sha256) != 0)
		progress_note(w->progress, "the exporter keeps the configuration that it was given "
					   "before: for another one --config");
	return true;
}

static int settle(struct exporter_work *w, const struct exporter_jvm *j, struct mark *m,
		  struct scrape *page, struct error *err)
{
	bool same = strcmp(m->config, w->settings->config_sha256) == 0 || keeps(w, j, m);
	struct mark now;

	if (!same && check_replace(w, j, m, err) < 0)
		return -1;
	if (w->session->o->dry_run) {
		plan(w, j, m, same, page);
		return 0;
	}
	if (same)
		return finish(w, j, m, "unchanged", page, err);
	if (replace(w, j, m, page, err) < 0)
		return -1;
	now = exporter_mark_new(j, (uint16_t)m->port, m->version, m->config);
	memcpy(m->scraped, now.scraped, sizeof(m->scraped));
	return finish(w, j, m, "reloaded", page, err);
}

int exporter_again(struct exporter_work *w, const struct exporter_jvm *j, struct error *err)
{
	auto_free char *first = NULL;
	struct mark m = j->mark;
	struct scrape page;

	if (exporter_page(w, j, (uint16_t)m.port, m.path, 0, &page, err) == 0)
		return settle(w, j, &m, &page, err);
	if (err->code == ERR_INTERRUPTED)
		return -1;
	error_prefix(err, "the exporter that was loaded before does not answer as it should");
	first = xstrdup(err->hint);
	return error_hint(err,
			  "%s%sit cannot be loaded a second time into this JVM: see its log; "
			  "restarting the container gives it a new start",
			  first, *first ? "\n" : "");
}

/* ---- without a mark ---- */

/* The port that it answers on: 1 found, 0 not. */
static int find_port(struct exporter_work *w, const struct exporter_jvm *j, uint16_t *ret,
		     struct scrape *page, struct error *why)
{
	const struct port_range *range = &w->settings->ports;
	unsigned int tried = 0;

	for (unsigned int p = range->first; p <= range->last && tried < MAX_TRIED; p++) {
		if (!survey_listens_self(j->survey, (uint16_t)p))
			continue;
		tried++;
		if (exporter_page(w, j, (uint16_t)p, "/metrics", 0, page, why) == 0) {
			*ret = (uint16_t)p;
			return 1;
		}
	}
	if (!tried && range->first == range->last)
		error_set(why, ERR_FAILED, "the JVM does not listen on port %u", range->first);
	else if (!tried)
		error_set(why, ERR_FAILED, "the JVM listens on no port from %u to %u", range->first,
			  range->last);
	return 0;
}

/* The configuration lies beside the jar, and is called by port and JVM. */
static int paths_beside(struct mark *m, const char *jar, uint64_t pid, struct error *err)
{
	auto_free char *file = exporter_config_path(jar, (uint16_t)m->port, pid);

	if (!str_copy(m->jar, sizeof(m->jar), jar) || !str_copy(m->file, sizeof(m->file), file))
		return error_set(err, ERR_FAILED, "the path of the jar is too long");
	return 0;
}

int exporter_adopt(struct exporter_work *w, const struct exporter_jvm *j, struct error *err)
{
	struct scrape page;
	struct mark m;
	uint16_t port;
	char ports[64];

	if (!find_port(w, j, &port, &page, err)) {
		if (err->code == ERR_INTERRUPTED)
			return -1;
		error_prefix(err,
			     "jdiag has loaded an exporter into this JVM before, but it is not "
			     "found");
		survey_own(j->survey, ports);
		return error_hint(err,
				  "give the port that it was given: --port N%s%s%s; if it does not "
				  "answer, restarting the container gives a new start",
				  *ports ? " (the JVM listens on " : "", ports, *ports ? ")" : "");
	}
	m = exporter_mark_new(j, port, j->found.version, "");
	if (paths_beside(&m, j->found.what, j->ref.pid, err) < 0)
		return -1;
	return settle(w, j, &m, &page, err);
}

/* ---- not ours ---- */

void exporter_leave(struct exporter_work *w, const struct exporter_jvm *j,
		    const struct exporter_found *f)
{
	bool at_start = f->owner == EXPORTER_AT_START;
	json_t *r = exporter_result(w, j, "foreign");

	json_object_set_new(r, "by", json_string(at_start ? "start" : "somebody"));
	json_set_text(r, "found", f->what);
	json_object_set_new(r, "reason",
			    json_string(at_start ? "the JVM was started with an exporter"
						 : "somebody else has loaded an exporter"));
}
