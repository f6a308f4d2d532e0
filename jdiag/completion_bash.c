#include "jdiag/completion.h"

#define COMPLETE_FILES                       \
	"compopt -o filenames 2>/dev/null\n" \
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"

/* case "$prev": what follows an option that takes a value. */
static void add_values(struct buf *b)
{
	for (const struct option_spec *s = option_table; s->name; s++) {
		if (!s->values && !completion_is_file(s))
			continue;
		buf_addf(b, "\t--%s", s->name);
		if (s->letter)
			buf_addf(b, "|-%c", s->letter);
		if (s->values)
			buf_addf(b, ") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
				 s->values);
		else
			buf_adds(b, ") " COMPLETE_FILES);
	}
	buf_adds(b, "\t");
	completion_add_valued(b, "|");
	buf_adds(b, ") return ;;\n");
}

static void add_option_names(struct buf *b, const struct command *c)
{
	for (const struct option_spec *s = option_table; s->name; s++)
		if (option_taken(s, c)) {
			buf_addf(b, " --%s", s->name);
			if (s->letter)
				buf_addf(b, " -%c", s->letter);
		}
}

/* case "$verb": its options. */
static void add_options(struct buf *b)
{
	for (const struct command *const *c = commands; *c; c++) {
		buf_addf(b, "\t\t%s) words='", (*c)->name);
		add_option_names(b, *c);
		buf_adds(b, "' ;;\n");
	}
	buf_adds(b, "\t\t*) words='");
	add_option_names(b, NULL);
	buf_adds(b, "' ;;\n");
}

void completion_bash(struct buf *b)
{
	buf_adds(b, "# bash completion of jdiag: source <(jdiag completion bash)\n"
		    "_jdiag() {\n"
		    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev= verb= words= i\n"
		    "\t(( COMP_CWORD > 0 )) && prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		    "\t# bash splits --name=value at the equals sign\n"
		    "\tif [[ $cur == = ]]; then\n"
		    "\t\tcur=\n"
		    "\telif [[ $prev == = ]] && (( COMP_CWORD > 1 )); then\n"
		    "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
		    "\tfi\n"
		    "\tCOMPREPLY=()\n"
		    "\tfor (( i = 1; i < COMP_CWORD; i++ )); do\n"
		    "\t\tcase ${COMP_WORDS[i]} in\n\t\t");
	completion_add_valued(b, "|");
	buf_adds(b, ") (( ++i )); [[ ${COMP_WORDS[i]} == = ]] && (( ++i )) ;;\n"
		    "\t\t-*) ;;\n"
		    "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
		    "\t\tesac\n"
		    "\tdone\n"
		    "\tcase $prev in\n");
	add_values(b);
	buf_adds(b, "\tesac\n"
		    "\tif [[ $cur == -* ]]; then\n"
		    "\t\tcase $verb in\n");
	add_options(b);
	buf_adds(b, "\t\tesac\n"
		    "\telse\n"
		    "\t\tcase $verb in\n"
		    "\t\t''|help|man) words='");
	completion_add_commands(b);
	buf_adds(b, "' ;;\n\t\t");
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->verbs)
			buf_addf(b, "%s) words='%s' ;;\n\t\t", (*c)->name, (*c)->verbs);
	completion_add_file_commands(b, "|");
	buf_adds(b, ") " COMPLETE_FILES "\t\tcompletion) words='bash zsh fish kubectl' ;;\n"
		    "\t\tesac\n"
		    "\tfi\n"
		    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		    "}\n"
		    "complete -F _jdiag jdiag kubectl-jdiag\n");
}

void completion_kubectl(struct buf *b)
{
	buf_adds(b, "#!/bin/bash\n"
		    "# Installed as kubectl_complete-jdiag in the PATH: kubectl completes"
		    " `kubectl jdiag` with it.\n");
	completion_bash(b);
	/* the last line is a bit mask of cobra's: 4, no file names besides */
	buf_adds(b, "COMP_WORDS=(jdiag \"$@\")\n"
		    "COMP_CWORD=$#\n"
		    "_jdiag\n"
		    "(( ${#COMPREPLY[@]} )) && printf '%s\\n' \"${COMPREPLY[@]}\"\n"
		    "echo :4\n");
}
