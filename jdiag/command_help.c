#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/command.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

#define WIDTH 80
#define INDENT 29 /* of an option's description */

const char *option_group_title(enum option_group group)
{
	switch (group) {
	case OPTION_OWN:
		return "Options";
	case OPTION_SELECT:
		return "Selecting pods";
	case OPTION_CLUSTER:
		return "Cluster";
	case OPTION_SSH:
		return "SSH";
	case OPTION_GENERAL:
		return "General";
	}
	return "";
}

char *command_arguments(const struct command *c)
{
	return xasprintf("[options]%s%s", c->arguments ? " " : "",
			 c->arguments ? c->arguments : "");
}

/* Text broken at blanks, from the given column on, later lines at the same column. */
static void add_wrapped(struct buf *b, const char *text, size_t column)
{
	size_t at = column;

	for (const char *p = text, *word; *p;) {
		size_t len;

		word = option_next_word(&p, &len);
		if (!word)
			break;
		if (at > column && at + 1 + len > WIDTH) {
			buf_addf(b, "\n%*s", (int)column, "");
			at = column;
		}
		buf_addf(b, "%s%.*s", at > column ? " " : "", (int)len, word);
		at += len + (at > column);
	}
	buf_adds(b, "\n");
}

static void add_option(struct buf *b, const struct option_spec *s)
{
	char left[64], letter[8] = "    ";
	int n;

	if (s->letter)
		snprintf(letter, sizeof(letter), "-%c, ", s->letter);
	n = snprintf(left, sizeof(left), "  %s--%s%s%s", letter, s->name, s->argument ? " " : "",
		     s->argument ? s->argument : "");
	if (n + 2 > INDENT)
		buf_addf(b, "%s\n%*s", left, INDENT, "");
	else
		buf_addf(b, "%-*s", INDENT, left);
	add_wrapped(b, s->help, INDENT);
}

static void add_options(struct buf *b, const struct command *c)
{
	for (enum option_group g = OPTION_OWN; g <= OPTION_GENERAL; g++) {
		bool titled = false;

		for (const struct option_spec *s = option_table; s->name; s++) {
			if (s->group != g || !option_taken(s, c))
				continue;
			if (!titled)
				buf_addf(b, "\n%s:\n", option_group_title(g));
			titled = true;
			add_option(b, s);
		}
	}
}

static void add_examples(struct buf *b, const char *lines)
{
	buf_adds(b, "\nExamples:\n");
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		buf_addf(b, "  %.*s\n", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static void add_command(struct buf *b, const struct command *c)
{
	auto_free char *arguments = command_arguments(c);

	buf_addf(b, "Usage: %s %s %s\n\n", command_program(), c->name, arguments);
	add_wrapped(b, c->summary, 0);
	if (c->examples)
		add_examples(b, c->examples);
	add_options(b, c);
}

static void add_program(struct buf *b)
{
	buf_addf(b, "Usage: %s [options] COMMAND [options] [TARGET]\n\n", command_program());
	add_wrapped(b,
		    "Heap dumps and other diagnostics of JVMs in containers, with nothing "
		    "installed in the pod, on the node or in the cluster.",
		    0);
	buf_adds(b, "\nCommands:\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			buf_addf(b, "  %-12s %s\n", (*c)->name, (*c)->summary);
	buf_adds(b,
		 "\nTARGET is a pod (NAME or pod/NAME), node/NAME or ssh://[USER@]HOST[:PORT].\n");
	add_options(b, NULL);
	buf_addf(b, "\n'%s help COMMAND' shows the options of a command.\n", command_program());
}

char *command_help(const struct command *c)
{
	struct buf b = BUF_INIT(MAX_HELP_TEXT);

	if (c)
		add_command(&b, c);
	else
		add_program(&b);
	return b.data;
}
