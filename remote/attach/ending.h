/*
 * How a process ends that is not our child: its exit status, for the words of an error. Asked of
 * the kernel in two ways: of a pidfd (6.15 and later, when it was reaped), and by the events of the
 * process connector (CONFIG_PROC_EVENTS; in the node's own namespaces, as root), which are listened
 * to beforehand. Where neither can tell, it stays unknown.
 *
 * Before 6.6 a listener that is killed stays counted until the node starts again, and the kernel
 * makes events for nobody: there none is listened to.
 */
#ifndef REMOTE_ATTACH_ENDING_H
#define REMOTE_ATTACH_ENDING_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/procref.h"

struct ending {
	const struct procref *ref; /* borrowed */
	int events;		   /* netlink socket, or -1 */
};

#define ENDING_INIT ((struct ending){.events = -1})

/* From now on; listen to events, too, if `events`. */
void ending_watch(struct ending *e, const struct procref *ref, bool events);

/* Does a kernel of that release (of uname) forget a listener that is killed? */
bool ending_can_listen(const char *release);

/* Does the kernel say by now how it has ended? *ret: as of waitpid. */
bool ending_status(const struct ending *e, int *ret);

/* "exit status 1", "killed by SIGKILL"; dst is returned. */
const char *ending_text(int status, char *dst, size_t size);

void ending_release(struct ending *e); /* ENDING_INIT is fine */

#endif
