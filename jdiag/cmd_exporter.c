/* jdiag exporter: the Prometheus JMX exporter in running JVMs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/command.h"
#include "jdiag/exporter/eject.h"
#include "jdiag/exporter/inject.h"
#include "jdiag/exporter/settings.h"
#include "jdiag/exporter/status.h"
#include "jdiag/fleet.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/kube/patch.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "jdiag/rfc3339.h"
#include "jdiag/select.h"
#include "jdiag/session.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

/* At the same time: most of it is the JVMs' own work. */
#define WORKERS_A_NODE 4

struct verb {
	const char *name;
	const char *options; /* of the command, that only this verb takes */
	int (*work)(struct exporter_work *w, const struct target *t, bool has_node,
		    struct error *err);
};

static const struct verb verbs[] = {
	{"inject", "jar config port no-annotate force dry-run jvm", exporter_inject},
	{"status", "no-scrape", exporter_status},
	{"eject", "no-annotate dry-run jvm", exporter_eject},
};

struct job {
	const struct options *o;
	const struct verb *verb;
	struct exporter_settings *settings; /* of inject */
	struct table *table;		    /* owned */
	size_t failed;			    /* JVMs */
	enum err_code code;		    /* of the first of them */
	json_t *pods;			    /* owned: read already, with annotations; NULL */
	/* of several targets */
	const struct selection *all;
	json_t **results;  /* owned, of each target: what a table shows at the end */
	bool *failed_then; /* owned: that was not all */
};

/* ---- results ---- */

static void format_age(char dst[24], const char *when)
{
	int64_t then, now = (int64_t)time(NULL);

	if (!rfc3339_to_unix(when, &then))
		snprintf(dst, 24, "-");
	else
		str_format_age(dst, now > then ? (uint64_t)(now - then) : 0);
}

static void format_number(char dst[24], const json_t *r, const char *name)
{
	const json_t *n = json_at(r, name);

	if (json_is_integer(n))
		snprintf(dst, 24, "%lld", (long long)json_integer_value(n));
	else
		dst[0] = '\0';
}

static void add_row(struct job *job, const json_t *r)
{
	char pid[24], port[24], samples[24], age[24], config[13];
	const char *name = json_str_at(r, "pod", json_str_at(r, "node", "-"));
	const char *container = json_str_at(r, "container", "");
	const char *state = json_str_at(r, "state", ""), *version = json_str_at(r, "version", "");
	const char *ns = json_str_at(r, "namespace", "");
	const char *cells[] = {ns, name, container, pid, state, port, version, samples, age};
	const char *wide[] = {name,
			      ns,
			      json_str_at(r, "node", ""),
			      container,
			      pid,
			      json_str_at(r, "java", ""),
			      state,
			      json_str_at(r, "by", ""),
			      port,
			      json_str_at(r, "path", ""),
			      version,
			      config,
			      samples,
			      json_str_at(r, "reason", ""),
			      age};

	format_number(pid, r, "pid");
	format_number(port, r, "port");
	format_number(samples, r, "samples");
	format_age(age, json_str_at(r, "scraped", ""));
	snprintf(config, sizeof(config), "%.12s", json_str_at(r, "config", ""));
	table_row(job->table,
		  job->o->output == OUTPUT_WIDE ? wide : cells + !job->o->all_namespaces);
}

static bool is_state(const json_t *r, const char *state)
{
	return strcmp(json_str_at(r, "state", ""), state) == 0;
}

/* As select.h calls it, with its container. */
static char *label_of(const struct job *job, const json_t *r)
{
	const char *container = json_str_at(r, "container", "");
	const char *ns = job->o->all_namespaces ? json_str_at(r, "namespace", "") : "";

	return xasprintf("%s%s%s%s%s", ns, *ns ? "/" : "",
			 json_str_at(r, "pod", json_str_at(r, "node", "?")), *container ? "/" : "",
			 container);
}

/* Of inject: something that was asked for is not done. To be known where it is quiet, too. */
static bool is_unmet(const struct job *job, const json_t *r)
{
	return (job->o->ports || job->o->jar) &&
	       (is_state(r, "unchanged") || is_state(r, "reloaded"));
}

/* The sentence behind the word, where a table has no place for it. */
static void tell_reason(const struct job *job, const json_t *r)
{
	auto_free char *label = label_of(job, r), *plan = NULL;
	const char *reason = json_str_at(r, "reason", "");

	if (is_state(r, "failed")) {
		auto_free char *text =
			xasprintf("%s%s%s", reason, *json_str_at(r, "hint", "") ? "\n" : "",
				  json_str_at(r, "hint", ""));

		output_error_of(label, text);
		return;
	}
	if (!*reason || is_state(r, "planned"))
		reason = json_str_at(r, "plan", "");
	if (*reason && is_unmet(job, r)) {
		auto_free char *text = xasprintf("%s: %s", json_str_at(r, "state", ""), reason);

		output_error_of(label, text);
	} else if (*reason && job->o->output == OUTPUT_TEXT && !job->o->quiet) {
		log_at(LOG_WARN, "%s: %s: %s", label, json_str_at(r, "state", ""), reason);
	}
}

static void show(struct job *job, const json_t *r)
{
	if (is_state(r, "failed") && !job->failed++)
		job->code = (enum err_code)json_u64_at(r, "code", ERR_FAILED);
	if (job->o->output == OUTPUT_JSON) {
		output_json("Exporter", r);
		return;
	}
	if (job->o->output == OUTPUT_NAME) {
		auto_free char *line = label_of(job, r);

		output_line(line);
	} else {
		add_row(job, r);
	}
	tell_reason(job, r);
}

static void show_all(struct job *job, const json_t *results)
{
	const json_t *r;
	size_t i;

	json_array_foreach (results, i, r)
		show(job, r);
}

/* ---- one target ---- */

/* The pod as it was read with all the others; a new reference, or NULL. */
static json_t *known_pod(const struct job *job, const struct target *t)
{
	json_t *pod;
	size_t i;

	json_array_foreach (job->pods, i, pod)
		if (strcmp(json_str_at(pod, "metadata.name", ""), t->name) == 0 &&
		    strcmp(json_str_at(pod, "metadata.namespace", ""), t->ns) == 0)
			return json_incref(pod);
	return NULL;
}

/* *ret: what became of each JVM, a new array; also on failure, where it may be NULL. */
static int work_on(struct job *job, struct session *s, const struct target *t, bool has_node,
		   json_t **ret, struct error *err)
{
	struct exporter_work w = {
		.session = s,
		.settings = job->settings,
		.progress = progress_new(s->o->progress, s->o->quiet),
		.pod = t->kind == TARGET_POD ? known_pod(job, t) : NULL,
	};
	int rc = job->verb->work(&w, t, has_node, err);

	if (rc < 0 || !has_node || (s->helper && helper_lost(s->helper)))
		session_disconnect(s);
	progress_end(w.progress, rc < 0 ? err : NULL);
	*ret = STEAL(w.results);
	exporter_work_release(&w);
	return rc;
}

static int work_on_one(struct job *job, struct kube *kube, const struct target *t,
		       struct error *err)
{
	auto_json json_t *results = NULL;
	struct session s;
	int rc;

	session_init(&s, job->o);
	s.kube = kube;
	rc = work_on(job, &s, t, false, &results, err);
	session_close(&s);
	show_all(job, results);
	return rc;
}

/* ---- several targets ---- */

static int work_in_worker(void *ctx, struct session *s, const struct selected *t, struct error *err)
{
	auto_json json_t *results = NULL;
	auto_free char *line = NULL;
	int rc = work_on(ctx, s, &t->target, true, &results, err);

	if (rc < 0 && !results)
		return rc;
	line = json_to_line(results);
	puts(line);
	return rc;
}

/* A table has to wait for the last one; all else is shown as it comes. */
static void take_result(void *ctx, const struct selected *t, const char *text, size_t len)
{
	struct job *job = ctx;
	json_t *results = json_from_text(text, len, "result", ERR_FAILED, NULL);

	if (job->o->output == OUTPUT_JSON || job->o->output == OUTPUT_NAME) {
		show_all(job, results);
		json_decref(results);
	} else {
		job->results[t - job->all->targets] = results;
	}
}

static void take_part(void *ctx, const struct selected *t, const char *text, size_t len)
{
	struct job *job = ctx;

	take_result(ctx, t, text, len);
	job->failed_then[t - job->all->targets] = true;
}

/* A row for one that failed: what was the matter is told on stderr. */
static void show_failed(struct job *job, const struct selected *t)
{
	auto_json json_t *r = json_object();

	json_set_text(r, "pod", t->target.kind == TARGET_POD ? t->target.name : t->label);
	json_set_text(r, "namespace", t->target.ns);
	json_object_set_new(r, "state", json_string("failed"));
	add_row(job, r);
}

static int work_on_several(struct job *job, const struct selection *all, struct error *err)
{
	static const struct fleet_command command = {work_in_worker, take_result, take_part};
	bool table = job->o->output == OUTPUT_TEXT || job->o->output == OUTPUT_WIDE;
	int rc;

	job->all = all;
	job->results = xcalloc(all->n, sizeof(*job->results));
	job->failed_then = xcalloc(all->n, sizeof(*job->failed_then));
	rc = fleet_run(&command, job, job->o, all, err);
	for (size_t i = 0; table && i < all->n; i++) {
		show_all(job, job->results[i]);
		if (!job->results[i] || job->failed_then[i])
			show_failed(job, &all->targets[i]);
		json_decref(job->results[i]);
	}
	free(job->results);
	free(job->failed_then);
	return rc;
}

static int work_on_words(struct job *job, char *const *words, struct error *err)
{
	auto_cleanup(selection_release) struct selection all = {0};
	struct target t;
	bool single;

	if (select_is_single(words, &t, &single, err) < 0 ||
	    (!single && select_targets(&all, job->o, words, true, err) < 0))
		return -1;
	if (all.n > 1 && job->o->host_pid)
		return error_set(err, ERR_USAGE, "--pid names one JVM, and these are %zu targets",
				 all.n);
	if (all.n > 1) {
		selection_spread(&all, WORKERS_A_NODE);
		return work_on_several(job, &all, err);
	}
	if (single)
		return work_on_one(job, NULL, &t, err);
	if (work_on_one(job, STEAL(all.kube), &all.targets[0].target, err) < 0)
		return fleet_fail_only(job->o, &all, err);
	return 0;
}

/* ---- status of all that match ---- */

static int list_pods(struct job *job, struct error *err)
{
	const struct options *o = job->o;
	struct session s;
	int rc;

	session_init(&s, o);
	rc = session_open_cluster(&s, err);
	if (rc == 0)
		rc = kube_list_pods_whole(s.kube, o->all_namespaces ? NULL : kube_namespace(s.kube),
					  o->selector, o->field_selector, &job->pods, err);
	session_close(&s);
	if (rc == 0 && !json_array_size(job->pods))
		return error_set(err, ERR_TARGET, "no pod matches");
	return rc;
}

/* Pods that do not run are shown, too; only the others need their nodes. */
static int status_of_all(struct job *job, struct error *err)
{
	auto_json json_t *known = json_array();
	const json_t *pod;
	size_t i, asked = 0;
	int rc = 0;

	if (list_pods(job, err) < 0)
		return -1;
	json_array_foreach (job->pods, i, pod)
		asked += !exporter_status_known(pod, job->o, job->o->no_scrape, known);
	if (asked)
		rc = work_on_words(job, (char *const[]){NULL}, err);
	show_all(job, known);
	return rc;
}

static int status_of_words(struct job *job, char *const *words, struct error *err)
{
	if (job->o->no_scrape)
		return error_set(err, ERR_USAGE, "--no-scrape goes with -l or -A");
	return work_on_words(job, words, err);
}

/* ---- the command ---- */

static bool takes(const struct verb *v, const char *option)
{
	const char *at = v->options, *word;
	size_t len;

	while ((word = option_next_word(&at, &len)))
		if (strlen(option) == len && strncmp(word, option, len) == 0)
			return true;
	return false;
}

static int not_taken(const struct verb *v, const char *option, struct error *err)
{
	char whose[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (takes(&verbs[i], option))
			len += (size_t)snprintf(whose + len, sizeof(whose) - len, "%s%s",
						len ? ", " : "", verbs[i].name);
	error_set(err, ERR_USAGE, "'exporter %s' does not take '--%s'", v->name, option);
	return error_hint(err, "it is an option of: %s", whose);
}

/* What belongs to another verb. */
static int check_options(const struct options *o, const struct verb *v, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const char *at = verbs[i].options, *word;
		size_t len;

		while ((word = option_next_word(&at, &len))) {
			auto_free char *name = xasprintf("%.*s", (int)len, word);

			if (option_given(o, option_find(name)) && !takes(v, name))
				return not_taken(v, name, err);
		}
	}
	return 0;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int dispatch(struct job *job, char *const *words, struct error *err)
{
	if (job->verb->work != exporter_status)
		return work_on_words(job, words, err);
	return *words ? status_of_words(job, words, err) : status_of_all(job, err);
}

static int run_job(struct job *job, char *const *words, struct error *err)
{
	struct exporter_settings settings = {0};
	int rc = 0;

	if (job->verb->work == exporter_inject) {
		job->settings = &settings;
		rc = exporter_settings_open(&settings, job->o, err);
	}
	if (rc == 0)
		rc = dispatch(job, words, err);
	exporter_settings_release(&settings);
	if (rc == 0 && job->failed)
		rc = error_set(err, job->code, "%zu JVM%s failed", job->failed,
			       job->failed == 1 ? "" : "s");
	return rc;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	static const char *const titles[] = {"NAMESPACE", "NAME",    "CONTAINER", "PID", "STATE",
					     "PORT",	  "VERSION", "SAMPLES",	  "AGE", NULL};
	static const char *const wide[] = {
		"NAME", "NAMESPACE", "NODE",	"CONTAINER", "PID",	"JAVA",	  "STATE", "BY",
		"PORT", "PATH",	     "VERSION", "CONFIG",    "SAMPLES", "REASON", "AGE",   NULL};
	struct job job = {.o = o, .verb = find_verb(argv[0])};
	int rc;

	if (check_options(o, job.verb, err) < 0)
		return -1;
	job.table = table_new(o->output == OUTPUT_WIDE ? wide : titles + !o->all_namespaces);
	rc = run_job(&job, argv + 1, err);
	if (o->output == OUTPUT_TEXT || o->output == OUTPUT_WIDE)
		table_print(job.table);
	table_free(job.table);
	json_decref(job.pods);
	return rc;
}

const struct command cmd_exporter = {
	.name = "exporter",
	.verbs = "inject status eject",
	.arguments = "inject|status|eject [TARGET...]",
	.summary = "the Prometheus JMX exporter in JVMs that run, proved by a scrape",
	.options = "jar config port no-annotate no-scrape container jvm pid dry-run force",
	.examples = "$ jdiag exporter inject checkout-7d9f8 -n shop\n"
		    "$ jdiag exporter inject -l app=checkout -A --config configmap/jmx\n"
		    "$ jdiag exporter inject web-0 --all --port 9404-9499 --dry-run\n"
		    "$ jdiag exporter status -A -o wide\n"
		    "$ jdiag exporter eject deploy/checkout -n shop",
	.flags = CMD_MANY_TARGETS | CMD_ALL_PODS,
	.run = run,
};
