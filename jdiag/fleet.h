/*
 * Several targets side by side. Each node gets a worker (for light work several: selection_spread),
 * a process of its own with one SSH connection and one helper, which works on its targets one after
 * the other. So nothing is shared that could not be: a node that hangs, lies or makes a worker
 * crash is a matter of its own targets, and of its own time-outs.
 *
 * Two windows: at most --connections workers (32) live at the same time; of those that are
 * connected at most --jobs (8) work, the others wait and keep their connection alive. Until the
 * first login has succeeded, for two seconds at most, no more than FLEET_REFUSALS nodes are tried;
 * after so many logins that were refused no node is connected to any more: accounts are locked for
 * less.
 *
 * A worker writes its result to stdout as the command does for one target; the parent gets it as a
 * record (fleet_record.h) and prints it whole, as it comes. What a worker says on stderr comes in
 * lines and is told with its target. A failure is told at the end, once for all targets that it is
 * the same for; with -o json at once, as an object {"kind":"Failure","target","namespace","pod",
 * "node","code","reason","message","hint"}.
 *
 * SIGINT and --timeout reach the workers, each cleans up as it does alone; a second signal ends all
 * at once. When the parent dies, they get SIGTERM.
 */
#ifndef JDIAG_FLEET_H
#define JDIAG_FLEET_H

#include <stddef.h>

#include "jdiag/select.h"
#include "remote/base/error.h"

struct options;
struct session;

#define FLEET_CONNECTIONS 32
#define FLEET_JOBS 8
#define FLEET_REFUSALS 3
#define FLEET_RAMP_MS 2000

struct fleet_command {
	/* In the worker, connected: the work on one target. s->o are the options to obey. After a
	 * failure the connection is given up, and made anew for the next target. */
	int (*work)(void *ctx, struct session *s, const struct selected *t, struct error *err);
	/* In the parent: what the target had on stdout. NULL: it goes to stdout as it is. */
	void (*result)(void *ctx, const struct selected *t, const char *text, size_t len);
	/* The same of a target that fails, if anything: before its failure is told. NULL: nobody
	 * wants it. */
	void (*part)(void *ctx, const struct selected *t, const char *text, size_t len);
};

/* s is taken apart no further, but its connection to the API is given up. 0 when all are done; else
 * -1: the code is that of the failures if all have the same, or ERR_FAILED; the message counts. */
int fleet_run(const struct fleet_command *c, void *ctx, const struct options *o,
	      const struct selection *s, struct error *err) must_check;

/* The only target of a selection, which was worked on without a fleet, has failed: told as of one
 * of many. Its label is put before the message. -1 */
int fleet_fail_only(const struct options *o, const struct selection *s, struct error *err);

#endif
