/* Asking a person for a secret. */
#ifndef JDIAG_SSH_TTY_H
#define JDIAG_SSH_TTY_H

#include <stdbool.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

/* Whether there is a terminal to ask on. */
bool tty_present(void);

/* Show the prompt on /dev/tty (never stdin or stdout) and read a line without echo. The terminal is
 * as before on every way out, signals included. ERR_SSH without a terminal, ERR_INTERRUPTED. */
int tty_ask_secret(const char *prompt, struct secret *ret, struct error *err) must_check;

#endif
