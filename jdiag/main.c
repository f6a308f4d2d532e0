/* jdiag: see README.md. The exit status is enum err_code (remote/base/error.h). */
#include <stdio.h>
#include <sys/stat.h>

#include "jdiag/command.h"
#include "jdiag/interrupt.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "jdiag/secret.h"
#include "remote/base/io.h"

int main(int argc, char **argv)
{
	struct options o = {0};
	struct error err = {0};

	(void)argc;
	if (io_secure_stdio() < 0)
		return ERR_FAILED;
	secret_protect_process();
	umask(077);
	interrupt_install();
	/* what a command printed before it failed is still to be seen, but one error is enough */
	if (command_run(argv, &o, &err) < 0) {
		if (output_finish(NULL) < 0 && o.progress != PROGRESS_JSON)
			fputs("jdiag: the result could not be written either\n", stderr);
	} else if (output_finish(&err) == 0) {
		return ERR_NONE;
	}
	if (o.progress == PROGRESS_JSON)
		progress_exit_error(&err);
	else
		output_error(&err);
	return (int)err.code;
}
