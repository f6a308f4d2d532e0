/* jdiag resume: finish a capture that lost its connection, its upload or its jdiag. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/command.h"
#include "jdiag/deliver_end.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/record.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/str.h"
#include "remote/codec/codec.h"

struct resume {
	struct options o; /* with what the record says */
	const char *id, *target;
	json_t *record; /* owned; NULL: another machine began it */
	json_t *label;	/* owned */
	json_t *list;	/* owned: what lies on the node */
	struct session session;
	struct progress *progress;
	struct sink *sink; /* owned */
	char *node_target; /* owned */
	struct delivery_job end;
};

/* ---- which one ---- */

static int take_words(struct resume *r, char *const *argv, struct error *err)
{
	r->id = argv[0];
	r->target = argv[0] ? argv[1] : NULL;
	if (r->target && argv[2])
		return error_set(err, ERR_USAGE, "'resume' takes an ID and a TARGET, not also '%s'",
				 argv[2]);
	if (!r->id || capture_id_is(r->id))
		return 0;
	error_set(err, ERR_USAGE, "'%s' is no capture's id", r->id);
	return error_hint(err, "an id has 16 digits, 0 to 9 and a to f; %s spool lists them",
			  command_program());
}

static int several(const json_t *records, struct error *err)
{
	auto_buf struct buf lines = BUF_INIT(900);
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record)
		buf_addf(&lines, "%s%s  %s, node %s", i ? "\n" : "", json_str_at(record, "id", "?"),
			 json_str_at(record, "label.name", "?"), json_str_at(record, "node", "?"));
	error_set(err, ERR_TARGET, "%zu captures are not finished: name one",
		  json_array_size(records));
	return error_hint(err, "%s", buf_str(&lines));
}

/* The record of the one that was named, or of the only one. Without a record a TARGET will do. */
static int find_record(struct resume *r, struct error *err)
{
	auto_json json_t *all = NULL;

	if (r->id) {
		struct error e = {0};

		if (record_load(r->id, &r->record, &e) == 0 || r->target)
			return 0;
		*err = e;
		return error_hint(err,
				  "it was begun on another machine, or is finished; with its node "
				  "it can be resumed from here: %s resume %s node/NODE",
				  command_program(), r->id);
	}
	all = record_list();
	if (json_array_size(all) > 1)
		return several(all, err);
	if (json_array_size(all) == 0)
		return error_set(err, ERR_TARGET, "there is no capture here that is not finished");
	r->record = json_incref(json_array_get(all, 0));
	r->id = json_str_at(r->record, "id", "");
	return 0;
}

/* ---- the way to it ---- */

static int resolve(struct resume *r, struct error *err)
{
	struct target t;

	progress_phase(r->progress, "resolve");
	if (!r->target)
		return record_resolve(r->record, &r->session, err);
	if (target_parse(r->target, &t, err) < 0)
		return -1;
	return session_resolve_target(&r->session, &t, err);
}

/* What is told about it, from our own file, or else from the node. */
static int read_label(struct resume *r, const json_t *entry, struct error *err)
{
	if (r->record) {
		r->label = json_incref(json_at(r->record, "label"));
		return 0;
	}
	r->label = label_from_text(json_str_at(entry, "state.label", ""), err);
	return r->label ? 0 : -1;
}

static int list_captures(void *resume, struct error *err)
{
	struct resume *r = resume;

	return capture_list(r->session.helper, &r->list, err);
}

/* It is on the node, and this helper can read it. */
static int find_capture(struct resume *r, struct error *err)
{
	const json_t *entry;

	progress_phase(r->progress, "inspect");
	if (session_steadily(&r->session, r->progress, list_captures, r, err) < 0)
		return -1;
	entry = capture_find(r->list, r->id, r->session.node, err);
	if (!entry) {
		if (r->record)
			error_hint(
				err,
				"it was delivered or removed, or its time was over; forget it: %s "
				"spool rm %s",
				command_program(), r->id);
		return -1;
	}
	if (!json_is_object(json_at(entry, "state")))
		return error_set(err, ERR_NODE, "capture '%s' cannot be read: %s", r->id,
				 json_str_at(entry, "error", "it has no state"));
	return read_label(r, entry, err);
}

/* ---- where it goes ---- */

static int open_sink(struct resume *r, struct error *err)
{
	const char *to = json_str_at(r->label, "destination", "-");
	auto_json json_t *metadata = manifest_metadata(json_at(r->label, "manifest"));
	struct sink_options so = {
		.to = r->o.to ? r->o.to : to,
		.name = json_str_at(r->label, "name", ""),
		.companion = MANIFEST_SUFFIX,
		.content_type = artifact_content_type(json_str_at(r->label, "format", "")),
		.metadata = metadata,
		.token_command = r->o.token_command,
		.tick = delivery_tick,
		.tick_ctx = &r->session,
		.take_over = true,
	};

	if (!r->o.to && !r->record && str_starts(to, "gs://"))
		progress_note(r->progress,
			      "going to '%s', as the capture says; --to names another place", to);
	if (r->o.to || strcmp(to, "-") != 0)
		return sink_open(&r->sink, &so, err);
	if (!r->record) { /* a path of the machine that began it says nothing here */
		so.to = "./";
		return sink_open(&r->sink, &so, err);
	}
	error_set(
		err, ERR_USAGE,
		"where capture '%s' goes is not known: it was meant for standard output, or for a "
		"path that no record can hold",
		r->id);
	return error_hint(err, "say where it goes now: %s resume %s --to DEST", command_program(),
			  r->id);
}

/* From here on the end has to think of the capture. */
static void set_end(struct resume *r)
{
	r->node_target = session_node_target(&r->session);
	r->end = (struct delivery_job){
		.o = &r->o,
		.session = &r->session,
		.progress = r->progress,
		.manifest = json_at(r->label, "manifest"),
		.id = r->id,
		.target = r->node_target,
		.recorded = r->record != NULL,
		.resumed = true,
		.result.begun = true,
	};
}

/* The run before may have ended between the last byte and the end of the capture. */
static int tell_finished(const struct resume *r, struct error *err)
{
	const char *path = json_str_at(r->label, "destination", "-");
	auto_free char *word = str_shell_word(path);
	auto_free char *check =
		xasprintf("if a run before has finished it: %s check %s", command_program(), word);

	if (r->record && !r->o.to && access(path, F_OK) == 0)
		delivery_add_hint(err, check);
	return -1;
}

static int resume(struct resume *r, struct error *err)
{
	struct delivery_options d = {.id = r->id,
				     .from_node = r->o.upload_from == UPLOAD_FROM_NODE};

	if (resolve(r, err) < 0)
		return -1;
	progress_phase(r->progress, "connect");
	if (session_steadily(&r->session, r->progress, NULL, NULL, err) < 0 ||
	    find_capture(r, err) < 0)
		return -1;
	set_end(r);
	if (open_sink(r, err) < 0)
		return tell_finished(r, err);
	r->end.sink = d.sink = r->sink;
	r->end.elsewhere = r->o.to != NULL;
	if (delivery_check_upload(&r->o, sink_url(r->sink), err) < 0)
		return -1;
	d.last_phase = str_starts(sink_url(r->sink), "gs://") ? "upload" : "transfer";
	d.expected = json_u64_at(capture_find(r->list, r->id, r->session.node, err),
				 "state.expected", 0);
	if (deliver_capture(&r->session, &d, r->progress, &r->end.result, err) < 0)
		return -1;
	delivery_settle(&r->end);
	delivery_print(&r->end);
	return 0;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct resume r = {.o = *o};
	int rc;

	if (take_words(&r, argv, err) < 0)
		return -1;
	if (o->to && strcmp(o->to, "-") == 0 && o->output != OUTPUT_TEXT)
		return error_set(err, ERR_USAGE,
				 "--to - writes the dump to stdout, there is no room for -o there");
	if (find_record(&r, err) < 0)
		return -1;
	if (r.record)
		record_options(r.record, &r.o);
	session_init(&r.session, &r.o);
	r.progress = progress_new(o->progress, o->quiet);
	rc = resume(&r, err);
	if (rc < 0 && r.end.id)
		(void)delivery_give_up(&r.end, err);
	sink_abort(r.sink);
	(void)session_close(&r.session);
	progress_end(r.progress, rc < 0 ? err : NULL);
	json_decref(r.list);
	json_decref(r.label);
	json_decref(r.record);
	free(r.node_target);
	return rc;
}

const struct command cmd_resume = {
	.name = "resume",
	.arguments = "[ID] [TARGET]",
	.summary = "finish a heap dump that lost its connection or its upload",
	.options = "to upload-from token-command",
	.examples = "$ jdiag resume\n"
		    "$ jdiag resume 3f09c1d2a4b5e678 --to gs://dumps/incident-42/\n"
		    "$ jdiag resume 3f09c1d2a4b5e678 node/gke-pool-1-x7k2",
	.flags = CMD_ONE_TARGET | CMD_ARGS,
	.run = run,
};
