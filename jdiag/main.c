/* jdiag: see README.md. The exit status is enum err_code (remote/base/error.h). */
#include <signal.h>
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
	int rc;

	(void)argc;
	/* Ignored, as who started us may have left it, it would let the kernel reap a child, and
	 * how that ended would be lost. */
	if (io_secure_stdio() < 0 || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return ERR_FAILED;
	secret_protect_process();
	umask(077);
	interrupt_install();
	rc = command_run(argv, &o, &err);
	/* after a failure that is the one to be told */
	if (output_finish(rc < 0 ? NULL : &err) < 0)
		rc = -1;
	if (rc == 0)
		return ERR_NONE;
	if (o.progress == PROGRESS_JSON)
		progress_exit_error(&err);
	else
		output_error(&err);
	return (int)err.code;
}
