#include <jansson.h>

#include "jdiag/command.h"
#include "jdiag/json.h"
#include "jdiag/output.h"

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_json json_t *version = NULL;

	(void)argv;
	(void)err;
	if (o->output != OUTPUT_JSON) {
		output_line("jdiag " JDIAG_VERSION);
		return 0;
	}
	version = json_pack("{s:s}", "version", JDIAG_VERSION);
	output_json("Version", version);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version",
	.flags = CMD_NO_TARGET,
	.run = run,
};
