#include <stdio.h>
#include <string.h>

#include "jdiag/command.h"
#include "jdiag/completion.h"
#include "remote/base/limits.h"

static const struct {
	const char *name;
	void (*print)(struct buf *b);
} shells[] = {
	{"bash", completion_bash},
	{"zsh", completion_zsh},
	{"fish", completion_fish},
	{"kubectl", completion_kubectl},
};

static int run(const struct options *o, char *const *argv, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_HELP_TEXT);

	(void)o;
	for (size_t i = 0; argv[0] && !argv[1] && i < ARRAY_SIZE(shells); i++)
		if (strcmp(argv[0], shells[i].name) == 0) {
			shells[i].print(&b);
			fputs(buf_str(&b), stdout);
			return 0;
		}
	if (argv[0] && !argv[1])
		error_set(err, ERR_USAGE, "no completion for '%s'", argv[0]);
	else
		error_set(err, ERR_USAGE, "'completion' needs one shell");
	return error_hint(err, "valid: bash, zsh, fish, kubectl");
}

const struct command cmd_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish|kubectl",
	.summary = "print the completion script for a shell",
	.examples = "$ source <(jdiag completion bash)\n"
		    "$ jdiag completion fish > ~/.config/fish/completions/jdiag.fish\n",
	.flags = CMD_ARGS,
	.run = run,
};
