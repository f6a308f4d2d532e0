/* The JVM that a request names, held by reference and proved to be the one that was meant. */
#ifndef REMOTE_TARGET_H
#define REMOTE_TARGET_H

#include "remote/base/error.h"
#include "remote/enter.h"
#include "remote/jvm.h"
#include "remote/procfs.h"
#include "remote/procref.h"
#include "remote/wire/json.h"

struct target {
	const struct procfs *proc; /* borrowed */
	struct procref ref;
	struct jvm jvm;
	int root; /* O_PATH of its root directory */
	int lock; /* its directory in /proc, flocked, or -1 */
	int ns;	  /* its mount namespace: what we mounted there can be undone when it has ended */
};

#define TARGET_INIT ((struct target){.ref = PROCREF_INIT, .root = -1, .lock = -1, .ns = -1})

/* From "pid", "start_time" and "container" of a request. ERR_TARGET when the process has ended, is
 * another one, is no HotSpot JVM or is not in that container. */
int target_open(struct target *t, const struct procfs *proc, const struct jsonr *params,
		struct error *err) must_check;

/* The same for any process: proc, ref, root and ns only. start 0: whatever has the pid now. */
int target_hold(struct target *t, const struct procfs *proc, pid_t pid, uint64_t start,
		struct error *err) must_check;

/*
 * Exclude the other helpers of this node from attaching to it, until target_close. ERR_REFUSED when
 * one of them has it.
 */
int target_lock(struct target *t, struct error *err) must_check;

/* For a child that sees what the JVM sees, and may what it may. run, ctx and timeout_ms are
 * missing, fds can be added. It borrows from t. */
struct enter_request target_enter(const struct target *t);

/* TARGET_INIT and what is closed already is fine. jvm stays. */
void target_close(struct target *t);

#define auto_target auto_cleanup(target_close)

#endif
