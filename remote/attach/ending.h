/*
 * How a process has ended that is not our child: its exit status, for the words of an error. Asked
 * of its pidfd, which knows it from kernel 6.15 on, once it was reaped; before, it stays unknown.
 *
 * (The events of the process connector would tell on older kernels. But none of them, nor a newer
 * one, forgets a listener that is killed: it stays counted until the node starts again, and each
 * fork and each end of a process on the node makes an event for nobody.)
 */
#ifndef REMOTE_ATTACH_ENDING_H
#define REMOTE_ATTACH_ENDING_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/procref.h"

/* Does the kernel say by now how it has ended? *ret: as of waitpid. */
bool ending_status(const struct procref *ref, int *ret);

/* "exit status 1", "killed by SIGKILL"; dst is returned. */
const char *ending_text(int status, char *dst, size_t size);

#endif
