/* jdiag heapdump: capture, verify, deliver. The whole of the main job, one step a function. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/deliver.h"
#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/jvmpick.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/plan.h"
#include "jdiag/preflight.h"
#include "jdiag/progress.h"
#include "jdiag/question.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/str.h"

#define INSPECT_TIMEOUT_MS 60000
#define RELEASE_TIMEOUT_MS 10000

struct job {
	const struct options *o;
	struct session session;
	struct progress *progress;
	json_t *jvm;	  /* owned: as `ps` gave it */
	json_t *inspect;  /* owned */
	json_t *manifest; /* owned */
	struct preflight preflight;
	struct sink *sink; /* owned */
	char name[ARTIFACT_NAME_SIZE];
	struct delivery_result result;
	bool capturing; /* the JVM was, or may have been, told to write */
};

static int check_options(const struct options *o, const struct target *t, struct error *err)
{
	if (t->kind == TARGET_NODE)
		return error_set(err, ERR_USAGE, "a node is no target of heapdump: name a pod");
	if (t->kind == TARGET_SSH && !o->container && !o->host_pid) {
		error_set(err, ERR_USAGE, "which JVM on '%s'?", t->host);
		return error_hint(err,
				  "add --container ID or --pid HOSTPID; %s ps ssh://%s lists them",
				  command_program(), t->host);
	}
	if (t->kind == TARGET_POD && o->host_pid)
		return error_set(err, ERR_USAGE, "--pid goes with ssh://HOST, use --jvm for a pod");
	if (o->to && strcmp(o->to, "-") == 0 && o->output != OUTPUT_TEXT)
		return error_set(err, ERR_USAGE,
				 "--to - writes the dump to stdout, there is no room for -o there");
	return 0;
}

static int resolve(struct job *j, const struct target *t, struct error *err)
{
	progress_phase(j->progress, "resolve");
	return t->kind == TARGET_SSH ? session_resolve_ssh(&j->session, t, err)
				     : session_resolve_pod(&j->session, t->name, err);
}

static int check_attachable(const json_t *jvm, struct error *err)
{
	const char *reason = json_str_at(jvm, "reason", "no reason was given");

	if (json_bool_at(jvm, "attachable", false))
		return 0;
	error_set(err, ERR_ATTACH, "the JVM (pid %llu) cannot be attached to: %s",
		  (unsigned long long)json_u64_at(jvm, "ns_pid", 0), reason);
	if (strstr(reason, "DisableAttachMechanism") || strstr(reason, "-Xrs"))
		return error_hint(err, "nothing was done to it; it has to be started without that "
				       "option (look at JAVA_TOOL_OPTIONS too)");
	return error_hint(err, "nothing was done to it");
}

/* Which JVM? Nothing is done to it. */
static int find_jvm(struct job *j, struct error *err)
{
	progress_phase(j->progress, "inspect");
	if (jvm_pick(&j->session, &j->jvm, err) < 0)
		return -1;
	return check_attachable(j->jvm, err);
}

static int estimate(struct job *j, struct error *err)
{
	struct preflight *p = &j->preflight;

	p->live = !j->o->all_objects;
	p->sink_free = j->sink ? sink_free_bytes(j->sink) : UINT64_MAX;
	if (j->session.container && j->session.container->has_liveness) {
		p->liveness_budget_ms = j->session.container->liveness_budget_ms;
		p->starting = j->session.container->starting;
	}
	return preflight_estimate(p, j->inspect, err);
}

/* What will it cost? Without attach from what can be seen from outside. To attach is the first
 * action on the target: the pod is read again right before it. */
static int inspect(struct job *j, bool attach, struct error *err)
{
	auto_json json_t *params = jvm_reference(j->jvm);
	json_t *answer;

	json_object_set_new(params, "attach", json_boolean(attach));
	json_object_set_new(params, "strategy", json_string(j->o->strategy ? j->o->strategy : ""));
	if (attach && session_recheck(&j->session, err) < 0)
		return -1;
	if (helper_call(j->session.helper, "inspect", params, INSPECT_TIMEOUT_MS, &answer, err) < 0)
		return -1;
	json_decref(j->inspect);
	j->inspect = answer;
	return estimate(j, err);
}

/* While an upload waits for its bucket, the node must not think that we are gone. If the node has
 * gone, the upload may have all bytes already: whoever needs more from there will be told. */
static int keep_helper_alive(void *helper, struct error *err)
{
	struct error lost = {0};

	if (helper_pump(helper, &lost) < 0 && lost.code == ERR_INTERRUPTED) {
		*err = lost;
		return -1;
	}
	return 0;
}

/* The same while a person thinks: there the node is all that matters. */
static int hold_the_line(void *helper, struct error *err)
{
	return helper_pump(helper, err);
}

static int open_sink(struct job *j, time_t when, struct error *err)
{
	auto_json json_t *metadata = NULL;
	struct sink_options so = {
		.to = j->o->to ? j->o->to : "./",
		.name = j->name,
		.companion = MANIFEST_SUFFIX,
		.content_type = "application/octet-stream",
		.token_command = j->o->token_command,
		.tick = keep_helper_alive,
		.tick_ctx = j->session.helper,
	};

	j->manifest = manifest_new(j->name, &j->session, j->jvm, &j->preflight, when);
	metadata = manifest_metadata(j->manifest);
	so.metadata = metadata;
	return sink_open(&j->sink, &so, err);
}

static struct plan plan_of(const struct job *j)
{
	return (struct plan){
		.session = &j->session,
		.jvm = j->jvm,
		.manifest = j->manifest,
		.preflight = &j->preflight,
		.url = sink_url(j->sink),
	};
}

/* To stderr, also when asked to be quiet: nobody can agree to what was not shown. */
static void line_as_talk(const char *text)
{
	auto_free char *line = output_escape(text);

	fprintf(stderr, "jdiag: %s\n", line);
}

static void print_plan(const struct job *j)
{
	const struct plan plan = plan_of(j);

	progress_clear(j->progress);
	if (j->o->output == OUTPUT_JSON)
		plan_print_json(&plan);
	else
		plan_tell(&plan, output_line);
}

/* A person at a terminal is asked before the world stops. */
static int confirm(const struct job *j, struct error *err)
{
	const struct plan plan = plan_of(j);
	int yes;

	if (j->o->yes || j->o->no_input || !question_possible())
		return 0;
	progress_clear(j->progress);
	plan_tell(&plan, line_as_talk);
	yes = question_ask("Take the dump? The JVM stands still meanwhile. [y/N] ", hold_the_line,
			   j->session.helper, err);
	if (yes < 0)
		return -1;
	return yes ? 0 : error_set(err, ERR_INTERRUPTED, "not confirmed, nothing was done");
}

/* A way further down the list: say why. */
static void tell_fallback(const struct job *j)
{
	const json_t *first = json_array_get(json_at(j->inspect, "strategies"), 0);

	if (!j->o->strategy && strcmp(j->preflight.strategy, json_str_at(first, "name", "")) != 0)
		progress_note(j->progress, "%s does not work here (%s), using %s",
			      json_str_at(first, "name", "?"), json_str_at(first, "reason", "?"),
			      j->preflight.strategy);
}

static int check_fits(struct job *j, struct error *err)
{
	struct error refusal = {0};

	if (preflight_check(&j->preflight, &refusal) == 0)
		return 0;
	if (!j->o->force) {
		*err = refusal;
		return -1;
	}
	progress_note(j->progress, "--force: %s", refusal.msg);
	return 0;
}

static int capture(struct job *j, struct error *err)
{
	auto_json json_t *params = jvm_reference(j->jvm);

	json_object_set_new(params, "strategy", json_string(j->preflight.strategy));
	json_object_set_new(params, "live", json_boolean(j->preflight.live));
	json_object_set_new(params, "deadline", json_integer((json_int_t)j->o->timeout_ms));
	if (session_recheck(&j->session, err) < 0)
		return -1;
	manifest_begin_capture(j->manifest, &j->preflight, time(NULL));
	j->capturing = true;
	return deliver_capture(j->session.helper, params, j->sink, j->progress, j->preflight.size,
			       &j->result, err);
}

/* The artifact is safe now: what fails from here on is told, but does not make the capture a
 * failure. */
static void settle(struct job *j)
{
	auto_json json_t *none = NULL;
	struct error e = {0};
	char *text;

	if (helper_call(j->session.helper, "release", NULL, RELEASE_TIMEOUT_MS, &none, &e) < 0)
		progress_note(j->progress, "warning: cleaning up on the node failed: %s", e.msg);
	manifest_complete(j->manifest, sink_url(j->sink), &j->result);
	text = json_dumps(j->manifest, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (text && sink_companion(j->sink, MANIFEST_SUFFIX, text, strlen(text), &e) < 0)
		progress_note(j->progress, "warning: the manifest was not written: %s", e.msg);
	free(text);
}

static void print_result(const struct job *j)
{
	char size[16], pause[16];
	const char *url = sink_url(j->sink);

	progress_clear(j->progress);
	progress_note(j->progress, "%s, SHA-256 %.12s..., pause %s, verified",
		      str_format_size(size, j->result.bytes), j->result.sha256,
		      str_format_ms(pause, j->result.pause_ms ? j->result.pause_ms
							      : j->result.elapsed_ms));
	if (strcmp(url, "-") == 0)
		return;
	if (j->o->output == OUTPUT_JSON)
		output_json("HeapDump", j->manifest);
	else
		output_line(url);
	if (str_starts(url, "gs://"))
		progress_note(j->progress,
			      "next: gcloud storage cp %s . and open it in Eclipse MAT", url);
	else
		progress_note(j->progress, "next: open '%s' in Eclipse MAT or VisualVM", url);
}

/* Everything up to the first action on the target: the destination, too, has to be known to work
 * before anybody touches the JVM. */
static int prepare(struct job *j, const struct target *t, struct error *err)
{
	time_t when = time(NULL);

	if (resolve(j, t, err) < 0)
		return -1;
	progress_phase(j->progress, "connect");
	if (session_connect(&j->session, err) < 0 || find_jvm(j, err) < 0 ||
	    inspect(j, false, err) < 0)
		return -1;
	artifact_name(j->name, &j->session, j->jvm, when, "hprof");
	if (open_sink(j, when, err) < 0)
		return -1;
	j->preflight.sink_free = sink_free_bytes(j->sink);
	return 0;
}

static int run_job(struct job *j, const struct target *t, struct error *err)
{
	if (prepare(j, t, err) < 0)
		return -1;
	if (j->o->dry_run) {
		tell_fallback(j);
		print_plan(j);
		return check_fits(j, err);
	}
	if (inspect(j, true, err) < 0)
		return -1;
	tell_fallback(j);
	if (check_fits(j, err) < 0 || confirm(j, err) < 0 || capture(j, err) < 0)
		return -1;
	settle(j);
	print_result(j);
	return 0;
}

static void add_hint(struct error *err, const char *hint)
{
	(void)error_hint(err, "%s%s%s", err->hint, err->hint[0] ? "\n" : "", hint);
}

/* What removes the rest, should the helper not have done it. */
static char *tidy_command(const struct job *j, const struct target *t)
{
	auto_free char *port = t->port ? xasprintf(":%u", t->port) : xstrdup("");

	return xasprintf("%s tidy %s%s%s", command_program(),
			 t->kind == TARGET_SSH ? "ssh://" : "node/", j->session.node, port);
}

/* After a failure: what is where. The sink has removed its own part already. */
static void tell_what_is_left(const struct job *j, const struct target *t, bool node_clean,
			      struct error *err)
{
	auto_free char *tidy = tidy_command(j, t);
	auto_free char *hint =
		xasprintf("the helper on the node cleans up by itself; to be sure: %s", tidy);
	bool to_stdout = j->o->to && strcmp(j->o->to, "-") == 0;

	if (!node_clean)
		add_hint(err, hint);
	else if (err->code == ERR_INTERRUPTED && j->capturing)
		add_hint(err, to_stdout ? "the node is as before"
					: "nothing was kept: the node and the destination are as "
					  "before");
	else if (err->code == ERR_CAPTURE && j->capturing && !to_stdout && !*err->hint)
		add_hint(err, "nothing was kept: see what the JVM says in its log, then try again");
	if (j->capturing && to_stdout)
		add_hint(err, "what standard output got is not a whole dump: throw it away");
}

/* After a success it is only a warning. */
static void tell_node(const struct job *j, const struct target *t, bool node_clean)
{
	auto_free char *tidy = tidy_command(j, t);

	if (!node_clean)
		progress_note(j->progress,
			      "warning: the node did not say that it is clean again: %s", tidy);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct job j = {.o = o};
	struct target t;
	bool clean;
	int rc;

	if (target_parse(argv[0], &t, err) < 0 || check_options(o, &t, err) < 0)
		return -1;
	session_init(&j.session, o);
	j.progress = progress_new(o->progress, o->quiet);
	rc = run_job(&j, &t, err);
	sink_abort(j.sink);
	clean = session_close(&j.session);
	if (rc < 0)
		tell_what_is_left(&j, &t, clean, err);
	else
		tell_node(&j, &t, clean);
	progress_end(j.progress, rc < 0 ? err : NULL);
	json_decref(j.manifest);
	json_decref(j.inspect);
	json_decref(j.jvm);
	return rc;
}

const struct command cmd_heapdump = {
	.name = "heapdump",
	.arguments = "TARGET",
	.summary = "take a heap dump, verify it and deliver it",
	.options = "to live all-objects strategy max-pause container jvm pid force dry-run yes "
		   "token-command",
	.examples = "$ jdiag heapdump checkout-7d9f8 -n shop --to gs://dumps/incident-42/\n"
		    "$ jdiag heapdump web-0 -c app --jvm Main --to ./web.hprof\n"
		    "$ jdiag heapdump ssh://admin@10.0.0.7 --pid 4711",
	.flags = CMD_ONE_TARGET,
	.run = run,
};
