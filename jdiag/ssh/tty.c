#include "jdiag/ssh/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "remote/base/io.h"

#define MAX_SECRET 1024

bool tty_present(void)
{
	auto_fd int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd >= 0;
}

/* What would end or stop the process while the echo is off. */
static void signals_of_interest(sigset_t *set)
{
	static const int list[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
				   SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		sigaddset(set, list[i]);
}

/* A line, until a signal is pending: its length, -EINTR, -errno, -EPIPE at the end of the input. */
static int read_line(int tty, int signals, char *line, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p[2] = {{.fd = tty, .events = POLLIN},
				      {.fd = signals, .events = POLLIN}};
		ssize_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents)
			return -EINTR;
		if (!p[0].revents)
			continue;
		n = read(tty, line + len, size - len);
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		len += (size_t)n;
		if (line[len - 1] == '\n')
			return (int)len - 1;
		if (len == size)
			return -EMSGSIZE;
	}
}

/*
 * With the signals blocked and seen through a signalfd (not read from it): the terminal is restored
 * first, then the caller's unblocking delivers them, to whichever disposition they have.
 */
static int ask_with_signals_blocked(int tty, const sigset_t *set, const char *prompt, char *line,
				    size_t size)
{
	auto_fd int signals = signalfd(-1, set, SFD_CLOEXEC);
	struct termios before, silent;
	int rc;

	if (signals < 0 || tcgetattr(tty, &before) < 0)
		return -errno;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return -errno;
	rc = io_write_full(tty, prompt, strlen(prompt));
	if (rc == 0)
		rc = read_line(tty, signals, line, size);
	if (tcsetattr(tty, TCSAFLUSH, &before) < 0 && rc >= 0)
		rc = -errno;
	if (io_write_full(tty, "\n", 1) < 0 && rc >= 0) /* the one that was typed is not seen */
		rc = -EIO;
	return rc;
}

int tty_ask_secret(const char *prompt, struct secret *ret, struct error *err)
{
	auto_fd int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	char line[MAX_SECRET];
	sigset_t set, before;
	int rc;

	if (tty < 0)
		return error_set(err, ERR_SSH, "there is no terminal to ask on");
	signals_of_interest(&set);
	do {
		sigprocmask(SIG_BLOCK, &set, &before);
		rc = ask_with_signals_blocked(tty, &set, prompt, line, sizeof(line));
		sigprocmask(SIG_SETMASK, &before, NULL);
		/* stopped and continued: ask again */
	} while (rc == -EINTR && !interrupted());
	if (rc >= 0)
		secret_set(ret, line, (size_t)rc);
	secret_wipe(line, sizeof(line));
	if (rc == -EINTR)
		return interrupt_check(err);
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot read from the terminal");
	return 0;
}
