/* What the files of the capture process share (process.h). */
#ifndef REMOTE_CAPTURE_INSIDE_H
#define REMOTE_CAPTURE_INSIDE_H

#include "remote/attach/hotspot.h"
#include "remote/budget.h"
#include "remote/capture/capture.h"
#include "remote/capture/guard.h"
#include "remote/capture/oom.h"
#include "remote/capture/process.h"
#include "remote/drain/drain.h"
#include "remote/spool/spool.h"

struct process {
	const struct capture_request *request; /* borrowed */
	struct procfs proc;
	int signals;  /* signalfd: SIGTERM */
	int lifeline; /* -1: none */
	struct budget budget;
	struct nodedir node;
	struct capture capture;
	struct oom_watch oom;

	struct hotspot attach;
	struct buf question;
	struct guard guard;
	struct drain drain;
	bool draining;	   /* the drain runs */
	bool asked;	   /* the JVM was asked for the dump */
	uint64_t asked_at; /* now_ms() */
	uint64_t deadline; /* now_ms() when the JVM is given up; 0: none */
	uint64_t look_at;  /* when it is looked whether it has begun */

	struct spool_state state;
	uint64_t saved_at, saved_mark; /* of the last save */
};

/* ---- setup.c ---- */

/* Lock the JVM, make the directory, save the first state. params: of `begin`. */
int process_set_up(struct process *p, const struct jsonr *params, struct error *err) must_check;

/* ERR_REFUSED when there are too many captures on this node, with one's own, whose state is saved:
 * of some that begin at the same time too many may give up, but never too few. */
int process_check_crowd(struct error *err) must_check;

/* ---- follow.c ---- */

/* Go on until it is met: 1 met, 0 not yet, -1 failed. -1 also when the capture is to stop or the
 * deadline has passed. The state is kept up to date meanwhile. */
typedef int condition(struct process *p, struct error *err);
int process_await(struct process *p, condition *met, struct error *err) must_check;

/* A new phase, saved at once. */
void process_phase(struct process *p, enum spool_phase phase);

/* Save the state; with what the drain counts. */
int process_save(struct process *p, struct error *err) must_check;

/* ---- dump.c ---- */

/* Attach, choose the strategy, ask the JVM, until it has answered that the dump is written. */
int process_dump(struct process *p, struct error *err) must_check;

/* ---- keeper.c ---- */

/* Until the directory is removed, or the time has passed, which removes it. SIGTERM leaves it as it
 * is. */
void process_keep(struct process *p, uint64_t seconds);

#endif
