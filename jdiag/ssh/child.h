/*
 * A child process of the transport: the ssh client that is asked for its configuration, a
 * ProxyCommand. It has descriptors 0 to 2 only, default signals, no terminal (a session of its own,
 * so that whatever it starts can be ended with it; who would ask a person fails at once instead)
 * and our environment: an ssh_config may name any variable.
 */
#ifndef JDIAG_SSH_CHILD_H
#define JDIAG_SSH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct child {
	pid_t pid; /* and its group; ours until child_end reaps it. 0: none */
	bool ended;
	int status; /* as of waitpid, when it has ended */
};

/* That program in PATH; free with free(). What lies in a relative directory is not taken. NULL:
 * there is none. */
char *child_find(const char *name) must_check;

/* Start argv[0], without '/' that of child_find, with these descriptors as 0, 1 and 2 (they stay
 * the caller's; -1: /dev/null). 0 or -errno; -ENOENT: there is no such program. */
int child_start(struct child *ret, const char *const *argv, const int fds[3]) must_check;

/* Whether it has ended; never waits. */
bool child_ended(struct child *c);

/* End it and what it has started: SIGTERM, half a second later SIGKILL; reaped. */
void child_end(struct child *c);

/* "status 3", "signal 9" of one that has ended. */
char *child_status_text(const struct child *c, char dst[24]);

/*
 * Run it to its end with an empty stdin. Its output goes into out, to out's maximum, what it says
 * on stderr into errors, the rest of that is dropped. 0 when it ended by itself (*ret has the
 * status); -1: err->sys is ENOENT where there is no such program; too slow, too much; ERR_SSH;
 * ERR_INTERRUPTED.
 */
int child_run(struct child *ret, const char *const *argv, uint64_t timeout_ms, struct buf *out,
	      struct buf *errors, struct error *err) must_check;

#endif
