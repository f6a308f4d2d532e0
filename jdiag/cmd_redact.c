/* jdiag redact: the same dump without its contents. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/command.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "jdiag/redact.h"
#include "jdiag/sink/sink.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

struct job {
	const struct options *o;
	const char *from, *to;
	struct redaction r;
	struct redact_result result;
	json_t *original; /* owned: the manifest of `from`, or NULL */
	json_t *manifest; /* owned */
	char *name;	  /* owned: of the artifact, if `to` is a directory */
};

static bool is_dash(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int usage(struct error *err, const char *what)
{
	error_set(err, ERR_USAGE, "%s", what);
	return error_hint(err, "usage: %s redact %s --redact strings|primitives", command_program(),
			  cmd_redact.arguments);
}

/* ---- what is asked for ---- */

static int check_words(struct job *j, char *const *argv, struct error *err)
{
	if (!argv[0] || !argv[1])
		return usage(err, "redact needs IN and OUT");
	if (argv[2])
		return error_set(err, ERR_USAGE, "'redact' takes IN and OUT, not also '%s'",
				 argv[2]);
	j->from = argv[0];
	j->to = argv[1];
	if (!j->o->redact || !hprof_redact_from_name(j->o->redact, &j->r.rule) ||
	    j->r.rule == HPROF_REDACT_NONE)
		return usage(err, "what is to be redacted?");
	if (strstr(j->to, "://")) {
		error_set(err, ERR_USAGE, "redact writes files, not '%s'", j->to);
		return error_hint(err, "write a file and copy it, or take the dump with --redact");
	}
	if (is_dash(j->to) && isatty(STDOUT_FILENO))
		return error_set(err, ERR_USAGE,
				 "standard output is a terminal, the artifact is binary");
	if (is_dash(j->to) && j->o->output != OUTPUT_TEXT)
		return error_set(err, ERR_USAGE,
				 "the dump goes to standard output, there is no room for -o there");
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return str_ends(path, "/") || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The format: --format, or what the name says; into a pipe what the original has. */
static int choose_format(struct job *j, struct error *err)
{
	const char *to = is_directory(j->to) ? last_part(j->from) : j->to;

	if (is_directory(j->to) && is_dash(j->from))
		return error_set(err, ERR_USAGE, "name a file in '%s'", j->to);
	j->name = xstrdup(last_part(j->from));
	if (j->o->format)
		return codec_from_format(j->o->format, &j->r.codec)
			       ? 0
			       : error_set(err, ERR_USAGE, "unknown format '%s'", j->o->format);
	if (is_dash(j->to)) {
		j->r.codec = artifact_codec(j->r.in);
		return 0;
	}
	if (codec_from_name(to, &j->r.codec))
		return 0;
	error_set(err, ERR_USAGE, "the name '%s' does not say the format", to);
	return error_hint(err, "end it in .hprof, .hprof.gz or .hprof.zst, or add --format");
}

static int refuse_same_file(const struct job *j, struct error *err)
{
	struct stat from, to;

	if (stat(j->from, &from) < 0 || stat(j->to, &to) < 0 || from.st_dev != to.st_dev ||
	    from.st_ino != to.st_ino)
		return 0;
	error_set(err, ERR_USAGE, "'%s' and '%s' are the same file", j->from, j->to);
	return error_hint(err, "nothing is ever overwritten: name another file");
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return !is_dash(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
									     : 0;
}

static int open_both(struct job *j, struct error *err)
{
	struct sink_options so = {.to = j->to, .companion = MANIFEST_SUFFIX};

	if (refuse_same_file(j, err) < 0 || artifact_open(&j->r.in, j->from, err) < 0 ||
	    choose_format(j, err) < 0)
		return -1;
	j->r.size = size_of(j->from);
	so.name = is_directory(j->to) ? j->name : "dump"; /* of no use beside a file's own */
	return sink_open(&j->r.out, &so, err);
}

/* ---- the manifest ---- */

/* A broken one is no reason to leave the dump as it is. */
static void read_original(struct job *j)
{
	auto_free char *name = xasprintf("%s%s", j->from, MANIFEST_SUFFIX);
	auto_buf struct buf text = BUF_INIT(MAX_MANIFEST);
	struct error ignored;

	if (!is_dash(j->from) && io_read_file(AT_FDCWD, name, &text) == 0)
		j->original = json_from_text(text.data, text.len, name, ERR_CAPTURE, &ignored);
}

static json_t *describe_source(const struct job *j)
{
	json_t *source = json_object();

	json_set_text(source, "name", is_dash(j->from) ? "-" : last_part(j->from));
	json_object_set(source, "sha256", json_object_get(j->original, "sha256"));
	return source;
}

/* What was captured, when and how; but for what the capture's own artifact was. */
static json_t *describe_capture(const struct job *j)
{
	json_t *capture = json_deep_copy(json_object_get(j->original, "capture"));

	if (!json_is_object(capture)) {
		json_decref(capture);
		capture = json_object();
	}
	json_object_set_new(capture, "redact", json_string(hprof_redact_name(j->r.rule)));
	json_object_set_new(capture, "records", json_integer((json_int_t)j->result.dump.records));
	return capture;
}

static void make_manifest(struct job *j)
{
	const struct redact_result *r = &j->result;
	const char *url = sink_url(j->r.out);
	char crc[9];
	json_t *m = json_pack("{s:s, s:s}", "apiVersion", "jdiag/v1", "kind", "HeapDump");

	snprintf(crc, sizeof(crc), "%08x", r->crc32c);
	json_set_text(m, "name", last_part(url));
	json_object_set(m, "target", json_object_get(j->original, "target"));
	json_object_set(m, "jvm", json_object_get(j->original, "jvm"));
	json_object_set_new(m, "capture", describe_capture(j));
	json_object_set_new(m, "source", describe_source(j));
	json_object_set_new(m, "jdiag", json_string(JDIAG_VERSION));
	json_set_text(m, "url", url);
	json_object_set_new(m, "format", json_string(codec_format(j->r.codec)));
	json_object_set_new(m, "size", json_integer((json_int_t)r->bytes));
	json_object_set_new(m, "rawSize", json_integer((json_int_t)r->dump.bytes));
	json_object_set_new(m, "sha256", json_string(r->sha256));
	json_object_set_new(m, "crc32c", json_string(crc));
	j->manifest = m;
}

static void write_manifest(struct job *j)
{
	struct error e = {0};
	char *text;

	make_manifest(j);
	text = json_dumps(j->manifest, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (text && sink_companion(j->r.out, MANIFEST_SUFFIX, text, strlen(text), &e) < 0)
		progress_note(j->r.progress, "warning: the manifest was not written: %s", e.msg);
	free_cleanup(&text);
}

/* ---- the job ---- */

static void print_result(const struct job *j)
{
	const struct hprof_summary *d = &j->result.dump;
	char size[16];

	progress_clear(j->r.progress);
	progress_note(j->r.progress, "%s, SHA-256 %.12s..., %llu objects, %s redacted",
		      str_format_size(size, j->result.bytes), j->result.sha256,
		      (unsigned long long)(d->instances + d->object_arrays + d->primitive_arrays),
		      hprof_redact_name(j->r.rule));
	if (is_dash(j->to))
		return;
	if (j->o->output == OUTPUT_JSON)
		output_json("HeapDump", j->manifest);
	else
		output_line(sink_url(j->r.out));
}

static int run_job(struct job *j, struct error *err)
{
	if (open_both(j, err) < 0)
		return -1;
	read_original(j);
	progress_phase(j->r.progress, "redact");
	if (redact_run(&j->r, &j->result, err) < 0) {
		if (err->code == ERR_CAPTURE)
			error_prefix(err, "cannot redact '%s'", j->from);
		return -1;
	}
	write_manifest(j);
	print_result(j);
	return 0;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct job j = {.o = o};
	int rc;

	if (check_words(&j, argv, err) < 0)
		return -1;
	j.r.progress = progress_new(o->progress, o->quiet);
	rc = run_job(&j, err);
	if (rc < 0 && is_dash(j.to) && j.r.out && !err->hint[0])
		(void)error_hint(err,
				 "what standard output got is not a whole dump: throw it away");
	sink_abort(j.r.out);
	artifact_close(j.r.in);
	progress_end(j.r.progress, rc < 0 ? err : NULL);
	json_decref(j.manifest);
	json_decref(j.original);
	free_cleanup(&j.name);
	return rc;
}

const struct command cmd_redact = {
	.name = "redact",
	.arguments = "IN OUT",
	.summary = "copy a heap dump without its contents, safe to share",
	.options = "redact format",
	.examples = "$ jdiag redact web.hprof.gz web-safe.hprof.gz --redact strings\n"
		    "$ jdiag redact web.hprof - --redact primitives --format hprof.zst > web.zst",
	.flags = CMD_ARGS | CMD_FILES,
	.run = run,
};
