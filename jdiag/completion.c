#include "jdiag/completion.h"

#include <string.h>

bool completion_is_file(const struct option_spec *s)
{
	return s->argument &&
	       (strncmp(s->argument, "FILE", 4) == 0 || strcmp(s->argument, "DEST") == 0);
}

void completion_add_commands(struct buf *b)
{
	const char *between = "";

	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		buf_addf(b, "%s%s", between, (*c)->name);
		between = " ";
	}
}

void completion_add_file_commands(struct buf *b, const char *between)
{
	const char *before = "";

	for (const struct command *const *c = commands; *c; c++) {
		if (!((*c)->flags & CMD_FILES))
			continue;
		buf_addf(b, "%s%s", before, (*c)->name);
		before = between;
	}
}

void completion_add_valued(struct buf *b, const char *between)
{
	const char *before = "";

	for (const struct option_spec *s = option_table; s->name; s++) {
		if (!s->argument)
			continue;
		buf_addf(b, "%s--%s", before, s->name);
		if (s->letter)
			buf_addf(b, "%s-%c", between, s->letter);
		before = between;
	}
}

void completion_add_escaped(struct buf *b, const char *text, const char *special)
{
	for (; *text; text++)
		buf_addf(b, "%s%c", strchr(special, *text) ? "\\" : "", *text);
}
