#include "jdiag/ssh/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define SLICE_MS 200  /* how often the interrupt flag is asked */
#define GRACE_MS 500  /* between SIGTERM and SIGKILL */
#define LINGER_MS 500 /* for output that something it started still holds open */
#define CHUNK 4096
#define PIPE_BYTES 65536 /* what a pipe holds */

extern char **environ;

static void add_descriptors(posix_spawn_file_actions_t *actions, const int fds[3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] < 0)
			posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
		else
			posix_spawn_file_actions_adddup2(actions, fds[i], i);
	}
	posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

char *child_find(const char *name)
{
	const char *at = getenv("PATH");

	for (size_t n; at && *at; at += n + (at[n] == ':')) {
		auto_free char *path = NULL;
		struct stat st;

		n = strcspn(at, ":");
		if (*at != '/')
			continue; /* what lies in the current directory is not the system's */
		path = xasprintf("%.*s/%s", (int)n, at, name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			return STEAL(path);
	}
	return NULL;
}

int child_start(struct child *ret, const char *const *argv, const int fds[3])
{
	auto_free char *program = strchr(argv[0], '/') ? xstrdup(argv[0]) : child_find(argv[0]);
	char **mutable = (char **)(uintptr_t)argv; /* posix_spawn does not write to it */
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	int rc;

	*ret = (struct child){0};
	if (!program)
		return -ENOENT;
	posix_spawn_file_actions_init(&actions);
	add_descriptors(&actions, fds);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSIGMASK);
	/* an ignored signal stays so across exec: we ignore SIGPIPE, nohup SIGHUP */
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGHUP);
	posix_spawnattr_setsigdefault(&attr, &set);
	rc = posix_spawn(&ret->pid, program, &actions, &attr, mutable, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		ret->pid = 0;
	return -rc;
}

/* It stays unreaped, so that its number, which is that of its group, cannot become somebody else's
 * before child_end. */
bool child_ended(struct child *c)
{
	siginfo_t info = {.si_pid = 0};

	if (c->ended || !c->pid)
		return true;
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return false;
	c->ended = true;
	c->status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
					       : W_EXITCODE(0, info.si_status);
	return true;
}

void child_end(struct child *c)
{
	uint64_t deadline = now_ms() + GRACE_MS;

	if (!c->pid)
		return;
	kill(-c->pid, SIGTERM);
	while (!child_ended(c) && now_ms() < deadline)
		poll(NULL, 0, 10);
	kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, c->ended ? NULL : &c->status, 0) < 0 && errno == EINTR)
		;
	c->ended = true;
	c->pid = 0;
}

char *child_status_text(const struct child *c, char dst[24])
{
	bool signalled = WIFSIGNALED(c->status);

	snprintf(dst, 24, "%s %d", signalled ? "signal" : "status",
		 signalled ? WTERMSIG(c->status) : WEXITSTATUS(c->status));
	return dst;
}

/* Read what is there; false at the end. */
static bool read_some(int fd, struct buf *b)
{
	char chunk[CHUNK];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n > 0)
		buf_add(b, chunk, (size_t)n);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Both pipes to their ends. What does not fit of stderr is read and dropped. */
static int read_all(struct child *c, const char *name, int out_fd, int err_fd, uint64_t timeout_ms,
		    struct buf *out, struct buf *errors, struct error *err)
{
	struct pollfd p[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
	uint64_t deadline = now_ms() + timeout_ms, ended_at = 0;
	unsigned int last = PIPE_BYTES / CHUNK; /* what it wrote itself is read, however late */

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		bool late;

		if (interrupt_check(err) < 0)
			return -1;
		if (now_ms() >= deadline)
			return error_set(err, ERR_SSH, "'%s' did not end within %llu s", name,
					 (unsigned long long)timeout_ms / 1000);
		if (!ended_at && child_ended(c))
			ended_at = now_ms();
		late = ended_at && now_ms() - ended_at > LINGER_MS;
		if (late && last-- == 0)
			break;
		if (poll(p, 2, late ? 0 : ended_at ? 20 : SLICE_MS) <= 0) {
			if (late)
				break;
			continue;
		}
		if (p[0].revents && !read_some(out_fd, out))
			p[0].fd = -1;
		if (p[1].revents && !read_some(err_fd, errors))
			p[1].fd = -1;
		if (out->overflow)
			return error_set(err, ERR_SSH, "'%s' writes more than %zu bytes", name,
					 out->max);
	}
	while (!child_ended(c) && now_ms() < deadline && !interrupted())
		poll(NULL, 0, 5);
	if (!c->ended)
		return interrupted() ? interrupt_check(err)
				     : error_set(err, ERR_SSH, "'%s' does not end", name);
	return 0;
}

static int pipe_of(int ret[2])
{
	return pipe2(ret, O_CLOEXEC) < 0 ? -errno : 0;
}

int child_run(struct child *ret, const char *const *argv, uint64_t timeout_ms, struct buf *out,
	      struct buf *errors, struct error *err)
{
	auto_fd int out_r = -1, out_w = -1, err_r = -1, err_w = -1;
	int out_pipe[2], err_pipe[2], rc;

	rc = pipe_of(out_pipe);
	if (rc == 0) {
		out_r = out_pipe[0];
		out_w = out_pipe[1];
		rc = pipe_of(err_pipe);
	}
	if (rc == 0) {
		err_r = err_pipe[0];
		err_w = err_pipe[1];
		rc = child_start(ret, argv, (const int[3]){-1, out_w, err_w});
	}
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot run '%s'", argv[0]);
	fd_close(&out_w);
	fd_close(&err_w);
	rc = read_all(ret, argv[0], out_r, err_r, timeout_ms, out, errors, err);
	child_end(ret);
	return rc;
}
