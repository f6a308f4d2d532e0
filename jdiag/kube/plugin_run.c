#include "jdiag/kube/plugin_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define CHUNK 65536
#define LOOK_MS 200    /* how often the interrupt flag is asked */
#define GRACE_MS 2000  /* between SIGTERM and SIGKILL */
#define LINGER_MS 500  /* for output that a child of the plugin still holds open */
#define CHILD_STATUS 3 /* where the child reports why it could not start */

struct child {
	pid_t pid; /* 0: reaped */
	int out;
	int wait_status;
};

/* Only async-signal-safe calls from here to exec. */
static _Noreturn void in_child(const struct plugin_run *r, int out, int status)
{
	int null = r->interactive ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
	int reason;

	/* out and status are above 2: io_secure_stdio made those valid */
	if ((!r->interactive && dup2(null, 0) < 0) || dup2(out, 1) < 0)
		goto fail;
	if (status != CHILD_STATUS) {
		if (dup3(status, CHILD_STATUS, O_CLOEXEC) < 0)
			goto fail;
		status = CHILD_STATUS;
	}
	close_range(CHILD_STATUS + 1, ~0u, 0);
	/* an ignored signal stays ignored over exec */
	signal(SIGPIPE, SIG_DFL);
	execvpe(r->command, r->argv, r->envp);
fail:
	reason = errno;
	if (write(status, &reason, sizeof(reason)) < 0)
		_exit(126);
	_exit(127);
}

static int start(const struct plugin_run *r, struct child *ret, struct error *err)
{
	int out[2], status[2], reason = 0;
	auto_fd int out_r = -1, out_w = -1, status_r = -1, status_w = -1;

	if (pipe2(out, O_CLOEXEC) < 0)
		return error_sys(err, ERR_API, errno, "cannot make a pipe");
	out_r = out[0];
	out_w = out[1];
	if (pipe2(status, O_CLOEXEC) < 0)
		return error_sys(err, ERR_API, errno, "cannot make a pipe");
	status_r = status[0];
	status_w = status[1];
	ret->pid = fork();
	if (ret->pid < 0)
		return error_sys(err, ERR_API, errno, "cannot fork");
	if (ret->pid == 0)
		in_child(r, out_w, status_w);
	fd_close(&out_w);
	fd_close(&status_w);
	/* the end of this pipe is a successful exec */
	if (io_read_full(status_r, &reason, sizeof(reason)) == 0) {
		waitpid(ret->pid, NULL, 0);
		ret->pid = 0;
		return error_sys(err, ERR_API, reason, "cannot run '%s'", r->command);
	}
	ret->out = STEAL_FD(out_r);
	return 0;
}

static bool reap(struct child *c)
{
	if (c->pid && waitpid(c->pid, &c->wait_status, WNOHANG) == c->pid)
		c->pid = 0;
	return c->pid == 0;
}

static void end_child(struct child *c)
{
	uint64_t deadline = now_ms() + GRACE_MS;

	if (reap(c))
		return;
	kill(c->pid, SIGTERM);
	while (!reap(c) && now_ms() < deadline)
		poll(NULL, 0, 20);
	if (c->pid) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, &c->wait_status, 0);
		c->pid = 0;
	}
}

static void child_cleanup(struct child *c)
{
	end_child(c);
	fd_close(&c->out);
}

/* 1 went on, 0 end of output, -1. */
static int read_some(struct child *c, const char *command, struct buf *out, struct error *err)
{
	char chunk[CHUNK];
	ssize_t n;
	int ready = io_wait(c->out, POLLIN, now_ms() + LOOK_MS);

	if (interrupt_check(err) != 0)
		return -1;
	if (ready <= 0)
		return 1;
	n = read(c->out, chunk, sizeof(chunk));
	if (n < 0)
		return errno == EINTR
			       ? 1
			       : error_sys(err, ERR_API, errno, "cannot read from '%s'", command);
	buf_add(out, chunk, (size_t)n);
	if (out->overflow)
		return error_set(err, ERR_API, "'%s' writes more than %zu bytes", command,
				 out->max);
	return n > 0;
}

/* Until the end of its output; a process that it left behind may keep that open after it ended. */
static int read_all(struct child *c, const struct plugin_run *r, struct buf *out, struct error *err)
{
	uint64_t deadline = now_ms() + r->timeout_ms, ended_at = 0;
	char text[16];
	int rc;

	do {
		rc = read_some(c, r->command, out, err);
		if (rc <= 0)
			return rc;
		if (!ended_at && reap(c))
			ended_at = now_ms();
		if (ended_at && now_ms() - ended_at > LINGER_MS)
			return 0;
	} while (now_ms() < deadline);
	return error_set(err, ERR_API, "'%s' did not end within %s", r->command,
			 str_format_ms(text, r->timeout_ms));
}

/* Its output has ended; so will it. */
static int wait_end(struct child *c, const struct plugin_run *r, struct error *err)
{
	uint64_t deadline = now_ms() + r->timeout_ms;
	char text[16];

	while (!reap(c)) {
		if (interrupt_check(err) != 0)
			return -1;
		if (now_ms() >= deadline)
			return error_set(err, ERR_API, "'%s' did not end within %s", r->command,
					 str_format_ms(text, r->timeout_ms));
		poll(NULL, 0, 5);
	}
	if (WIFSIGNALED(c->wait_status))
		return error_set(err, ERR_API, "'%s' was ended by signal %d", r->command,
				 WTERMSIG(c->wait_status));
	if (WEXITSTATUS(c->wait_status) != 0)
		return error_set(err, ERR_API, "'%s' ended with status %d", r->command,
				 WEXITSTATUS(c->wait_status));
	return 0;
}

int plugin_run(const struct plugin_run *r, struct buf *out, struct error *err)
{
	auto_cleanup(child_cleanup) struct child c = {.out = -1};

	if (start(r, &c, err) != 0 || read_all(&c, r, out, err) != 0)
		return -1;
	return wait_end(&c, r, err);
}
