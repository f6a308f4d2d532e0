/* jdiag heapdump: capture, verify, deliver. The whole of the main job, one step a function. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "jdiag/capture_options.h"
#include "jdiag/command.h"
#include "jdiag/deliver_end.h"
#include "jdiag/fleet.h"
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
#include "jdiag/reconnect.h"
#include "jdiag/record.h"
#include "jdiag/select.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/str.h"

#define INSPECT_TIMEOUT_MS 60000

struct job {
	const struct options *o;
	struct session *session; /* borrowed */
	bool one_of_many;	 /* the session has its node, and goes on to the next target */
	struct progress *progress;
	json_t *jvm;	  /* owned: as `ps` gave it */
	json_t *inspect;  /* owned */
	json_t *manifest; /* owned */
	struct preflight preflight;
	struct capture_options options;
	struct sink *sink; /* owned */
	char *url;	   /* owned: of the sink */
	char name[ARTIFACT_NAME_SIZE];
	char id[CAPTURE_ID_SIZE];
	char *node_target; /* owned: "node/N", "ssh://HOST:PORT" */
	struct delivery_job end;
};

/* It was found on this node, which may be some time ago. */
static int read_pod_again(struct session *s, const struct target *t, struct error *err)
{
	if (session_read_pod(s, t->name, err) < 0)
		return -1;
	if (strcmp(s->pod.node, s->node) == 0)
		return 0;
	return error_set(err, ERR_TARGET, "pod '%s' has moved to node '%s'", t->name, s->pod.node);
}

static int resolve(struct job *j, const struct target *t, struct error *err)
{
	struct session *s = j->session;

	progress_phase(j->progress, "resolve");
	if (t->kind == TARGET_SSH)
		return j->one_of_many ? 0 : session_resolve_ssh(s, t, err);
	memcpy(s->ns, t->ns, sizeof(s->ns));
	return j->one_of_many ? read_pod_again(s, t, err) : session_resolve_pod(s, t->name, err);
}

/* Which JVM? Nothing is done to it. */
static int find_jvm(void *job, struct error *err)
{
	struct job *j = job;

	progress_phase(j->progress, "inspect");
	json_decref(STEAL(j->jvm));
	if (jvm_pick(j->session, &j->jvm, err) < 0)
		return -1;
	return jvm_check_attachable(j->jvm, err);
}

static int estimate(struct job *j, struct error *err)
{
	struct preflight *p = &j->preflight;

	capture_preflight(p, &j->options, j->o, j->session);
	if (j->sink)
		p->sink_free = sink_free_bytes(j->sink);
	return preflight_estimate(p, j->inspect, err);
}

/* What will it cost? Without attach from what can be seen from outside. To attach is the first
 * action on the target: the pod is read again right before it. */
static int inspect(struct job *j, bool attach, struct error *err)
{
	auto_json json_t *params = capture_inspect_params(&j->options, j->o, j->jvm, attach);
	json_t *answer;

	if (attach && session_recheck(j->session, err) < 0)
		return -1;
	if (helper_call(j->session->helper, "inspect", params, INSPECT_TIMEOUT_MS, &answer, err) <
	    0)
		return -1;
	json_decref(j->inspect);
	j->inspect = answer;
	return estimate(j, err);
}

static int look(void *job, struct error *err)
{
	return inspect(job, false, err);
}

static int attach(void *job, struct error *err)
{
	return inspect(job, true, err);
}

/* Nothing is at stake before the capture: a connection that breaks is replaced. */
static int steadily(struct job *j, int (*step)(void *job, struct error *err), struct error *err)
{
	return session_steadily(j->session, j->progress, step, j, err);
}

static int open_sink(struct job *j, time_t when, struct error *err)
{
	auto_json json_t *metadata = NULL;
	struct sink_options so = {
		.to = j->o->to ? j->o->to : "./",
		.name = j->name,
		.companion = MANIFEST_SUFFIX,
		.content_type = artifact_content_type(codec_format(j->options.codec)),
		.token_command = j->o->token_command,
		.tick = delivery_tick,
		.tick_ctx = j->session,
	};

	j->manifest = manifest_new(j->name, j->session, j->jvm, &j->preflight, when);
	metadata = manifest_metadata(j->manifest);
	so.metadata = metadata;
	if (sink_open(&j->sink, &so, err) < 0)
		return -1;
	j->url = xstrdup(sink_url(j->sink));
	return 0;
}

static struct plan plan_of(const struct job *j)
{
	return (struct plan){
		.session = j->session,
		.jvm = j->jvm,
		.manifest = j->manifest,
		.preflight = &j->preflight,
		.url = j->url,
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
static int confirm(struct job *j, struct error *err)
{
	const struct plan plan = plan_of(j);
	int yes;

	if (j->o->yes || j->o->no_input || !question_possible())
		return 0;
	progress_clear(j->progress);
	plan_tell(&plan, line_as_talk);
	/* while a person thinks, the node must not think that we are gone */
	yes = question_ask("Take the dump? The JVM stands still meanwhile. [y/N] ", delivery_tick,
			   j->session, err);
	if (yes < 0)
		return -1;
	return yes ? 0 : error_set(err, ERR_INTERRUPTED, "not confirmed, nothing was done");
}

static void tell_fallback(const struct job *j)
{
	const char *first, *reason;

	if (!j->o->strategy && preflight_is_fallback(&j->preflight, j->inspect, &first, &reason))
		progress_note(j->progress, "%s does not work here (%s), using %s", first, reason,
			      j->preflight.strategy);
}

static void note_refusal(void *ctx, const struct error *refusal)
{
	progress_note(ctx, "--force: %s", refusal->msg);
}

static int check_fits(struct job *j, struct error *err)
{
	if (preflight_check_limit(&j->preflight, err) < 0)
		return -1;
	if (!j->o->force)
		return preflight_check(&j->preflight, err);
	preflight_each_refusal(&j->preflight, note_refusal, j->progress);
	return 0;
}

/* Known bad builds, a buffer that is too small: said before it starts. */
static void tell_notes(const struct job *j)
{
	for (size_t i = 0; i < j->preflight.n_notes; i++)
		progress_note(j->progress, "%s", j->preflight.notes[i]);
}

/* From here on the end of the job has to think of the capture. */
static void set_end(struct job *j)
{
	j->end.o = j->o;
	j->end.session = j->session;
	j->end.progress = j->progress;
	j->end.manifest = j->manifest;
	j->end.id = j->id;
	j->end.target = j->node_target;
}

/* Before the node hears of it: a jdiag that is killed in the next moment is found again. */
static void write_record(struct job *j, const json_t *label)
{
	auto_json json_t *record = record_new(j->id, j->node_target, j->session, label);
	struct error e = {0};

	if (record_save(record, &e) == 0)
		j->end.recorded = true;
	else
		progress_note(j->progress, "warning: the capture is not noted here: %s", e.msg);
}

static int capture(struct job *j, struct error *err)
{
	const struct capture_begin begin = {j->id, j->jvm, &j->preflight, j->options};
	auto_json json_t *label = NULL, *params = NULL;
	struct delivery_options d = {
		.id = j->id,
		.from_node = j->o->upload_from == UPLOAD_FROM_NODE && !j->o->detach,
		.last_phase = str_starts(j->url, "gs://") ? "upload" : "transfer",
		.expected = j->preflight.size,
	};

	if (session_recheck(j->session, err) < 0)
		return -1;
	manifest_begin_capture(j->manifest, &j->preflight, time(NULL));
	set_end(j);
	if (j->o->detach) { /* it was tried, that is all */
		sink_abort(j->sink);
		j->sink = NULL;
	}
	label = label_new(j->name, j->url, codec_format(j->options.codec), j->manifest);
	if (!j->o->no_spool)
		write_record(j, label);
	d.begin = params = capture_begin_params(&begin, j->o, label);
	d.sink = j->end.sink = j->sink;
	return deliver_capture(j->session, &d, j->progress, &j->end.result, err);
}

/* Everything up to the first action on the target: the destination, too, has to be known to work
 * before anybody touches the JVM. */
static int prepare(struct job *j, const struct target *t, struct error *err)
{
	time_t when = time(NULL);

	if (resolve(j, t, err) < 0)
		return -1;
	j->node_target = session_node_target(j->session);
	progress_phase(j->progress, "connect");
	if (steadily(j, NULL, err) < 0 || steadily(j, find_jvm, err) < 0 ||
	    steadily(j, look, err) < 0)
		return -1;
	artifact_name(j->name, j->session, j->jvm, when, codec_format(j->options.codec));
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
	if (steadily(j, attach, err) < 0)
		return -1;
	tell_fallback(j);
	tell_notes(j);
	if (check_fits(j, err) < 0 || confirm(j, err) < 0 || capture(j, err) < 0)
		return -1;
	if (j->o->detach) {
		delivery_print_detached(&j->end);
		return 0;
	}
	delivery_settle(&j->end);
	delivery_print(&j->end);
	return 0;
}

/* After a failure: what is where. The sink has removed its own part already. */
static void tell_what_is_left(const struct job *j, bool nothing_kept, bool node_clean,
			      struct error *err)
{
	auto_free char *hint =
		xasprintf("the helper on the node cleans up by itself; to be sure: %s tidy %s",
			  command_program(), j->node_target);
	bool to_stdout = j->o->to && strcmp(j->o->to, "-") == 0;
	bool began = j->end.result.begun;

	if (!nothing_kept)
		;
	else if (!node_clean)
		delivery_add_hint(err, hint);
	else if (err->code == ERR_INTERRUPTED && began)
		delivery_add_hint(
			err, to_stdout ? "the node is as before"
				       : "nothing was kept: the node and the destination are as "
					 "before");
	else if (err->code == ERR_CAPTURE && began && !to_stdout && !*err->hint)
		delivery_add_hint(
			err, "nothing was kept: see what the JVM says in its log, then try again");
	if (began && to_stdout)
		delivery_add_hint(err,
				  "what standard output got is not a whole dump: throw it away");
}

/* After a success it is only a warning. */
static void tell_node(const struct job *j, bool node_clean)
{
	if (!node_clean)
		progress_note(j->progress,
			      "warning: the node did not say that it is clean again: %s tidy %s",
			      command_program(), j->node_target);
}

static void job_release(struct job *j)
{
	json_decref(j->manifest);
	json_decref(j->inspect);
	json_decref(j->jvm);
	free(j->url);
	free(j->node_target);
}

static int dump(struct session *s, bool one_of_many, const struct target *t, struct error *err)
{
	struct job j = {.o = s->o, .session = s, .one_of_many = one_of_many};
	bool kept_nothing = true, clean = true;
	int rc;

	if (capture_options_take(&j.options, j.o, t, err) < 0)
		return -1;
	j.progress = progress_new(j.o->progress, j.o->quiet);
	capture_new_id(j.id);
	rc = run_job(&j, t, err);
	if (rc < 0 && j.end.id)
		kept_nothing = delivery_give_up(&j.end, err);
	sink_abort(j.sink);
	if (rc < 0 || !one_of_many)
		clean = session_disconnect(s);
	if (rc < 0)
		tell_what_is_left(&j, kept_nothing, clean, err);
	else
		tell_node(&j, clean);
	progress_end(j.progress, rc < 0 ? err : NULL);
	job_release(&j);
	return rc;
}

static int dump_one(const struct options *o, struct kube *kube, const struct target *t,
		    struct error *err)
{
	struct session s;
	int rc;

	session_init(&s, o);
	s.kube = kube;
	rc = dump(&s, false, t, err);
	session_close(&s);
	return rc;
}

/* ---- several targets ---- */

static int dump_in_worker(void *ctx, struct session *s, const struct selected *t, struct error *err)
{
	(void)ctx;
	return dump(s, true, &t->target, err);
}

static bool is_place_for_many(const char *to)
{
	struct stat st;

	return !to || str_ends(to, "/") ||
	       (!str_starts(to, "gs://") && stat(to, &st) == 0 && S_ISDIR(st.st_mode));
}

/* What can be said without asking any node. */
static int check_many(const struct options *o, const struct selection *all, struct error *err)
{
	struct capture_options unused;

	if (!is_place_for_many(o->to)) {
		error_set(err, ERR_USAGE, "%zu dumps do not fit into '%s'", all->n, o->to);
		return error_hint(err, "name a directory or a prefix, with '/' at its end: each "
				       "artifact gets a name of its own");
	}
	if (o->host_pid)
		return error_set(err, ERR_USAGE, "--pid names one JVM, and these are %zu targets",
				 all->n);
	for (size_t i = 0; i < all->n; i++)
		if (capture_options_take(&unused, o, &all->targets[i].target, err) < 0)
			return -1;
	return 0;
}

/* One question for all. */
static int confirm_many(const struct options *o, const struct selection *all, struct error *err)
{
	auto_free char *text =
		xasprintf("Take these %zu dumps? Each JVM stands still meanwhile. [y/N] ", all->n);
	int yes;

	if (o->yes || o->no_input || o->dry_run || !question_possible())
		return 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct target *node = &all->nodes[all->targets[i].node].target;
		auto_free char *line = xasprintf("%s%s%s", all->targets[i].label,
						 node->kind == TARGET_NODE ? " on node " : "",
						 node->kind == TARGET_NODE ? node->name : "");

		line_as_talk(line);
	}
	yes = question_ask(text, NULL, NULL, err);
	if (yes < 0)
		return -1;
	return yes ? 0 : error_set(err, ERR_INTERRUPTED, "not confirmed, nothing was done");
}

static int dump_many(const struct options *o, const struct selection *all, struct error *err)
{
	static const struct fleet_command command = {.work = dump_in_worker};

	if (check_many(o, all, err) < 0 || confirm_many(o, all, err) < 0)
		return -1;
	return fleet_run(&command, NULL, o, all, err);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_cleanup(selection_release) struct selection all = {0};
	struct target t;
	bool single;

	if (select_is_single(argv, &t, &single, err) < 0)
		return -1;
	if (single)
		return dump_one(o, NULL, &t, err);
	if (select_targets(&all, o, argv, false, err) < 0)
		return -1;
	if (all.n > 1)
		return dump_many(o, &all, err);
	return dump_one(o, STEAL(all.kube), &all.targets[0].target, err);
}

const struct command cmd_heapdump = {
	.name = "heapdump",
	.arguments = "[TARGET...]",
	.summary = "take heap dumps, verify and deliver them",
	.options = "to live all-objects format redact strategy parallel max-pause buffer no-spool "
		   "detach upload-from container jvm pid force dry-run yes token-command",
	.examples = "$ jdiag heapdump checkout-7d9f8 -n shop --to gs://dumps/incident-42/\n"
		    "$ jdiag heapdump web-0 -c app --jvm Main --to ./web.hprof\n"
		    "$ jdiag heapdump web-0 --redact strings --max-pause 20s --dry-run\n"
		    "$ jdiag heapdump web-0 --to gs://dumps/incident-42/ --detach\n"
		    "$ jdiag heapdump deploy/checkout --all --to gs://dumps/incident-42/\n"
		    "$ jdiag heapdump ssh://admin@10.0.0.7 --pid 4711",
	.flags = CMD_MANY_TARGETS,
	.run = run,
};
