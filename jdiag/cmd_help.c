#include <stdio.h>

#include "jdiag/command.h"

static int run(const struct options *o, char *const *argv, struct error *err)
{
	const struct command *c = NULL;
	auto_free char *text = NULL;

	(void)o;
	if (argv[0] && argv[1])
		return error_set(err, ERR_USAGE, "'help' takes one COMMAND, not also '%s'",
				 argv[1]);
	if (argv[0] && !(c = command_find(argv[0])))
		return error_set(err, ERR_USAGE, "unknown command '%s'", argv[0]);
	text = command_help(c);
	fputs(text, stdout);
	return 0;
}

const struct command cmd_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "show how jdiag or one of its commands is used",
	.flags = CMD_ARGS,
	.run = run,
};
