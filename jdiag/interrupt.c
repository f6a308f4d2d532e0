#include "jdiag/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t deadline_passed;
static volatile sig_atomic_t wants_progress;

static void on_stop(int sig)
{
	(void)sig;
	if (stop_signals) {
		struct termios t;

		/* a progress line may stand there */
		if (tcgetattr(STDERR_FILENO, &t) == 0 &&
		    write(STDERR_FILENO, CLEAR_LINE, strlen(CLEAR_LINE)) < 0)
			_exit(ERR_INTERRUPTED);
		_exit(ERR_INTERRUPTED);
	}
	stop_signals = 1;
}

static void on_alarm(int sig)
{
	(void)sig;
	deadline_passed = 1;
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
	const struct sigaction alarm_action = {.sa_handler = on_alarm};
	const struct sigaction usr1 = {.sa_handler = on_usr1};
	struct sigaction before;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	/* nohup means it */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGALRM, &alarm_action, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
}

void interrupt_set_deadline(uint64_t ms)
{
	const struct itimerval when = {
		.it_value = {.tv_sec = (time_t)(ms / 1000),
			     .tv_usec = (suseconds_t)(ms % 1000 * 1000)},
	};

	deadline_passed = 0;
	setitimer(ITIMER_REAL, &when, NULL);
}

bool interrupted(void)
{
	return stop_signals || deadline_passed;
}

int interrupt_check(struct error *err)
{
	if (stop_signals)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (!deadline_passed)
		return 0;
	error_set(err, ERR_INTERRUPTED, "timed out: the time given by --timeout has passed");
	return error_hint(err, "give it more time, or see with -v=2 which step takes so long");
}

bool progress_requested(void)
{
	bool wanted = wants_progress;

	wants_progress = 0;
	return wanted;
}
