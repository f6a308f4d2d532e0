/*
 * Ctrl-C and friends. One flag, set by SIGINT, SIGTERM and SIGHUP; each loop that waits asks it at
 * least every 200 ms or when poll returns EINTR. A second signal of the kind ends the process at
 * once. SIGHUP stays ignored under nohup. The deadline of --timeout works the same way, so that it
 * cleans up like a Ctrl-C.
 */
#ifndef JDIAG_INTERRUPT_H
#define JDIAG_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

void interrupt_install(void);

/* From now on the process counts as interrupted when so many milliseconds have passed; 0: no
 * deadline. */
void interrupt_set_deadline(uint64_t ms);

bool interrupted(void);

/* 0, or -1 with ERR_INTERRUPTED when a signal has come or the deadline has passed. Cleaning up
 * after it must not call this. */
int interrupt_check(struct error *err) must_check;

/* True once after each SIGUSR1: print the progress now. */
bool progress_requested(void);

#endif
