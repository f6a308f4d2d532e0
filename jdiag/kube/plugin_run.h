/* Run a credential plugin: a program, never a shell, whose stdout is the answer. */
#ifndef JDIAG_KUBE_PLUGIN_RUN_H
#define JDIAG_KUBE_PLUGIN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct plugin_run {
	const char *command;		 /* with '/': that file; else looked up in PATH */
	char *const *argv, *const *envp; /* NULL-terminated */
	bool interactive;		 /* stdin is ours; else /dev/null */
	uint64_t timeout_ms;
};

/*
 * Its stdout into out, up to out's maximum; stderr is ours. It gets descriptors 0 to 2 only and
 * default signals. When it is interrupted, too slow or says too much it is ended. 0 when it ended
 * with status 0; else -1 with ERR_API, and err->sys = the reason when it could not be started.
 */
int plugin_run(const struct plugin_run *r, struct buf *out, struct error *err) must_check;

#endif
