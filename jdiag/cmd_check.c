/* jdiag check: is an artifact whole, and what its manifest says it is? */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/check.h"
#include "jdiag/check_object.h"
#include "jdiag/command.h"
#include "jdiag/json.h"
#include "jdiag/manifest.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define MAX_CLAIMS 2 /* of the name, of the manifest */

/* One artifact of the command line, and what was found. */
struct checking {
	const struct options *o;
	struct progress *progress;
	struct check_result result;
	bool has_manifest;
};

/* ---- what is printed ---- */

static json_t *describe(const char *name, const struct checking *c)
{
	const struct check_result *r = &c->result;
	const char mark[2] = {(char)r->mark, '\0'};
	json_t *object = json_pack("{s:s, s:b}", "mark", mark, "manifest", c->has_manifest);

	json_set_text(object, "name", name);
	json_object_set_new(object, "compared", json_string(r->compared));
	if (r->mark == CHECK_SAME || r->mark == CHECK_DIFFERS)
		json_object_update_new(
			object,
			json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I}", "format",
				  codec_format(r->codec), "size", (json_int_t)r->stored, "sha256",
				  r->sha256, "dumpSize", (json_int_t)r->dump.bytes, "records",
				  (json_int_t)r->dump.records, "classes",
				  (json_int_t)r->dump.classes, "objects",
				  (json_int_t)(r->dump.instances + r->dump.object_arrays +
					       r->dump.primitive_arrays)));
	if (r->mark != CHECK_SAME)
		json_object_set_new(object, "error", json_string(r->error.msg));
	return object;
}

static char *summary(const struct checking *c)
{
	const struct check_result *r = &c->result;
	const struct hprof_summary *d = &r->dump;
	char stored[16], raw[16];

	if (r->mark != CHECK_SAME)
		return xstrdup(r->error.msg);
	return xasprintf(
		"%s, %s of %s, %llu classes, %llu objects; %s%s", codec_format(r->codec),
		str_format_size(stored, r->stored), str_format_size(raw, d->bytes),
		(unsigned long long)d->classes,
		(unsigned long long)(d->instances + d->object_arrays + d->primitive_arrays),
		c->has_manifest ? "same as the manifest: " : "no manifest, compared: ",
		*r->compared ? r->compared : "nothing");
}

static void print(const char *name, const struct checking *c)
{
	progress_clear(c->progress);
	if (c->o->output == OUTPUT_JSON) {
		auto_json json_t *object = describe(name, c);

		output_json("Check", object);
	} else if (c->o->output == OUTPUT_NAME) {
		if (c->result.mark == CHECK_SAME)
			output_line(name);
	} else {
		auto_free char *text = summary(c);
		auto_free char *line = xasprintf("%c %s  %s", (char)c->result.mark, name, text);

		output_line(line);
	}
}

/* ---- a file ---- */

/* The manifest beside a file. 1, 0 when there is none, -1. */
static int read_manifest(const char *path, json_t **ret, struct error *err)
{
	auto_free char *name = xasprintf("%s%s", path, MANIFEST_SUFFIX);
	auto_buf struct buf text = BUF_INIT(MAX_MANIFEST);
	int r = io_read_file(AT_FDCWD, name, &text);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot read '%s'", name);
	*ret = json_from_text(text.data, text.len, name, ERR_CAPTURE, err);
	return *ret ? 1 : -1;
}

static int check_open_file(struct checking *c, const struct artifact_file *f, const char *name,
			   const json_t *manifest, struct error *err)
{
	struct check_claim claims[MAX_CLAIMS] = {check_claim_name(name)};
	const struct check_artifact a = {
		.source = f->source,
		.size = f->size,
		.claims = claims,
		.n_claims = manifest ? 2 : 1,
	};

	if (manifest && check_claim_manifest(manifest, &claims[1], err) < 0)
		return error_prefix(err, "'%s'", name);
	progress_phase(c->progress, "check");
	check_run(&a, c->progress, &c->result);
	return 0;
}

static void check_file(struct checking *c, const char *name)
{
	auto_artifact_file struct artifact_file f = ARTIFACT_FILE_INIT;
	auto_json json_t *manifest = NULL;
	struct error *err = &c->result.error;
	int has = strcmp(name, "-") == 0 ? 0 : read_manifest(name, &manifest, err);

	c->has_manifest = has > 0;
	if (has < 0)
		return;
	if (artifact_file_open(&f, name, err) < 0) {
		if (err->sys == ENOENT)
			c->result.mark = CHECK_MISSING;
		if (err->sys == ENOENT && has)
			err->code = ERR_CAPTURE; /* its manifest says that it should be there */
		return;
	}
	(void)check_open_file(c, &f, name, manifest, err);
}

/* ---- all of them ---- */

static int check_each(struct progress *p, const struct options *o, char *const *argv,
		      struct error *err)
{
	struct error first = {0};
	size_t n = 0, bad = 0;

	for (; argv[n]; n++) {
		struct checking c = {.o = o, .progress = p, .result.mark = CHECK_ERROR};

		if (str_starts(argv[n], "gs://"))
			check_object(argv[n], o->token_command, p, &c.result, &c.has_manifest);
		else
			check_file(&c, argv[n]);
		if (c.result.error.code == ERR_INTERRUPTED) {
			*err = c.result.error;
			return -1;
		}
		print(argv[n], &c);
		if (c.result.mark == CHECK_SAME)
			continue;
		if (!bad++ || c.result.error.code == ERR_CAPTURE)
			first = first.code == ERR_CAPTURE ? first : c.result.error;
	}
	if (!bad)
		return 0;
	*err = first;
	return n == 1 ? -1
		      : error_set(err, first.code,
				  "%zu of %zu artifacts are not fine, the first: %s", bad, n,
				  first.msg);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct progress *p;
	int rc;

	if (!argv[0]) {
		error_set(err, ERR_USAGE, "check needs a FILE or an object");
		return error_hint(err, "usage: %s check %s", command_program(),
				  cmd_check.arguments);
	}
	p = progress_new(o->progress, o->quiet);
	rc = check_each(p, o, argv, err);
	progress_end(p, rc < 0 ? err : NULL);
	return rc;
}

const struct command cmd_check = {
	.name = "check",
	.arguments = "FILE|gs://BUCKET/OBJECT...",
	.summary = "check an artifact against itself, its manifest and its bucket",
	.options = "token-command",
	.examples = "$ jdiag check web.hprof.gz\n"
		    "$ jdiag check *.hprof.zst -o json\n"
		    "$ jdiag check gs://dumps/i-42/shop_web-0_app-0_20261121T031522Z_1.hprof.gz",
	.flags = CMD_ARGS | CMD_FILES,
	.run = run,
};
