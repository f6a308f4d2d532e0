/*
 * Ctrl-C and friends. One flag, set by SIGINT, SIGTERM and SIGHUP; each loop that waits asks it at
 * least every 200 ms or when poll returns EINTR. A second signal of the kind ends the process at
 * once.
 */
#ifndef JDIAG_INTERRUPT_H
#define JDIAG_INTERRUPT_H

#include <stdbool.h>

#include "remote/base/error.h"

void interrupt_install(void);

bool interrupted(void);

/* 0, or -1 with ERR_INTERRUPTED when a signal has come. Cleaning up after it must not call this. */
int interrupt_check(struct error *err) must_check;

/* True once after each SIGUSR1: print the progress now. */
bool progress_requested(void);

#endif
