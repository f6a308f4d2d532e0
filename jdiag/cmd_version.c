#include <jansson.h>

#include "jdiag/command.h"
#include "jdiag/helper/images.h"
#include "jdiag/json.h"
#include "jdiag/output.h"

/* The machines of nodes that this build has a helper for. */
static json_t *helpers(void)
{
	json_t *list = json_array();
	struct helper_image image;

	for (size_t n = 0; helper_image(n, &image); n++)
		json_array_append_new(list, json_string(image.machine));
	return list;
}

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_json json_t *version = NULL;

	(void)argv;
	(void)err;
	if (o->output != OUTPUT_JSON) {
		output_line("jdiag " JDIAG_VERSION);
		return 0;
	}
	version = json_pack("{s:s, s:o}", "version", JDIAG_VERSION, "helpers", helpers());
	output_json("Version", version);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version",
	.flags = CMD_NO_TARGET,
	.run = run,
};
