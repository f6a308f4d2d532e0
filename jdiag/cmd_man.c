#include <stdio.h>

#include "jdiag/command.h"
#include "jdiag/manual.h"
#include "remote/base/limits.h"

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_HELP_TEXT);
	const struct command *c = NULL;

	(void)o;
	if (argv[0] && argv[1])
		return error_set(err, ERR_USAGE, "'man' takes one COMMAND, not also '%s'", argv[1]);
	if (argv[0] && !(c = command_find(argv[0])))
		return error_set(err, ERR_USAGE, "no manual page for '%s'", argv[0]);
	manual_page(&b, c);
	fputs(buf_str(&b), stdout);
	return 0;
}

const struct command cmd_man = {
	.name = "man",
	.arguments = "[COMMAND]",
	.summary = "print a manual page as roff",
	.examples = "$ jdiag man heapdump | man -l -\n",
	.flags = CMD_ARGS,
	.run = run,
};
