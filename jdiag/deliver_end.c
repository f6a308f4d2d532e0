#include "jdiag/deliver_end.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/record.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define RESTART_MS 5000
#define RESTART_LOOK_MS 500

int delivery_check_upload(const struct options *o, const char *to, struct error *err)
{
	if (o->upload_from == UPLOAD_FROM_BASTION || (to && str_starts(to, "gs://")))
		return 0;
	error_set(err, ERR_USAGE, "--upload-from node goes with a bucket, not with '%s'",
		  to ? to : "./");
	return error_hint(err, "name it: --to gs://BUCKET/PREFIX/");
}

int delivery_tick(void *session, struct error *err)
{
	const struct session *s = session;
	struct error lost = {0};

	if (s->helper && helper_pump(s->helper, &lost) < 0 && lost.code == ERR_INTERRUPTED) {
		*err = lost;
		return -1;
	}
	return 0;
}

/* ---- lines that a person pastes ---- */

/* "jdiag VERB ID", and how the node is reached where no record knows. */
static char *capture_line(const struct delivery_job *j, const char *verb)
{
	auto_free char *target = j->recorded ? NULL : str_shell_word(j->target);
	auto_free char *way = j->recorded ? NULL : options_way(j->o);

	return xasprintf("%s %s %s%s%s%s", command_program(), verb, j->id, target ? " " : "",
			 target ? target : "", way ? way : "");
}

char *delivery_resume_line(const struct delivery_job *j)
{
	auto_free char *line = capture_line(j, "resume");
	const char *url = j->sink ? sink_url(j->sink) : "";
	auto_free char *to = str_shell_word(url);

	if (strcmp(url, "-") == 0)
		return xasprintf("%s --to FILE", line);
	/* a path is in the record, but a label keeps none */
	if (*url && (j->elsewhere || (!j->recorded && !str_starts(url, "gs://"))))
		return xasprintf("%s --to %s", line, to);
	return STEAL(line);
}

/* ---- after a success ---- */

/* The restarts of its container before the capture and now; -1 when they cannot be known. */
static int read_restarts(const struct delivery_job *j, uint64_t *before, uint64_t *after)
{
	const char *pod = json_str_at(j->manifest, "target.pod", "");
	struct error e = {0};

	if (!*pod)
		return -1;
	*before = json_u64_at(j->manifest, "target.restartCount", 0);
	if (session_read_restarts(j->session, json_str_at(j->manifest, "target.namespace", ""), pod,
				  json_str_at(j->manifest, "target.uid", ""),
				  json_str_at(j->manifest, "target.container", ""), after, &e) == 0)
		return 0;
	log_at(LOG_STEP, "the pod was not read again: %s", e.msg);
	return -1;
}

static void tell_restart(const struct delivery_job *j, uint64_t before, uint64_t after)
{
	progress_note(j->progress,
		      "warning: container '%s' was restarted during the dump (%llu -> %llu)",
		      json_str_at(j->manifest, "target.container", ""), (unsigned long long)before,
		      (unsigned long long)after);
}

/* A probe or the OOM killer may have ended it in the meantime; the dump is good nevertheless. */
static void note_restarts(const struct delivery_job *j)
{
	uint64_t before, after;

	if (read_restarts(j, &before, &after) < 0)
		return;
	json_object_set_new(
		j->manifest, "restarts",
		json_pack("{s:I, s:I}", "before", (json_int_t)before, "after", (json_int_t)after));
	if (after != before)
		tell_restart(j, before, after);
}

/* The JVM has ended: it takes a kubelet a moment to start the next one and to tell so. */
static void await_restart(const struct delivery_job *j)
{
	uint64_t end = now_ms() + RESTART_MS, before, after;

	while (read_restarts(j, &before, &after) == 0) {
		if (after != before) {
			tell_restart(j, before, after);
			return;
		}
		if (now_ms() >= end || interrupted() || poll(NULL, 0, RESTART_LOOK_MS) < 0)
			return;
	}
}

static void write_manifest(const struct delivery_job *j)
{
	auto_free char *text = NULL;
	struct error e = {0};

	manifest_complete(j->manifest, sink_url(j->sink), &j->result);
	text = json_dumps(j->manifest, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (!text)
		die_oom();
	if (sink_companion(j->sink, MANIFEST_SUFFIX, text, strlen(text), &e) < 0)
		progress_note(j->progress, "warning: the manifest was not written: %s", e.msg);
}

/* The answer may have been lost with the connection: then it is not there any more. */
static int remove_spool(void *job, struct error *err)
{
	const struct delivery_job *j = job;

	return capture_remove(j->session->helper, j->id, err) == 0 || err->code == ERR_TARGET ? 0
											      : -1;
}

void delivery_settle(struct delivery_job *j)
{
	auto_free char *rm = capture_line(j, "spool rm");
	struct error e = {0};

	note_restarts(j);
	write_manifest(j);
	if (session_steadily(j->session, j->progress, remove_spool, j, &e) == 0) {
		record_delete(j->id);
		return;
	}
	progress_note(
		j->progress,
		"warning: the spool of this capture was not removed from the node: %s; later: %s",
		e.msg, rm);
}

/* Eclipse MAT reads .hprof.gz itself; VisualVM reads plain dumps alone, and nothing reads zst. */
static void tell_next(const struct delivery_job *j, const char *url)
{
	bool remote = str_starts(url, "gs://"), zst = strcmp(j->result.format, "hprof.zst") == 0;
	const char *viewer = strcmp(j->result.format, "hprof.gz") == 0 ? "Eclipse MAT"
								       : "Eclipse MAT or VisualVM";
	auto_free char *name = xasprintf("./%s", strrchr(url, '/') ? strrchr(url, '/') + 1 : url);
	auto_free char *object = str_shell_word(url);
	auto_free char *file = str_shell_word(remote ? name : url);
	auto_free char *fetch = remote ? xasprintf("gcloud storage cp %s .", object) : xstrdup("");

	if (zst)
		progress_note(j->progress, "next: %s%szstd -d %s and open it in %s", fetch,
			      remote ? " && " : "", file, viewer);
	else if (remote)
		progress_note(j->progress, "next: %s and open it in %s", fetch, viewer);
	else
		progress_note(j->progress, "next: open %s in %s", file, viewer);
}

void delivery_print(const struct delivery_job *j)
{
	const struct delivery_result *r = &j->result;
	const char *url = sink_url(j->sink);
	char size[16], raw[16], pause[16];

	progress_clear(j->progress);
	if (r->notice[0])
		progress_note(j->progress, "%s", r->notice);
	progress_note(j->progress, "%s%s%s%s, SHA-256 %.12s..., pause %s by %s, verified",
		      str_format_size(size, r->bytes), r->raw != r->bytes ? " (dump of " : "",
		      r->raw != r->bytes ? str_format_size(raw, r->raw) : "",
		      r->raw != r->bytes ? ")" : "", r->sha256,
		      str_format_ms(pause, r->pause_ms ? r->pause_ms : r->elapsed_ms), r->strategy);
	if (strcmp(url, "-") == 0)
		return;
	if (j->o->output == OUTPUT_JSON)
		output_json("HeapDump", j->manifest);
	else
		output_line(url);
	tell_next(j, url);
}

void delivery_print_detached(const struct delivery_job *j)
{
	const struct delivery_result *r = &j->result;
	auto_free char *resume = delivery_resume_line(j);
	char raw[16], pause[16];

	progress_clear(j->progress);
	if (r->notice[0])
		progress_note(j->progress, "%s", r->notice);
	progress_note(j->progress, "the dump (%s, pause %s) is safe on node '%s'",
		      str_format_size(raw, r->raw),
		      str_format_ms(pause, r->pause_ms ? r->pause_ms : r->elapsed_ms),
		      j->session->node);
	if (j->o->output == OUTPUT_JSON) {
		auto_json json_t *object =
			json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:O}", "id", j->id, "node",
				  j->session->node, "phase", capture_phase_name(r->phase), "format",
				  json_str_at(j->manifest, "format", ""), "raw", (json_int_t)r->raw,
				  "stored", (json_int_t)r->bytes, "name",
				  json_str_at(j->manifest, "name", ""), "manifest", j->manifest);

		output_json("Capture", object);
	} else {
		output_line(j->id);
	}
	progress_note(j->progress, "next: %s", resume);
}

/* ---- after a failure ---- */

void delivery_add_hint(struct error *err, const char *hint)
{
	(void)error_hint(err, "%s%s%s", err->hint, err->hint[0] ? "\n" : "", hint);
}

static void tell_kept(const struct delivery_job *j, struct error *err)
{
	auto_free char *resume = delivery_resume_line(j);
	auto_free char *kept =
		xasprintf("the capture is kept on node '%s': %s", j->session->node, resume);
	auto_free char *rm = capture_line(j, "spool rm");
	auto_free char *drop = xasprintf("or throw it away: %s", rm);

	delivery_add_hint(err, kept);
	delivery_add_hint(err, drop);
}

/* A capture that failed leaves a directory that says why; we have heard it. */
static void remove_failed(struct delivery_job *j)
{
	struct error e = {0};

	if (j->session->helper && capture_remove(j->session->helper, j->id, &e) < 0)
		log_at(LOG_STEP, "the spool of the failed capture: %s", e.msg);
}

/* The user has ended it: whether there is something that is worth to be kept. What is said to the
 * node here is not interrupted again, but by a second Ctrl-C, which ends the process. */
static bool stop_what_is_not_done(struct delivery_job *j)
{
	struct helper *h = j->session->helper;
	struct capture_state now = {.phase = j->result.phase, .ring = j->result.ring};
	struct error e = {0};

	if (!h)
		return true;
	if (capture_ask(h, j->id, &now, &e) < 0)
		log_at(LOG_STEP, "the capture was not asked for its state: %s", e.msg);
	j->result.phase = now.phase;
	if (now.ring && now.phase == CAPTURE_COMPLETE) {
		remove_failed(j);
		return false;
	}
	if (!now.ring && (now.phase == CAPTURE_SPOOL || now.phase == CAPTURE_COMPLETE))
		return true;
	e = (struct error){0};
	if (capture_stop(h, j->id, &e) == 0 || e.code == ERR_TARGET)
		return false;
	log_at(LOG_STEP, "the capture was not stopped: %s", e.msg);
	return true;
}

/* A `watch` that failed may have been the helper's own trouble: only what the node lists as failed
 * or dead is nothing any more. False when it has to be kept. */
static bool is_lost(const struct delivery_job *j)
{
	auto_json json_t *list = NULL;
	struct error e = {0};
	const json_t *entry;
	const char *phase;

	if (j->result.ring || j->o->no_spool || !j->session->helper)
		return true;
	if (capture_list(j->session->helper, &list, &e) < 0)
		return false;
	entry = capture_find(list, j->id, j->session->node, &e);
	if (!entry)
		return !json_bool_at(list, "truncated", false);
	phase = json_str_at(entry, "state.phase", "");
	return *phase && (strcmp(phase, "failed") == 0 ||
			  (strcmp(phase, "complete") != 0 && !json_bool_at(entry, "alive", true)));
}

/* Its bytes are gone, and its process goes with the connection. */
static bool give_ring_up(struct delivery_job *j, struct error *err)
{
	remove_failed(j);
	if (!*err->hint)
		error_hint(err, "with --no-spool the node keeps nothing: take the dump again, "
				"without --no-spool");
	return false;
}

bool delivery_give_up(struct delivery_job *j, struct error *err)
{
	bool kept = j->result.begun && !j->result.lost;

	session_set_uninterruptible(j->session, true);
	if (j->result.begun && j->result.lost && !is_lost(j))
		kept = true;
	else if (j->result.lost)
		remove_failed(j);
	else if (kept && err->code == ERR_INTERRUPTED && !j->resumed)
		kept = stop_what_is_not_done(j);
	else if (kept && j->result.ring)
		kept = give_ring_up(j, err);
	session_set_uninterruptible(j->session, false);
	if (j->result.lost && err->sys == ESRCH)
		await_restart(j);
	if (kept)
		tell_kept(j, err);
	else
		record_delete(j->id);
	return !kept;
}
