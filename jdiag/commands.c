#include "jdiag/command.h"

#include <string.h>

const struct command *const commands[] = {
	&cmd_heapdump, &cmd_resume,	&cmd_spool,  &cmd_check,   &cmd_redact, &cmd_top,
	&cmd_ps,       &cmd_nodes,	&cmd_doctor, &cmd_tidy,	   &cmd_agent,	&cmd_exporter,
	&cmd_targets,  &cmd_completion, &cmd_man,    &cmd_version, &cmd_help,	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}
