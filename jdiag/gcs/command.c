#include <string.h>

#include "jdiag/gcs/internal.h"
#include "jdiag/process.h"
#include "remote/base/limits.h"

#define COMMAND_TIMEOUT_MS 60000

extern char **environ;

int gcs_run_token_command(const struct google_token *t, struct secret *ret, struct error *err)
{
	/* the option is documented as a line for the shell */
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, t->cred.source, NULL};
	const struct process_run r = {.what = "the token command",
				      .program = "/bin/sh",
				      .argv = argv,
				      .envp = environ,
				      .group = true,
				      .timeout_ms = COMMAND_TIMEOUT_MS,
				      .code = t->code,
				      .tick = t->tick,
				      .tick_ctx = t->tick_ctx};
	auto_buf struct buf out = BUF_INIT(64 * KiB);
	int rc = process_run(&r, &out, err);

	if (rc == 0) {
		const char *from = buf_str(&out) + strspn(buf_str(&out), " \t\r\n");

		secret_set(ret, from, strcspn(from, " \t\r\n"));
	} else if (err && err->code != ERR_INTERRUPTED) {
		error_hint(err, "run the command of --token-command by hand: it has to print one "
				"access token");
	}
	secret_wipe(out.data, out.cap);
	return rc;
}
