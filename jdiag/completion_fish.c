#include "jdiag/completion.h"

/* The condition: before a command (where any option may stand that some command takes) or behind
 * one that takes it. */
static void add_option(struct buf *b, const struct option_spec *s)
{
	buf_adds(b, "complete -c jdiag -n '__jdiag_takes");
	for (const struct command *const *c = commands; *c; c++)
		if (option_taken(s, *c))
			buf_addf(b, " %s", (*c)->name);
	buf_adds(b, "'");
	if (s->letter)
		buf_addf(b, " -s %c", s->letter);
	buf_addf(b, " -l %s", s->name);
	if (completion_is_file(s))
		buf_adds(b, " -r -F");
	else if (s->argument)
		buf_adds(b, " -x");
	if (s->values)
		buf_addf(b, " -a '%s'", s->values);
	buf_adds(b, " -d '");
	completion_add_escaped(b, s->help, "'\\");
	buf_adds(b, "'\n");
}

void completion_fish(struct buf *b)
{
	buf_adds(b, "# fish completion of jdiag: jdiag completion fish | source\n"
		    "function __jdiag_verb\n"
		    "\tset -l skip 0\n"
		    "\tfor word in (commandline -opc)[2..-1]\n"
		    "\t\tif test $skip = 1\n"
		    "\t\t\tset skip 0\n"
		    "\t\t\tcontinue\n"
		    "\t\tend\n"
		    "\t\tswitch $word\n"
		    "\t\t\tcase ");
	completion_add_valued(b, " ");
	buf_adds(b, "\n"
		    "\t\t\t\tset skip 1\n"
		    "\t\t\tcase '-*'\n"
		    "\t\t\tcase '*'\n"
		    "\t\t\t\techo $word\n"
		    "\t\t\t\treturn 0\n"
		    "\t\tend\n"
		    "\tend\n"
		    "\treturn 1\n"
		    "end\n"
		    "function __jdiag_takes\n"
		    "\tset -l verb (__jdiag_verb)\n"
		    "\tor return 0\n"
		    "\tcontains -- $verb $argv\n"
		    "end\n"
		    "function __jdiag_in\n"
		    "\tset -l verb (__jdiag_verb)\n"
		    "\tand contains -- $verb $argv\n"
		    "end\n"
		    "complete -c jdiag -f\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			buf_addf(b,
				 "complete -c jdiag -n 'not __jdiag_verb >/dev/null' -a %s -d "
				 "'%s'\n",
				 (*c)->name, (*c)->summary);
	buf_adds(b, "complete -c jdiag -n '__jdiag_in help man' -a '");
	completion_add_commands(b);
	buf_adds(b, "'\n"
		    "complete -c jdiag -n '__jdiag_in completion' -a 'bash zsh fish kubectl'\n");
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->verbs)
			buf_addf(b, "complete -c jdiag -n '__jdiag_in %s' -a '%s'\n", (*c)->name,
				 (*c)->verbs);
	buf_adds(b, "complete -c jdiag -n '__jdiag_in ");
	completion_add_file_commands(b, " ");
	buf_adds(b, "' -F\n");
	for (const struct option_spec *s = option_table; s->name; s++)
		add_option(b, s);
}
