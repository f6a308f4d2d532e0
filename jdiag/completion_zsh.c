#include "jdiag/completion.h"

/* "'(-n --namespace)'{-n,--namespace=}'[help]:NAME:'": one specification for _arguments. */
static void add_option(struct buf *b, const struct option_spec *s)
{
	const char *equals = s->argument ? "=" : "";

	buf_adds(b, "\t\t");
	if (s->kind == OPTION_LIST && !s->letter)
		buf_addf(b, "'*--%s%s", s->name, equals);
	else if (s->kind == OPTION_LIST)
		buf_addf(b, "'*'{-%c,--%s%s}'", s->letter, s->name, equals);
	else if (s->letter)
		buf_addf(b, "'(-%c --%s)'{-%c,--%s%s}'", s->letter, s->name, s->letter, s->name,
			 equals);
	else
		buf_addf(b, "'--%s%s", s->name, equals);
	buf_adds(b, "[");
	for (const char *p = s->help; *p; p++) {
		if (*p == '\'')
			buf_adds(b, "'\\''"); /* out of the quotes, one quote, in again */
		else
			completion_add_escaped(b, (char[]){*p, '\0'}, "[]:\\");
	}
	buf_adds(b, "]");
	if (s->argument)
		buf_addf(b, ":%s:", s->argument);
	if (s->values)
		buf_addf(b, "(%s)", s->values);
	else if (completion_is_file(s))
		buf_adds(b, "_files");
	buf_adds(b, "'\n");
}

static void add_options(struct buf *b, const struct command *c)
{
	for (const struct option_spec *s = option_table; s->name; s++)
		if (option_taken(s, c))
			add_option(b, s);
}

static void add_command(struct buf *b, const struct command *c)
{
	buf_addf(b, "\t%s)\n\t\toptions=(\n", c->name);
	add_options(b, c);
	buf_adds(b, "\t\t) ;;\n");
}

void completion_zsh(struct buf *b)
{
	buf_adds(b, "#compdef jdiag kubectl-jdiag\n"
		    "# zsh completion of jdiag: a file _jdiag in a directory of $fpath\n"
		    "_jdiag() {\n"
		    "\tlocal curcontext=$curcontext state line\n"
		    "\tlocal -a options verbs\n"
		    "\ttypeset -A opt_args\n"
		    "\tverbs=(\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			buf_addf(b, "\t\t'%s:%s'\n", (*c)->name, (*c)->summary);
	buf_adds(b, "\t)\n"
		    "\toptions=(\n");
	add_options(b, NULL);
	buf_adds(b, "\t)\n"
		    "\t_arguments -C -s $options '1: :->verb' '*:: :->rest' && return\n"
		    "\tcase $state in\n"
		    "\tverb) _describe -t commands command verbs; return ;;\n"
		    "\tesac\n"
		    "\tcase $words[1] in\n");
	for (const struct command *const *c = commands; *c; c++)
		add_command(b, *c);
	buf_adds(b, "\t*) return 1 ;;\n"
		    "\tesac\n"
		    "\tcase $words[1] in\n"
		    "\thelp|man) options+=('1:command:(");
	completion_add_commands(b);
	buf_adds(b, ")') ;;\n\t");
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->verbs)
			buf_addf(b, "%s) options+=('1:verb:(%s)') ;;\n\t", (*c)->name, (*c)->verbs);
	completion_add_file_commands(b, "|");
	buf_adds(b, ") options+=('*:file:_files') ;;\n"
		    "\tcompletion) options+=('1:shell:(bash zsh fish kubectl)') ;;\n"
		    "\tesac\n"
		    "\t_arguments -s $options\n"
		    "}\n"
		    "if [[ $funcstack[1] == _jdiag ]]; then\n"
		    "\t_jdiag \"$@\"\n"
		    "else\n"
		    "\tcompdef _jdiag jdiag kubectl-jdiag\n"
		    "fi\n");
}
