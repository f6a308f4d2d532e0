/*
 * Commands: one record each, exported by its cmd_<verb>.c, gathered in commands.c. The record is
 * the only source of help, usage, manual synopsis and completion.
 */
#ifndef JDIAG_COMMAND_H
#define JDIAG_COMMAND_H

#include "jdiag/options.h"
#include "remote/base/error.h"

/* Preconditions that the dispatcher enforces. */
enum command_flags {
	CMD_NO_TARGET = 0,	   /* no positional arguments, unless CMD_ARGS */
	CMD_ONE_TARGET = 1 << 0,   /* exactly one positional target */
	CMD_MANY_TARGETS = 1 << 1, /* targets, or -l */
	CMD_ARGS = 1 << 2,	   /* takes what is left as it likes (help, completion) */
	CMD_HIDDEN = 1 << 3,
	CMD_FILES = 1 << 4,	/* the positional arguments are files: completions offer them */
	CMD_CLUSTER = 1 << 5,	/* no target, but the options of the cluster and of SSH */
	CMD_ALL_PODS = 1 << 6,	/* with CMD_MANY_TARGETS: -A alone means every pod */
	CMD_DISCOVERY = 1 << 7, /* takes -o file_sd and -o http_sd */
	CMD_API_ONLY = 1 << 8,	/* of each pod, and no node is connected to */
};

struct command {
	const char *name;      /* "heapdump" */
	const char *verbs;     /* "inject status eject": argv[0] is one of these; NULL: none */
	const char *arguments; /* "TARGET" as the usage line shows them, verbs and all */
	const char *summary;   /* one line, no full stop */
	/* Long names of its own options (OPTION_OWN of the table), separated by blanks:
	 * "to live all-objects container jvm pid dry-run force yes". The other groups come by the
	 * flags. NULL: none. */
	const char *options;
	const char *examples; /* lines "$ jdiag ...", or NULL */
	unsigned int flags;

	/* argv: the positional arguments (a verb first, where there are verbs), NULL-terminated. 0,
	 * or -1 with err: main prints it and exits with its code. */
	int (*run)(const struct options *o, char *const *argv, struct error *err);
};

extern const struct command cmd_agent, cmd_check, cmd_completion, cmd_doctor, cmd_exporter,
	cmd_heapdump, cmd_help, cmd_man, cmd_nodes, cmd_ps, cmd_redact, cmd_resume, cmd_spool,
	cmd_targets, cmd_tidy, cmd_top, cmd_version;

/* All commands, NULL-terminated, in the order in which help shows them (commands.c). */
extern const struct command *const commands[];

const struct command *command_find(const char *name); /* NULL when there is none */

/* Usage and option list of a command (NULL: of jdiag) as text, 80 columns wide; free with free().
 */
char *command_help(const struct command *c) must_check;

/* "[options] TARGET": what stands behind the command's name in usage lines. */
char *command_arguments(const struct command *c) must_check;

/* The program's name as the user called it: "jdiag" or "kubectl jdiag". */
const char *command_program(void);

/* Parse argv, read JDIAG_*, check the command's preconditions, set log_level and the deadline of
 * --timeout, run the command. *o stays as far as it got, for those who print the error. 0 or -1. */
int command_run(char *const *argv, struct options *o, struct error *err) must_check;

/* Bits of text that help and the manual share. */
const char *option_group_title(enum option_group group);

#endif
