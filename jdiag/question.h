/* A question to the person at the terminal, on stderr and stdin. */
#ifndef JDIAG_QUESTION_H
#define JDIAG_QUESTION_H

#include <stdbool.h>

#include "remote/base/error.h"

/* Is there somebody to ask? A terminal on both, and no CI runner. */
bool question_possible(void);

/*
 * Print text and wait for an answer, as long as it takes: 1 for a line that begins with y or Y, 0
 * for any other and at the end of the input, -1 when a signal came or tick said so. tick (or NULL)
 * is called every 200 ms: what must stay alive until somebody has come back to the terminal.
 */
int question_ask(const char *text, int (*tick)(void *ctx, struct error *err), void *ctx,
		 struct error *err) must_check;

#endif
