#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/gcs/internal.h"
#include "jdiag/interrupt.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

#define COMMAND_TIMEOUT_MS 60000
#define LINGER_MS 5000
#define SLICE_MS 200

extern char **environ;

/* A child in a group of its own, so that what it starts can be ended with it; standard input is
 * empty, standard error is the user's. */
static int start(const char *command, int out, pid_t *ret_pid)
{
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	/* we ignore SIGPIPE, and an ignored signal stays so across exec */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &set);
	r = posix_spawn(ret_pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Until the end of its output; 0 or -1. */
static int collect(const struct google_token *t, int fd, struct buf *out, struct error *err)
{
	uint64_t deadline = now_ms() + COMMAND_TIMEOUT_MS;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char chunk[4096];
		ssize_t n;

		if (interrupt_check(err) < 0 || (t->tick && t->tick(t->tick_ctx, err) < 0))
			return -1;
		if (now_ms() >= deadline)
			return error_set(err, t->code, "token command gave no answer in %d s",
					 COMMAND_TIMEOUT_MS / 1000);
		if (poll(&p, 1, SLICE_MS) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, t->code, errno, "cannot read from token command");
		if (n == 0)
			return 0;
		buf_add(out, chunk, (size_t)n);
		secret_wipe(chunk, (size_t)n);
		if (out->overflow)
			return error_set(err, t->code, "token command printed more than a token");
	}
}

/* What closed its output has said all; it has a moment to end by itself. */
static int reap(pid_t pid)
{
	uint64_t deadline = now_ms() + LINGER_MS;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() >= deadline)
			kill(-pid, SIGKILL);
		poll(NULL, 0, 10);
	}
	return status;
}

static int check_end(const struct google_token *t, int status, struct error *err)
{
	if (WIFSIGNALED(status))
		error_set(err, t->code, "token command was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		error_set(err, t->code, "token command failed with status %d", WEXITSTATUS(status));
	else
		return 0;
	return error_hint(err, "run the command of --token-command by hand: it has to print one "
			       "access token");
}

int gcs_run_token_command(const struct google_token *t, struct secret *ret, struct error *err)
{
	auto_buf struct buf out = BUF_INIT(64 * KiB);
	auto_fd int reader = -1;
	int fds[2], r, status;
	pid_t pid;

	/* all memory at once: growing would leave copies that nobody wipes */
	if (!buf_reserve(&out, out.max))
		die_oom();
	buf_reset(&out);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot run the token command");
	reader = fds[0];
	r = start(t->cred.source, fds[1], &pid);
	close(fds[1]);
	if (r)
		return error_sys(err, ERR_FAILED, r, "cannot run the token command");
	r = collect(t, reader, &out, err);
	if (r < 0)
		kill(-pid, SIGKILL);
	status = reap(pid);
	if (r == 0)
		r = check_end(t, status, err);
	if (r == 0) {
		const char *from = buf_str(&out) + strspn(buf_str(&out), " \t\r\n");

		secret_set(ret, from, strcspn(from, " \t\r\n"));
	}
	secret_wipe(out.data, out.cap);
	return r;
}
