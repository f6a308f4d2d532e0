/* jdiag top: the classes of a heap dump that take the most memory. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/archive/input.h"
#include "jdiag/classes.h"
#include "jdiag/command.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/output.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define DEFAULT_LIMIT 20
#define NAME_WIDTH 54 /* of a table of 80 columns */

static int parse_all(struct artifact_input *in, struct hprof_parser *p, struct error *err)
{
	auto_free char *buf = xmalloc(CODEC_BLOCK);
	size_t n;

	do {
		if (interrupt_check(err) < 0 || artifact_read(in, buf, CODEC_BLOCK, &n, err) < 0 ||
		    hprof_parser_add(p, buf, n, err) < 0)
			return -1;
	} while (n);
	return 0;
}

static int read_dump(const char *path, struct class_table *t, struct hprof_summary *ret,
		     struct error *err)
{
	auto_artifact struct artifact_input *in = NULL;
	struct hprof_parser_options o = {.visitor = class_table_visitor(t)};
	struct hprof_parser *p;
	int rc;

	if (artifact_open(&in, path, err) < 0)
		return -1;
	p = hprof_parser_new(&o);
	rc = parse_all(in, p, err);
	if (rc == 0)
		rc = hprof_parser_finish(p, false, ret, err);
	hprof_parser_free(p);
	return rc < 0 ? error_prefix(err, "'%s'", path) : 0;
}

/* The end of a long name says more than its beginning. */
static const char *shorten(const char *name, char dst[NAME_WIDTH + 1])
{
	size_t len = strlen(name);

	if (len <= NAME_WIDTH)
		return name;
	snprintf(dst, NAME_WIDTH + 1, "...%s", name + len - (NAME_WIDTH - 3));
	return dst;
}

static void add_to_table(struct table *table, bool wide, const struct class_row *row)
{
	char name[NAME_WIDTH + 1], instances[24], bytes[24], each[24] = "";
	const char *cells[] = {wide ? row->name : shorten(row->name, name), instances, bytes, each};

	snprintf(instances, sizeof(instances), "%llu", (unsigned long long)row->instances);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)row->bytes);
	if (row->size)
		snprintf(each, sizeof(each), "%llu", (unsigned long long)row->size);
	table_row(table, cells);
}

static void print_table(const struct class_row *rows, size_t n, bool wide)
{
	static const char *const titles[] = {"NAME", "INSTANCES", "BYTES", NULL};
	static const char *const wide_titles[] = {"NAME", "INSTANCES", "BYTES", "EACH", NULL};
	struct table *table = table_new(wide ? wide_titles : titles);

	for (size_t i = 0; i < n; i++)
		add_to_table(table, wide, &rows[i]);
	table_print(table);
	table_free(table);
}

static void print_json(const struct class_row *row)
{
	auto_free char *name = output_escape(row->name);
	auto_json json_t *object =
		json_pack("{s:s, s:I, s:I}", "name", name, "instances", (json_int_t)row->instances,
			  "bytes", (json_int_t)row->bytes);

	if (row->size)
		json_object_set_new(object, "instanceSize", json_integer((json_int_t)row->size));
	output_json("Class", object);
}

static void print_rows(const struct options *o, const struct class_row *rows, size_t n)
{
	if (o->output == OUTPUT_TEXT || o->output == OUTPUT_WIDE) {
		print_table(rows, n, o->output == OUTPUT_WIDE);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (o->output == OUTPUT_JSON)
			print_json(&rows[i]);
		else
			output_line(rows[i].name);
	}
}

/* All of it, also what is not shown. */
static void tell_total(const struct class_row *rows, size_t n, const struct shallow_rule *rule)
{
	uint64_t instances = 0, bytes = 0;
	char size[16];

	for (size_t i = 0; i < n; i++) {
		instances += rows[i].instances;
		bytes += rows[i].bytes;
	}
	log_at(LOG_NOTICE, "%zu classes, %llu objects, %s", n, (unsigned long long)instances,
	       str_format_size(size, bytes));
	log_at(LOG_STEP,
	       "headers of %u bytes, of arrays %u; references of %u; objects aligned to %u",
	       rule->header, rule->array_header, rule->reference, rule->alignment);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	uint64_t limit = o->limit ? o->limit : DEFAULT_LIMIT;
	const struct class_row *rows = NULL;
	struct hprof_summary sum = {0};
	struct class_table *t;
	size_t n = 0;
	int rc;

	if (!argv[0] || argv[1])
		return error_set(err, ERR_USAGE, "'top' takes one FILE");
	t = class_table_new();
	rc = read_dump(argv[0], t, &sum, err);
	if (rc == 0)
		rc = class_table_finish(t, sum.id_size, &rows, &n, err);
	if (rc == 0) {
		print_rows(o, rows, limit < n ? (size_t)limit : n);
		tell_total(rows, n, class_table_rule(t));
	}
	class_table_free(t);
	return rc;
}

const struct command cmd_top = {
	.name = "top",
	.arguments = "FILE",
	.summary = "list the classes of a heap dump that take the most memory",
	.options = "limit",
	.examples = "$ jdiag top checkout.hprof.gz\n"
		    "$ jdiag top checkout.hprof --limit 0 -o json",
	.flags = CMD_ARGS | CMD_FILES,
	.run = run,
};
