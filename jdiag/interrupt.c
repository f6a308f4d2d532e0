#include "jdiag/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t wants_progress;

static void on_stop(int sig)
{
	(void)sig;
	if (stop_signals)
		_exit(ERR_INTERRUPTED);
	stop_signals = 1;
}

static void on_usr1(int sig)
{
	(void)sig;
	wants_progress = 1;
}

void interrupt_install(void)
{
	/* no SA_RESTART: a blocked poll returns and its loop asks the flag */
	const struct sigaction stop = {.sa_handler = on_stop};
	const struct sigaction usr1 = {.sa_handler = on_usr1};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
}

bool interrupted(void)
{
	return stop_signals;
}

int interrupt_check(struct error *err)
{
	return stop_signals ? error_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

bool progress_requested(void)
{
	bool wanted = wants_progress;

	wants_progress = 0;
	return wanted;
}
