/* Run a program, never a shell of our own making, whose stdout is the answer: credential plugins,
 * token commands. */
#ifndef JDIAG_PROCESS_H
#define JDIAG_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct process_run {
	const char *what;		 /* the subject of errors: "token command" */
	const char *program;		 /* with '/': that file; else looked up in PATH */
	char *const *argv, *const *envp; /* NULL-terminated */
	bool interactive;		 /* stdin is ours; else /dev/null */
	bool quiet;			 /* stderr is /dev/null; else ours */
	bool group; /* a process group of its own, ended as a whole: not for what asks a terminal */
	uint64_t timeout_ms;
	enum err_code code;			   /* of errors */
	int (*tick)(void *ctx, struct error *err); /* called while waiting; or NULL */
	void *tick_ctx;
};

/*
 * Its stdout into out, in place of what was there, up to out's maximum; that memory is taken at
 * once, so that growing leaves no copies of a secret about: wipe out->cap bytes. The program gets
 * descriptors 0 to 2 only and default signals. When it is interrupted, too slow or says too much it
 * is ended. 0 when it ended with status 0; else -1, and err->sys = the reason when it could not be
 * started.
 */
int process_run(const struct process_run *r, struct buf *out, struct error *err) must_check;

#endif
