#include "jdiag/manual.h"

#include <string.h>

static const struct {
	enum err_code code;
	const char *text;
} statuses[] = {
	{ERR_NONE, "done"},
	{ERR_FAILED, "failed for another reason"},
	{ERR_USAGE, "the command line or the configuration is wrong"},
	{ERR_TARGET, "the target was not found, or there is more than one"},
	{ERR_API, "the cluster API is unreachable, forbids it or does not know the credentials"},
	{ERR_SSH, "SSH: unreachable, host key, authentication"},
	{ERR_NODE, "not permitted on the node (sudo), or the helper cannot run there"},
	{ERR_ATTACH, "the JVM cannot be attached to"},
	{ERR_CAPTURE, "the capture failed or is not valid"},
	{ERR_UPLOAD,
	 "the upload failed, or the connection was lost for too long; a capture that was "
	 "taken is kept, and the message has the line that resumes it"},
	{ERR_REFUSED, "refused because it could hurt the target (--force goes on)"},
	{ERR_INTERRUPTED, "interrupted by a signal or by --timeout"},
};

static void add(struct buf *b, const char *text)
{
	manual_add_text(b, text, strlen(text));
}

static const char *prose_of(const char *name)
{
	for (const struct prose *p = manual_prose; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p->text;
	return "";
}

static void add_values(struct buf *b, const struct option_spec *s)
{
	char env[64];

	if (s->values) {
		const char *at = s->values, *word;
		size_t len;

		buf_adds(b, ".br\nValid:");
		while ((word = option_next_word(&at, &len))) {
			buf_adds(b, " ");
			manual_add_text(b, word, len);
			buf_adds(b, *at ? "," : ".\n");
		}
	}
	if (*option_env_name(s, env))
		buf_addf(b, ".br\nVariable: \\fB%s\\fR.\n", env);
}

static void add_option(struct buf *b, const struct option_spec *s)
{
	buf_adds(b, ".TP\n");
	if (s->letter)
		buf_addf(b, "\\fB\\-%c\\fR, ", s->letter);
	buf_adds(b, "\\fB\\-\\-");
	add(b, s->name);
	buf_adds(b, "\\fR");
	if (s->argument)
		buf_addf(b, " \\fI%s\\fR", s->argument);
	buf_adds(b, "\n");
	add(b, s->help);
	buf_adds(b, ".\n");
	add_values(b, s);
}

static void add_options(struct buf *b, const struct command *c)
{
	buf_adds(b, ".SH OPTIONS\n");
	for (enum option_group g = OPTION_OWN; g <= OPTION_GENERAL; g++) {
		bool titled = false;

		for (const struct option_spec *s = option_table; s->name; s++) {
			if (s->group != g || !option_taken(s, c))
				continue;
			if (!titled && g != OPTION_OWN)
				buf_addf(b, ".SS %s\n", option_group_title(g));
			titled = true;
			add_option(b, s);
		}
	}
}

static void add_examples(struct buf *b, const char *lines)
{
	buf_adds(b, ".SH EXAMPLES\n.nf\n");
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		manual_add_text(b, lines, len);
		buf_adds(b, "\n");
		lines += len + (lines[len] == '\n');
	}
	buf_adds(b, ".fi\n");
}

static void add_statuses(struct buf *b)
{
	buf_adds(b, ".SH EXIT STATUS\n");
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		buf_addf(b, ".TP\n\\fB%d\\fR\n", (int)statuses[i].code);
		add(b, statuses[i].text);
		buf_adds(b, "\n");
	}
}

static void add_head(struct buf *b, const char *page, const char *summary)
{
	buf_adds(b, ".TH \"");
	add(b, page);
	buf_adds(b, "\" 1 \"\" \"jdiag " JDIAG_VERSION "\" \"jdiag\"\n.SH NAME\n");
	add(b, page);
	buf_adds(b, " \\- ");
	add(b, summary);
	buf_adds(b, "\n.SH SYNOPSIS\n");
}

static void add_see_also(struct buf *b, const struct command *self)
{
	const char *before = "";

	buf_adds(b, ".SH SEE ALSO\n");
	if (self) {
		buf_adds(b, "\\fBjdiag\\fR(1)");
		before = ",\n";
	}
	for (const struct command *const *c = commands; *c; c++) {
		if (*c == self || ((*c)->flags & CMD_HIDDEN))
			continue;
		buf_addf(b, "%s\\fBjdiag\\-%s\\fR(1)", before, (*c)->name);
		before = ",\n";
	}
	buf_adds(b, "\n");
}

static void add_commands(struct buf *b)
{
	buf_adds(b, ".SH COMMANDS\n");
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		buf_addf(b, ".TP\n\\fB%s\\fR\n", (*c)->name);
		add(b, (*c)->summary);
		buf_addf(b, ": \\fBjdiag\\-%s\\fR(1).\n", (*c)->name);
	}
}

static void program_page(struct buf *b)
{
	const char *prose = prose_of("jdiag");

	add_head(b, "jdiag", "heap dumps and other diagnostics of JVMs in containers");
	buf_adds(b, "\\fBjdiag\\fR [\\fIoptions\\fR] \\fICOMMAND\\fR [\\fIoptions\\fR] "
		    "[\\fITARGET\\fR]\n.SH DESCRIPTION\n");
	manual_add_prose(b, prose, false);
	add_commands(b);
	add_options(b, NULL);
	manual_add_prose(b, prose, true);
	add_statuses(b);
	add_see_also(b, NULL);
}

void manual_page(struct buf *b, const struct command *c)
{
	auto_free char *page = NULL;
	const char *prose;

	if (!c) {
		program_page(b);
		return;
	}
	page = xasprintf("jdiag-%s", c->name);
	prose = prose_of(c->name);
	add_head(b, page, c->summary);
	buf_addf(b, "\\fBjdiag %s\\fR [\\fIoptions\\fR]", c->name);
	if (c->arguments) {
		buf_adds(b, " \\fI");
		add(b, c->arguments);
		buf_adds(b, "\\fR");
	}
	buf_adds(b, "\n.SH DESCRIPTION\n");
	manual_add_prose(b, prose, false);
	add_options(b, c);
	manual_add_prose(b, prose, true);
	if (c->examples)
		add_examples(b, c->examples);
	add_statuses(b);
	add_see_also(b, c);
}
