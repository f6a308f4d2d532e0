#include "jdiag/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/secret.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define CHUNK 65536
#define LOOK_MS 200    /* how often the interrupt flag is asked */
#define GRACE_MS 2000  /* between SIGTERM and SIGKILL */
#define LINGER_MS 500  /* for output that a child of the program still holds open */
#define CHILD_STATUS 3 /* where the child reports why it could not start */

struct child {
	pid_t pid; /* 0: reaped */
	bool group;
	int out;
	int wait_status;
};

/* Only async-signal-safe calls from here to exec. */
static _Noreturn void in_child(const struct process_run *r, int out, int status)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int reason;

	/* out, status and null are above 2: io_secure_stdio made those valid */
	if ((!r->interactive && dup2(null, 0) < 0) || dup2(out, 1) < 0 ||
	    (r->quiet && dup2(null, 2) < 0) || (r->group && setpgid(0, 0) < 0))
		goto fail;
	if (status != CHILD_STATUS) {
		if (dup3(status, CHILD_STATUS, O_CLOEXEC) < 0)
			goto fail;
		status = CHILD_STATUS;
	}
	close_range(CHILD_STATUS + 1, ~0u, 0);
	/* an ignored signal stays ignored over exec */
	signal(SIGPIPE, SIG_DFL);
	execvpe(r->program, r->argv, r->envp);
fail:
	reason = errno;
	if (write(status, &reason, sizeof(reason)) < 0)
		_exit(126);
	_exit(127);
}

static int start(const struct process_run *r, struct child *ret, struct error *err)
{
	int out[2], status[2], reason = 0;
	auto_fd int out_r = -1, out_w = -1, status_r = -1, status_w = -1;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return error_sys(err, r->code, errno, "cannot make a pipe");
	out_r = out[0];
	out_w = out[1];
	if (pipe2(status, O_CLOEXEC) < 0)
		return error_sys(err, r->code, errno, "cannot make a pipe");
	status_r = status[0];
	status_w = status[1];
	/* -1 must never get to where it could be killed: there it is everybody */
	pid = fork();
	if (pid < 0)
		return error_sys(err, r->code, errno, "cannot fork");
	if (pid == 0)
		in_child(r, out_w, status_w);
	ret->pid = pid;
	fd_close(&out_w);
	fd_close(&status_w);
	/* the end of this pipe is a successful exec */
	if (io_read_full(status_r, &reason, sizeof(reason)) == 0) {
		waitpid(ret->pid, NULL, 0);
		ret->pid = 0;
		return error_sys(err, r->code, reason, "cannot run %s", r->what);
	}
	ret->group = r->group;
	ret->out = STEAL_FD(out_r);
	return 0;
}

/* Not reaped by this: its number, and so that of its group, stays its own. */
static bool has_ended(const struct child *c)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid;
}

/* 0 or -errno: then nobody knows how it ended. */
static int reap(struct child *c)
{
	pid_t pid;

	do
		pid = waitpid(c->pid, &c->wait_status, 0);
	while (pid < 0 && errno == EINTR);
	c->pid = 0;
	return pid < 0 ? -errno : 0;
}

/* On every way out but the good one. */
static void child_cleanup(struct child *c)
{
	uint64_t deadline = now_ms() + GRACE_MS;

	fd_close(&c->out);
	if (c->pid <= 0)
		return;
	kill(c->group ? -c->pid : c->pid, SIGTERM);
	while (!has_ended(c) && now_ms() < deadline)
		poll(NULL, 0, 20);
	kill(c->group ? -c->pid : c->pid, SIGKILL);
	(void)reap(c);
}

static int look(const struct process_run *r, struct error *err)
{
	if (interrupt_check(err) != 0)
		return -1;
	return r->tick ? r->tick(r->tick_ctx, err) : 0;
}

/* 1 went on, 0 end of output, -1. */
static int read_some(struct child *c, const struct process_run *r, struct buf *out,
		     struct error *err)
{
	char chunk[CHUNK];
	ssize_t n;
	int ready = io_wait(c->out, POLLIN, now_ms() + LOOK_MS);

	if (look(r, err) != 0)
		return -1;
	if (ready <= 0)
		return 1;
	n = read(c->out, chunk, sizeof(chunk));
	if (n < 0)
		return errno == EINTR
			       ? 1
			       : error_sys(err, r->code, errno, "cannot read from %s", r->what);
	buf_add(out, chunk, (size_t)n);
	secret_wipe(chunk, (size_t)n);
	if (out->overflow)
		return error_set(err, r->code, "%s writes more than %zu bytes", r->what, out->max);
	return n > 0;
}

static int too_slow(const struct process_run *r, struct error *err)
{
	char text[16];

	return error_set(err, r->code, "%s did not end within %s", r->what,
			 str_format_ms(text, r->timeout_ms));
}

/* Until the end of its output; a process that it left behind may keep that open after it ended. */
static int read_all(struct child *c, const struct process_run *r, uint64_t deadline,
		    struct buf *out, struct error *err)
{
	uint64_t ended_at = 0;

	do {
		int rc = read_some(c, r, out, err);

		if (rc <= 0)
			return rc;
		if (!ended_at && has_ended(c))
			ended_at = now_ms();
		if (ended_at && now_ms() - ended_at > LINGER_MS)
			return 0;
	} while (now_ms() < deadline);
	return too_slow(r, err);
}

/* Its output has ended; so will it. */
static int wait_end(struct child *c, const struct process_run *r, uint64_t deadline,
		    struct error *err)
{
	int rc;

	while (!has_ended(c)) {
		if (look(r, err) != 0)
			return -1;
		if (now_ms() >= deadline)
			return too_slow(r, err);
		poll(NULL, 0, 5);
	}
	rc = reap(c);
	if (rc < 0)
		return error_sys(err, r->code, -rc, "cannot tell how %s ended", r->what);
	if (WIFSIGNALED(c->wait_status))
		return error_set(err, r->code, "%s was ended by signal %d", r->what,
				 WTERMSIG(c->wait_status));
	if (WEXITSTATUS(c->wait_status) != 0)
		return error_set(err, r->code, "%s ended with status %d", r->what,
				 WEXITSTATUS(c->wait_status));
	return 0;
}

int process_run(const struct process_run *r, struct buf *out, struct error *err)
{
	auto_cleanup(child_cleanup) struct child c = {.out = -1};
	uint64_t deadline = now_ms() + r->timeout_ms;

	buf_reset(out);
	if (!buf_reserve(out, out->max))
		die_oom();
	if (start(r, &c, err) != 0 || read_all(&c, r, deadline, out, err) != 0)
		return -1;
	return wait_end(&c, r, deadline, err);
}
