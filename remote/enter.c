#include "remote/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/creds.h"
#include "remote/rootpath.h"

#define REAP_MS 1000
#define FIRST_PAUSE_NS 100000 /* it has closed its pipe: it is nearly gone */
#define LAST_PAUSE_NS 2000000
#define NULL_DEVICE makedev(1, 3)
#define FIRST_FREE_FD 3

/* What the child writes first; then the answer, or a struct error (it is the same program). */
struct answer_head {
	bool failed;
	size_t len;
};

/* Everything that the child takes along, opened by the parent while /proc is still the host's. */
struct baggage {
	int answer; /* write end of the pipe */
	int ns;	    /* mount namespace, or -1 */
	int root;   /* O_PATH, root directory of the target, or -1 */
	pid_t parent;
};

static void baggage_close(struct baggage *b)
{
	fd_close(&b->answer);
	fd_close(&b->ns);
	fd_close(&b->root);
}

/* ---- child ---- */

static int become_private(pid_t parent, struct error *err)
{
	struct rlimit no_core = {0, 0};

	/* Not dumpable before anything of the target is near: its processes could otherwise trace
	 * this one on entry and reach the host through its descriptors (runc CVE-2016-9962). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot protect the helper's child");
	if (getppid() != parent)
		return error_set(err, ERR_NODE, "the helper has ended");
	return 0;
}

/* Handlers of the parent write to descriptors that are gone here. */
static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int enter_null_stdio(struct error *err)
{
	auto_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	/* A /dev/null that is something else has been used to write to the host (runc
	 * CVE-2025-31133). */
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot open '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != NULL_DEVICE)
		return error_set(err, ERR_NODE, "'/dev/null' of the node is not the null device");
	for (int i = 0; i < FIRST_FREE_FD; i++)
		if (dup2(fd, i) < 0)
			return error_sys(err, ERR_NODE, errno, "cannot redirect to '/dev/null'");
	return 0;
}

static int close_from_to(unsigned int first, unsigned int last)
{
	struct rlimit lim;
	unsigned int end;

	if (first > last || close_range(first, last, 0) == 0)
		return 0;
	if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &lim) < 0) /* before 5.9 */
		return -errno;
	end = lim.rlim_max < last ? (unsigned int)lim.rlim_max : last;
	for (unsigned int fd = first; fd <= end; fd++)
		close((int)fd);
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int enter_keep_only(int *keep, unsigned int n, struct error *err)
{
	unsigned int first = FIRST_FREE_FD;
	int status;

	qsort(keep, n, sizeof(*keep), compare_fds);
	for (unsigned int i = 0; i < n; i++) {
		status = close_from_to(first, (unsigned int)keep[i] - 1);
		if (status < 0)
			return error_sys(err, ERR_NODE, -status, "cannot close descriptors");
		first = (unsigned int)keep[i] + 1;
	}
	status = close_from_to(first, ~0u);
	if (status < 0)
		return error_sys(err, ERR_NODE, -status, "cannot close descriptors");
	return 0;
}

static int close_others(const struct enter_request *r, const struct baggage *b, struct error *err)
{
	int keep[ENTER_MAX_FDS + 3];
	unsigned int n = 0;

	for (; n < r->n_fds; n++)
		keep[n] = r->fds[n];
	keep[n++] = b->answer;
	if (b->ns >= 0)
		keep[n++] = b->ns;
	if (b->root >= 0)
		keep[n++] = b->root;
	return enter_keep_only(keep, n, err);
}

/* setns puts us at the root of the namespace, which is not the target's when it was put there by
 * chroot (runc --no-pivot); the descriptor of its root is right in both cases. */
static int join_mount_namespace(struct baggage *b, pid_t pid, struct error *err)
{
	if (setns(b->ns, CLONE_NEWNS) < 0)
		return error_sys(err, ERR_NODE, errno,
				 "cannot join the mount namespace of process '%d'", (int)pid);
	if (fchdir(b->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_sys(err, ERR_NODE, errno,
				 "cannot change to the root directory of process '%d'", (int)pid);
	fd_close(&b->ns);
	fd_close(&b->root);
	return 0;
}

static int take_identity(const struct enter_request *r, pid_t parent, struct error *err)
{
	if (creds_drop(r->uid, r->gid, err) < 0)
		return -1;
	/* The kernel forgets the parent-death signal when the identity changes. */
	return become_private(parent, err);
}

static int child_work(const struct enter_request *r, struct baggage *b, struct buf *answer,
		      struct error *err)
{
	if (become_private(b->parent, err) < 0 || enter_null_stdio(err) < 0)
		return -1;
	reset_signals();
	umask(077);
	if (close_others(r, b, err) < 0)
		return -1;
	if (r->join_mnt ? join_mount_namespace(b, r->target->pid, err) < 0 : chdir("/") < 0)
		return r->join_mnt ? -1 : error_sys(err, ERR_NODE, errno, "cannot change to '/'");
	if (r->take_creds && take_identity(r, b->parent, err) < 0)
		return -1;
	if (r->run(r->ctx, answer, err) < 0)
		return -1;
	if (answer->overflow)
		return error_set(err, ERR_FAILED, "the answer of the helper's child is too large");
	return 0;
}

static _Noreturn void child_main(const struct enter_request *r, struct baggage *b,
				 size_t max_answer)
{
	struct buf answer = BUF_INIT(max_answer);
	struct error err = {0};
	struct answer_head head = {.failed = child_work(r, b, &answer, &err) < 0};
	const void *body = head.failed ? (const void *)&err : buf_str(&answer);

	head.len = head.failed ? sizeof(err) : answer.len;
	if (io_write_full(b->answer, &head, sizeof(head)) < 0 ||
	    io_write_full(b->answer, body, head.len) < 0)
		_exit(1);
	_exit(0);
}

/* ---- parent ---- */

int enter_open_ns(const struct procfs *p, pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%d/ns/mnt", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int cannot_open(const struct enter_request *r, const char *what, int fd, struct error *err)
{
	return error_sys(err, fd == -ENOENT ? ERR_TARGET : ERR_NODE, -fd,
			 "cannot open the %s of process '%d'", what, (int)r->target->pid);
}

/* Opened first, checked to be of the same process afterwards: then it stays right whatever happens
 * to the pid. (setns by pidfd would need kernel 5.8 and this as its fallback.) */
static int pack_now(const struct procfs *p, const struct enter_request *r, struct baggage *b,
		    struct error *err)
{
	b->ns = enter_open_ns(p, r->target->pid);
	if (b->ns < 0)
		return cannot_open(r, "mount namespace", b->ns, err);
	b->root = rootpath_root(p, r->target->pid);
	if (b->root < 0)
		return cannot_open(r, "root directory", b->root, err);
	if (!procref_alive(p, r->target))
		return error_set(err, ERR_TARGET, "process '%d' has ended", (int)r->target->pid);
	return 0;
}

static int pack(const struct procfs *p, const struct enter_request *r, struct baggage *b,
		struct error *err)
{
	if (!r->join_mnt)
		return 0;
	if (r->ns < FIRST_FREE_FD || r->root < FIRST_FREE_FD)
		return pack_now(p, r, b, err);
	b->ns = fcntl(r->ns, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	b->root = fcntl(r->root, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	if (b->ns < 0 || b->root < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot copy a descriptor");
	return 0;
}

static int check_request(const struct enter_request *r, struct error *err)
{
	bool good = r->n_fds <= ENTER_MAX_FDS && r->run && (!r->join_mnt || r->target);

	for (unsigned int i = 0; good && i < r->n_fds; i++)
		good = r->fds[i] >= FIRST_FREE_FD;
	return good ? 0 : error_set(err, ERR_FAILED, "cannot enter: not a valid request");
}

int enter_start(const struct procfs *p, const struct enter_request *r, size_t max_answer,
		struct enter_child *ret, struct error *err)
{
	auto_cleanup(baggage_close) struct baggage b = {-1, -1, -1, getpid()};
	size_t body = max_answer > sizeof(struct error) ? max_answer : sizeof(struct error);
	auto_fd int answer = -1;
	int ends[2];
	pid_t pid;

	if (check_request(r, err) < 0 || pack(p, r, &b, err) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pipe");
	answer = ends[0];
	b.answer = ends[1];
	if (io_set_nonblock(answer) < 0)
		return error_set(err, ERR_FAILED, "cannot make a pipe non-blocking");
	pid = fork();
	if (pid < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start a child");
	if (pid == 0)
		child_main(r, &b, max_answer);
	*ret = (struct enter_child){
		.pid = pid,
		.fd = STEAL_FD(answer),
		.raw = BUF_INIT(sizeof(struct answer_head) + body),
		.deadline = now_ms() + r->timeout_ms,
	};
	return 0;
}

/* 1 at its end, 0 when there is no more now, -1. */
static int fill(struct enter_child *c, struct error *err)
{
	for (;;) {
		char chunk[16384];
		ssize_t n = read(c->fd, chunk, sizeof(chunk));

		if (n == 0)
			return 1;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_FAILED, errno,
					 "cannot read from the helper's child");
		if (n > 0)
			buf_add(&c->raw, chunk, (size_t)n);
		if (c->raw.overflow)
			return error_set(err, ERR_FAILED,
					 "the answer of the helper's child is too large");
	}
}

/* Bounded: a child inside a request to a FUSE server cannot be killed until that answers, and the
 * container may be the server. It is then left to whoever inherits it. True when it is gone; *how
 * is its wait status, or -1 when nobody can tell. */
static bool reap(pid_t pid, int *how)
{
	struct timespec pause = {.tv_nsec = FIRST_PAUSE_NS};
	uint64_t deadline = now_ms() + REAP_MS;

	*how = -1;
	do {
		pid_t got = waitpid(pid, how, WNOHANG);

		if (got == pid || (got < 0 && errno == ECHILD))
			return true;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < LAST_PAUSE_NS)
			pause.tv_nsec *= 2;
	} while (now_ms() < deadline);
	return false;
}

void enter_stop(struct enter_child *c)
{
	int how;

	if (c->pid > 0) {
		kill(c->pid, SIGKILL); /* not reaped yet: the pid is still its own */
		reap(c->pid, &how);
	}
	c->pid = 0;
	fd_close(&c->fd);
	if (c->raw.data) /* what a JVM tells may be secrets */
		explicit_bzero(c->raw.data, c->raw.cap);
	buf_release(&c->raw);
}

/* Messages of the child were escaped when they were made; here only their bounds are checked. */
static int take_error(const char *body, struct error *err)
{
	struct error e;

	memcpy(&e, body, sizeof(e));
	e.msg[sizeof(e.msg) - 1] = '\0';
	e.hint[sizeof(e.hint) - 1] = '\0';
	error_set(err, e.code == ERR_NONE ? ERR_FAILED : e.code, "%s", e.msg);
	if (err)
		err->sys = e.sys;
	return e.hint[0] ? error_hint(err, "%s", e.hint) : -1;
}

static int take_answer(const struct enter_child *c, int how, struct buf *answer, struct error *err)
{
	struct answer_head head;
	const char *body = buf_str(&c->raw) + sizeof(head);

	if (c->raw.len >= sizeof(head)) {
		memcpy(&head, c->raw.data, sizeof(head));
		if (head.len == c->raw.len - sizeof(head) && head.failed &&
		    head.len == sizeof(struct error))
			return take_error(body, err);
		if (head.len == c->raw.len - sizeof(head) && !head.failed) {
			if (answer)
				buf_add(answer, body, head.len);
			return 1;
		}
	}
	if (how >= 0 && WIFSIGNALED(how))
		return error_set(err, ERR_FAILED, "the helper's child was killed by signal %d",
				 WTERMSIG(how));
	return error_set(err, ERR_FAILED, "the helper's child ended without an answer");
}

int enter_collect(struct enter_child *c, struct buf *answer, struct error *err)
{
	int r = fill(c, err), how;

	if (r == 0 && now_ms() < c->deadline)
		return 0;
	if (r == 0) {
		r = error_set(err, ERR_FAILED, "the helper's child did not answer in time");
		if (err)
			err->sys = ETIMEDOUT;
	}
	if (r == 1) {
		if (reap(c->pid, &how))
			c->pid = 0;
		r = take_answer(c, how, answer, err);
	}
	enter_stop(c);
	return r;
}

int enter_run(const struct procfs *p, const struct enter_request *r, struct buf *answer,
	      struct error *err)
{
	struct enter_child c;
	size_t room = answer ? answer->max - answer->len : 0;
	int done;

	if (enter_start(p, r, room, &c, err) < 0)
		return -1;
	do {
		int ready = io_wait(c.fd, POLLIN, c.deadline);

		done = ready < 0 ? error_sys(err, ERR_FAILED, -ready, "cannot wait for a child")
				 : enter_collect(&c, answer, err);
	} while (done == 0);
	enter_stop(&c);
	return done < 0 ? -1 : 0;
}
