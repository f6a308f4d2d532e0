#include "remote/capture/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/capture/inside.h"
#include "remote/enter.h"

#define FAILED_S 600 /* that the state of a failed one is kept */

/* ---- becoming a process of its own ---- */

/* SIGHUP is the end of the terminal that we have none of; whoever wants to stop it sends SIGTERM.
 */
static int take_signals(struct process *p, struct error *err)
{
	sigset_t set;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot block signals");
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		return error_sys(err, ERR_NODE, errno, "cannot open a signalfd");
	return 0;
}

/* sshd ends the channel only when nobody holds its pipes any more. */
static int detach(struct process *p, int report, struct error *err)
{
	int keep[2] = {report, p->lifeline};

	if (enter_null_stdio(err) < 0 || enter_keep_only(keep, p->lifeline < 0 ? 1 : 2, err) < 0 ||
	    take_signals(p, err) < 0)
		return -1;
	(void)prctl(PR_SET_NAME, "jdiag-capture");
	if (setsid() < 0 || chdir("/") < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot detach the capture process");
	if (procfs_open(&p->proc, NULL) < 0)
		return error_set(err, ERR_NODE, "cannot use /proc");
	return 0;
}

/* ---- the end ---- */

static void remove_all(struct process *p)
{
	struct error e = {0};

	if (nodedir_remove(&p->node, &e) < 0)
		log_at(LOG_WARN, "%s", e.msg);
}

/* What is left of it goes with the directory. */
static void remove_dump(const struct process *p)
{
	if (nodedir_remove_inside(&p->node, "dump") < 0)
		log_at(LOG_WARN, "cannot remove '%s/dump'", p->node.path);
}

static void remove_data(const struct process *p)
{
	char name[32];

	remove_dump(p);
	for (int i = 0; i < SPOOL_MAX_PARTS; i++) {
		snprintf(name, sizeof(name), "data.%d", i);
		(void)unlinkat(p->node.dir, name, 0);
		snprintf(name, sizeof(name), "raw.%d", i);
		(void)unlinkat(p->node.dir, name, 0);
	}
}

/* No reason to fail, but somebody has to know. */
static void note_left(struct process *p)
{
	if (p->capture.left.code)
		snprintf(p->state.notice, sizeof(p->state.notice),
			 "left in the container: %.400s; when the spool is gone, 'jdiag tidy' "
			 "removes it",
			 p->capture.left.msg);
}

/* Nothing of it stays but the state, which says why. One that was stopped leaves nothing at all. */
static void fail(struct process *p, const struct error *why)
{
	bool stopped = why->code == ERR_INTERRUPTED;
	struct error e = {0};

	drain_stop(&p->drain);
	p->draining = false;
	capture_settle(&p->capture);
	guard_end(&p->guard);
	remove_data(p);
	p->state.phase = SPOOL_FAILED;
	p->state.error = *why;
	if (stopped) { /* by somebody: who watches was not interrupted */
		p->state.error.code = ERR_CAPTURE;
		if (!*why->hint)
			error_hint(&p->state.error, "by 'jdiag spool rm', or by a signal on the "
						    "node; nothing was kept");
	}
	note_left(p);
	p->state.n_parts = 0;
	p->state.stored = 0;
	p->state.expires = time(NULL) + FAILED_S;
	spool_unreserve(p->node.dir);
	/* Without its last state nobody would know that it has ended: better gone. */
	if (process_save(p, &e) == 0 && !stopped)
		process_keep(p, FAILED_S);
	else
		remove_all(p);
}

static int drained(struct process *p, struct error *err)
{
	struct drain_result r;
	int rc = drain_poll(&p->drain, &r, err);
	struct spool_state *s = &p->state;

	if (rc <= 0)
		return rc;
	s->records = r.records;
	s->crc32c = r.crc32c;
	memcpy(s->sha256, r.sha256, sizeof(s->sha256));
	if (*r.notice)
		snprintf(s->notice, sizeof(s->notice), "%.511s", r.notice);
	return 1;
}

static int sync_file(int dir, const char *name, int flags)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);

	return fd < 0 ? -1 : fsync(fd);
}

static int sync_all(const struct process *p, struct error *err)
{
	char name[32];

	for (unsigned int i = 0; i < p->state.n_parts; i++) {
		snprintf(name, sizeof(name), "data.%u", i);
		if (sync_file(p->node.dir, name, 0) < 0)
			return error_sys(err, ERR_NODE, errno,
					 "cannot write the spool to the disk");
	}
	if (sync_file(p->node.dir, "state", 0) < 0 ||
	    sync_file(p->node.dir, ".", O_DIRECTORY) < 0 ||
	    sync_file(p->node.base, ".", O_DIRECTORY) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot write the spool to the disk");
	return 0;
}

/* The JVM goes on. First of all the drain is told, and the container gets its directory back. */
static int finish(struct process *p, struct error *err)
{
	drain_finish(&p->drain);
	guard_end(&p->guard);
	process_phase(p, SPOOL_SPOOL);
	capture_settle(&p->capture);
	remove_dump(p);
	if (process_await(p, drained, err) < 0)
		return -1;
	note_left(p);
	p->state.expires = time(NULL) + (int64_t)p->request->ttl;
	if (p->request->sync && (process_save(p, err) < 0 || sync_all(p, err) < 0))
		return -1;
	p->state.phase = SPOOL_COMPLETE;
	if (process_save(p, err) < 0)
		return -1;
	spool_unreserve(p->node.dir);
	drain_stop(&p->drain);
	p->draining = false;
	return 0;
}

static void capture(struct process *p)
{
	struct error e = {0};

	if (p->request->deadline)
		p->deadline = now_ms() + p->request->deadline;
	if (process_dump(p, &e) < 0 || finish(p, &e) < 0)
		fail(p, &e);
	else
		process_keep(p, p->request->ttl);
}

/* ---- starting it ---- */

static bool tell(int report, bool failed, const struct error *e)
{
	struct capture_report r = {.failed = failed};

	r.exists = failed && e->sys == EEXIST;
	if (failed)
		r.error = *e;
	return write(report, &r, sizeof(r)) == (ssize_t)sizeof(r);
}

static _Noreturn void run(const struct jsonr *params, const struct capture_request *r, int lifeline,
			  int report)
{
	struct process *p = xcalloc(1, sizeof(*p));
	struct error e = {0};
	bool good;

	*p = (struct process){
		.request = r,
		.proc = {.fd = -1},
		.signals = -1,
		.lifeline = lifeline,
		.node = NODEDIR_INIT,
		.capture = CAPTURE_INIT,
		.oom = OOM_WATCH_INIT,
		.attach = {.child = ENTER_CHILD_INIT},
		.question = BUF_INIT(HOTSPOT_MAX_REQUEST),
		.guard = GUARD_INIT,
		.drain = DRAIN_INIT,
	};
	good = detach(p, report, &e) == 0 && process_set_up(p, params, &e) == 0;
	/* Nobody there any more to be told: the JVM was not touched yet, and is not. */
	if (tell(report, !good, &e) && good) {
		fd_close(&report);
		capture(p);
	} else {
		remove_all(p);
	}
	_exit(0);
}

/* Twice forked: whoever reaps the orphans of the node reaps it, and not the helper, which may be
 * gone by then or be busy. */
int capture_process_start(const struct jsonr *params, const struct capture_request *r, int lifeline,
			  int *ret_report, struct error *err)
{
	auto_fd int in = -1, out = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pipe");
	in = ends[0];
	out = ends[1];
	if (io_set_nonblock(in) < 0)
		return error_set(err, ERR_FAILED, "cannot make a pipe non-blocking");
	pid = fork();
	if (pid < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start the capture process");
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			run(params, r, lifeline, out);
		_exit(pid < 0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*ret_report = STEAL_FD(in);
	return 0;
}

int capture_report_read(int fd, struct capture_report *ret, struct error *err)
{
	struct capture_report r;
	ssize_t n = read(fd, &r, sizeof(r));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(r))
		return error_set(err, ERR_NODE, "the capture process has died");
	*ret = r;
	return 1;
}
