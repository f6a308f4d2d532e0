/* jdiag doctor: the whole way to a JVM, each step ok or what is wrong and the line that fixes it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/doctor.h"
#include "jdiag/json.h"
#include "jdiag/output.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define WIDTH 80
#define STATE_WIDTH 4 /* "fail", "warn" */
#define GAP 2

/* At most n bytes of text that end before a blank, if there is one; else all up to the next. */
static size_t piece(const char *text, size_t n)
{
	size_t len = strlen(text), at;

	if (len <= n)
		return len;
	for (at = n; at > 0 && text[at] != ' '; at--)
		;
	return at ? at : strcspn(text, " ");
}

static void print_wrapped(const char *head, const char *text, size_t indent)
{
	bool first = true;

	do {
		size_t n = piece(text, WIDTH - indent);
		auto_free char *line = first ? xasprintf("%s%.*s", head, (int)n, text)
					     : xasprintf("%*s%.*s", (int)indent, "", (int)n, text);

		output_line(line);
		text += n + (text[n] == ' ');
		first = false;
	} while (*text);
}

/* As it is: it is there to be pasted. */
static void print_fix(const char *fix, size_t indent)
{
	auto_free char *copy = xstrdup(fix);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		auto_free char *indented = xasprintf("%*s%s", (int)indent, "", line);

		if (*line)
			output_line(indented);
	}
}

static void tell(const struct doctor *d, const struct doctor_line *l)
{
	int width = (int)doctor_name_width() + GAP;
	auto_free char *head = xasprintf("%-*s%-*s", STATE_WIDTH + GAP, doctor_state_name(l->state),
					 width, l->name);

	if (d->o->output == OUTPUT_JSON)
		return;
	print_wrapped(head, l->text, strlen(head));
	print_fix(l->fix, STATE_WIDTH + GAP);
	fflush(stdout); /* a step may take its time */
}

static void print_json(const struct doctor *d, const char *target)
{
	auto_json json_t *root = json_object();
	json_t *steps = json_array();

	json_set_text(root, "target", target);
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_line *l = &d->lines[i];
		json_t *step = json_object();

		json_set_text(step, "name", l->name);
		json_set_text(step, "state", doctor_state_name(l->state));
		json_set_text(step, "text", l->text);
		json_set_text(step, "fix", l->fix);
		json_array_append_new(steps, step);
	}
	json_object_set_new(root, "steps", steps);
	output_json("Doctor", root);
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	struct doctor *d = xcalloc(1, sizeof(*d));
	int rc = doctor_init(d, o, argv[0], err);

	if (rc == 0) {
		rc = doctor_walk(d, tell, err);
		if (o->output == OUTPUT_JSON && d->n)
			print_json(d, argv[0]);
	}
	doctor_release(d);
	free(d);
	return rc;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.arguments = "TARGET",
	.summary = "try each step to a JVM without touching it, say what fixes it",
	.options = "to live all-objects format redact strategy parallel max-pause buffer no-spool "
		   "upload-from container jvm pid token-command",
	.examples = "$ jdiag doctor checkout-7d9f8 -n shop --to gs://dumps/incident-42/\n"
		    "$ jdiag doctor node/gke-pool-1-x7k2\n"
		    "$ jdiag doctor web-0 -c app -o json",
	.flags = CMD_ONE_TARGET,
	.run = run,
};
