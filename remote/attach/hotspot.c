#include "remote/attach/hotspot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/keeper.h"

#define SOCKET_WAIT_MS 10000 /* from the signal to the socket; 10 ms when the JVM is idle */
#define SEND_MS 10000
#define HANDLED_MS 2500 /* of the 5 s in which the helper has to end */
#define FIRST_PAUSE_MS 2
#define LAST_PAUSE_MS 100
#define A_DAY_MS (24 * 3600 * 1000ull)

/* What the child's answer begins with. */
#define ANSWER_REPLY 'R'
#define ANSWER_TRIGGERED 'T'

static void socket_name(const struct hotspot_request *q, char dst[64])
{
	snprintf(dst, 64, ".java_pid%d", (int)q->jvm->ns_pid);
}

static void trigger_name(const struct hotspot_request *q, char dst[64])
{
	snprintf(dst, 64, ".attach_pid%d", (int)q->jvm->ns_pid);
}

/* ---- in the child, as the JVM's user, in its /tmp ---- */

static int peer_is_jvm(const struct hotspot_request *q, int fd, struct error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_sys(err, ERR_ATTACH, errno,
				 "cannot tell who serves the attach socket");
	/* The credentials of whoever called listen(), its pid as our pid namespace sees it. */
	if (peer.pid != q->ref->pid)
		return error_set(err, ERR_ATTACH,
				 "the attach socket is served by process %d, not by the JVM %d",
				 (int)peer.pid, (int)q->ref->pid);
	return 0;
}

static int check_socket_file(const struct hotspot_request *q, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_sys(err, ERR_ATTACH, errno, "cannot look at '/tmp/%s'", name);
	}
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ERR_ATTACH, "'/tmp/%s' in the container is not a socket",
				 name);
	if (st.st_uid != q->jvm->uid)
		return error_set(err, ERR_ATTACH,
				 "'/tmp/%s' in the container belongs to uid %u, the JVM runs as %u",
				 name, st.st_uid, q->jvm->uid);
	return 1;
}

/* 1: connected, *ret; 0: nobody listens (no socket, or a stale one). */
static int try_connect(const struct hotspot_request *q, int *ret, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd int fd = -1;
	int there;

	socket_name(q, addr.sun_path);
	there = check_socket_file(q, addr.sun_path, err);
	if (there <= 0)
		return there;
	/* Non-blocking: a full backlog (somebody holds the listener) is EAGAIN and not a wait. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_sys(err, ERR_ATTACH, errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return 0;
		if (errno == EAGAIN)
			return error_set(
				err, ERR_ATTACH,
				"the JVM's attach listener is busy: too many clients wait");
		return error_sys(err, ERR_ATTACH, errno, "cannot connect to '/tmp/%s'",
				 addr.sun_path);
	}
	if (peer_is_jvm(q, fd, err) < 0)
		return -1;
	*ret = STEAL_FD(fd);
	return 1;
}

static bool jvm_is_gone(const struct hotspot_request *q)
{
	if (q->ref->pidfd >= 0)
		return io_wait(q->ref->pidfd, POLLIN, 0) > 0;
	return kill(q->ref->pid, 0) < 0 && errno == ESRCH;
}

/* An end without a byte: the JVM refuses peers that are not its user, or it exited. */
static int early_end(const struct hotspot_request *q, const struct buf *answer, struct error *err)
{
	/* The connection closes a moment before the process is gone. */
	for (int i = 0; i < 20 && !jvm_is_gone(q); i++)
		if (answer->len > 1)
			return 0;
		else
			(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	if (jvm_is_gone(q))
		return error_set(err, ERR_ATTACH, "the JVM exited while it was attached to");
	return error_set(err, ERR_ATTACH,
			 "the JVM closed the connection unanswered: it refuses uid %u, gid %u",
			 geteuid(), getegid());
}

static int no_answer(const struct hotspot_request *q, struct error *err)
{
	error_set(err, ERR_ATTACH, "the JVM did not answer within %llu s",
		  (unsigned long long)(q->reply_ms / 1000));
	err->sys = ETIMEDOUT;
	return -1;
}

static int too_large(const struct hotspot_request *q, struct error *err)
{
	error_set(err, ERR_ATTACH, "the JVM's answer is larger than %zu bytes", q->max_reply);
	err->sys = EFBIG;
	return -1;
}

static int read_reply(const struct hotspot_request *q, int fd, struct buf *answer,
		      uint64_t deadline, struct error *err)
{
	for (;;) {
		char chunk[4096];
		int ready = io_wait(fd, POLLIN, deadline);
		ssize_t n;

		if (ready == 0)
			return no_answer(q, err);
		n = ready < 0 ? -1 : read(fd, chunk, sizeof(chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0 && errno != ECONNRESET)
			return error_sys(err, ERR_ATTACH, errno, "cannot read the JVM's answer");
		if (n <= 0)
			return jvm_is_gone(q) || answer->len <= 1 ? early_end(q, answer, err) : 0;
		buf_add(answer, chunk, (size_t)n);
		if (answer->overflow)
			return too_large(q, err);
	}
}

static int exchange(const struct hotspot_request *q, int fd, struct buf *answer, struct error *err)
{
	uint64_t now = now_ms();
	int rc = io_write_deadline(fd, q->data->data, q->data->len, now + SEND_MS);

	/* EPIPE: it has closed already; what it said, or its silence, tells more. */
	if (rc < 0 && rc != -EPIPE)
		return error_sys(err, ERR_ATTACH, -rc, "cannot send the request to the JVM");
	buf_add(answer, (char[]){ANSWER_REPLY}, 1);
	return read_reply(q, fd, answer, now + q->reply_ms, err);
}

/* From here on the JVM may have the request: an errno of a security module must not be taken for
 * that of a /tmp that cannot be written, after which it would be sent once more. */
static int talk(const struct hotspot_request *q, int fd, struct buf *answer, struct error *err)
{
	int rc = exchange(q, fd, answer, err);

	if (rc < 0 && err->sys != ETIMEDOUT && err->sys != EFBIG)
		err->sys = 0;
	return rc;
}

/* The errno of a /tmp that cannot be written is kept for the helper. */
static int not_sent(const struct hotspot_request *q, struct error *err)
{
	if (!hotspot_tmp_unwritable(q->jvm, err->sys))
		err->sys = ENOTCONN;
	return -1;
}

/* The file that turns SIGQUIT into "start the listener"; JDK 8 wants it to be the JVM user's. */
static int create_trigger(const struct hotspot_request *q, struct error *err)
{
	char name[64];
	int fd;

	trigger_name(q, name);
	if (unlink(name) < 0 && errno != ENOENT && errno != EROFS && errno != EACCES &&
	    errno != EPERM)
		return error_sys(err, ERR_ATTACH, errno, "cannot remove the old '/tmp/%s'", name);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_sys(err, ERR_ATTACH, errno, "cannot create '/tmp/%s' in the container",
				 name);
	close(fd);
	return 0;
}

static int enter_tmp(const struct hotspot_request *q, struct error *err)
{
	if (fchdir(q->tmp) < 0)
		return error_sys(err, ERR_ATTACH, errno, "cannot enter the JVM's /tmp as uid %u",
				 q->jvm->uid);
	return 0;
}

static int trigger(const struct hotspot_request *q, struct buf *answer, struct error *err)
{
	if (q->jvm->reduced_signals)
		return error_set(err, ERR_ATTACH,
				 "the JVM does not take the attach signal (-Xrs), and it does not "
				 "listen");
	if (create_trigger(q, err) < 0)
		return -1;
	buf_add(answer, (char[]){ANSWER_TRIGGERED}, 1);
	return 0;
}

/* Talk if it listens, else leave the trigger file. */
static int run_first(void *ctx, struct buf *answer, struct error *err)
{
	const struct hotspot_request *q = ctx;
	auto_fd int fd = -1;
	int rc;

	if (enter_tmp(q, err) < 0)
		return not_sent(q, err);
	rc = try_connect(q, &fd, err);
	if (rc > 0)
		return talk(q, fd, answer, err);
	if (rc < 0 || trigger(q, answer, err) < 0)
		return not_sent(q, err);
	return 0;
}

static int no_socket(struct error *err)
{
	error_set(err, ERR_ATTACH, "the JVM did not open its attach socket within %d s",
		  SOCKET_WAIT_MS / 1000);
	return error_hint(err,
			  "it may be in a long pause; or its attach socket was deleted and then "
			  "somebody sent it SIGQUIT, after which a JVM does not listen again "
			  "until it is restarted");
}

static int await_socket(const struct hotspot_request *q, int *ret, struct error *err)
{
	uint64_t deadline = now_ms() + SOCKET_WAIT_MS;
	long pause = FIRST_PAUSE_MS;

	for (;;) {
		int rc = try_connect(q, ret, err);

		if (rc)
			return rc;
		if (jvm_is_gone(q))
			return error_set(err, ERR_ATTACH,
					 "the JVM exited while it was attached to");
		if (now_ms() >= deadline)
			return no_socket(err);
		(void)nanosleep(&(struct timespec){.tv_nsec = pause * 1000000}, NULL);
		pause = pause * 2 < LAST_PAUSE_MS ? pause * 2 : LAST_PAUSE_MS;
	}
}

/* The signal was sent. */
static int run_triggered(void *ctx, struct buf *answer, struct error *err)
{
	const struct hotspot_request *q = ctx;
	auto_fd int fd = -1;
	char name[64];
	int rc;

	if (enter_tmp(q, err) < 0)
		return not_sent(q, err);
	rc = await_socket(q, &fd, err);
	trigger_name(q, name);
	(void)unlink(name); /* the JVM does not */
	return rc < 0 ? not_sent(q, err) : talk(q, fd, answer, err);
}

static int run_remove_trigger(void *ctx, struct buf *answer, struct error *err)
{
	const struct hotspot_request *q = ctx;
	char name[64];

	(void)answer;
	trigger_name(q, name);
	if (enter_tmp(q, err) < 0)
		return -1;
	if (unlink(name) < 0 && errno != ENOENT)
		return error_sys(err, ERR_ATTACH, errno, "cannot remove '/tmp/%s'", name);
	return 0;
}

/* ---- in the helper ---- */

static struct enter_request
as_jvm(struct hotspot *a, int (*run)(void *, struct buf *, struct error *), uint64_t timeout_ms)
{
	struct enter_request r = {
		.target = a->req.ref,
		.take_creds = true,
		.uid = a->req.jvm->uid,
		.gid = a->req.jvm->gid,
		.fds = {a->req.tmp},
		.n_fds = 1,
		.run = run,
		.ctx = &a->req,
		.timeout_ms = timeout_ms,
	};

	if (a->req.ref->pidfd >= 0)
		r.fds[r.n_fds++] = a->req.ref->pidfd;
	return r;
}

static int start_child(struct hotspot *a, int (*run)(void *, struct buf *, struct error *),
		       struct error *err)
{
	struct enter_request r = as_jvm(a, run, SOCKET_WAIT_MS + 2 * SEND_MS + a->req.reply_ms);

	return enter_start(a->req.proc, &r, a->req.max_reply + 1, &a->child, err);
}

int hotspot_start(struct hotspot *a, const struct hotspot_request *req, struct error *err)
{
	*a = (struct hotspot){.req = *req, .child = ENTER_CHILD_INIT};
	if (!a->req.reply_ms)
		a->req.reply_ms = A_DAY_MS;
	if (!a->req.max_reply)
		a->req.max_reply = MAX_ATTACH_REPLY;
	a->raw = BUF_INIT(a->req.max_reply + 1);
	if (!req->jvm->attachable)
		return error_set(err, ERR_ATTACH, "JVM %d cannot be attached to: %s",
				 (int)req->ref->pid, req->jvm->reason);
	if (start_child(a, run_first, err) < 0)
		return -1;
	a->phase = HOTSPOT_FIRST;
	return 0;
}

/* Safety rule 1: everything that says that SIGQUIT is harmless, right before it is sent. */
static int prove(const struct hotspot_request *q, struct error *err)
{
	const uint64_t quit = 1ull << (SIGQUIT - 1);
	char id[CONTAINER_ID_SIZE] = "";
	struct proc_status st;
	int pid = (int)q->ref->pid;

	if (!procref_alive(q->proc, q->ref))
		return error_set(err, ERR_TARGET, "process %d has ended", pid);
	if (jvm_kind_of(q->proc, q->ref->pid) != JVM_HOTSPOT)
		return error_set(err, ERR_ATTACH, "process %d is not a HotSpot JVM", pid);
	if (keeper_container_of(q->proc, q->ref->pid, id) < 0 || strcmp(id, q->jvm->container) != 0)
		return error_set(err, ERR_TARGET, "process %d is in another container now", pid);
	if (proc_read_status(q->proc, q->ref->pid, &st) < 0 || st.euid != q->jvm->uid)
		return error_set(err, ERR_TARGET, "process %d is not what it was", pid);
	if (!(st.sig_cgt & quit) || st.sig_ign & quit ||
	    proc_signal_blocked(q->proc, q->ref->pid, SIGQUIT) != 0)
		return error_set(err, ERR_ATTACH,
				 "process %d does not catch SIGQUIT: the signal would end it", pid);
	return 0;
}

static int send_signal(struct hotspot *a, struct error *err)
{
	int rc;

	if (prove(&a->req, err) < 0)
		return -1;
	rc = procref_signal(a->req.proc, a->req.ref, SIGQUIT);
	if (rc < 0)
		return error_sys(err, ERR_ATTACH, -rc, "cannot signal process %d",
				 (int)a->req.ref->pid);
	a->signalled = true;
	return start_child(a, run_triggered, err);
}

bool hotspot_tmp_unwritable(const struct jvm *jvm, int sys)
{
	return !jvm->listening && (sys == EROFS || sys == EACCES || sys == EPERM);
}

int hotspot_step(struct hotspot *a, struct error *err)
{
	struct error e = {0};
	int rc = enter_collect(&a->child, &a->raw, &e);

	if (rc == 0)
		return 0;
	if (rc < 0) {
		bool unwritable = hotspot_tmp_unwritable(a->req.jvm, e.sys);

		a->unwritable = unwritable && a->phase == HOTSPOT_FIRST;
		*err = e;
		if (unwritable)
			err->sys = ENOTCONN;
		return -1;
	}
	if (a->raw.len && a->raw.data[0] == ANSWER_REPLY) {
		buf_consume(&a->raw, 1);
		a->triggered = false; /* removed by the child, before it spoke */
		return 1;
	}
	if (a->phase != HOTSPOT_FIRST)
		return error_set(err, ERR_FAILED, "the attach child ended without an answer");
	buf_reset(&a->raw);
	a->triggered = true;
	a->phase = HOTSPOT_TRIGGERED;
	if (send_signal(a, err) == 0)
		return 0;
	err->sys = ENOTCONN;
	return -1;
}

/*
 * The signal is out and we are to stop. A JVM whose socket file is gone handles SIGQUIT by ending
 * its listener, and starts it again only if it finds the trigger; if not, it never listens again
 * (check_socket_file in attachListener_posix.cpp leaves AL_INITIALIZING set; 11 to 26). So the
 * trigger stays, for a while, until the signal was handled.
 */
static void await_handled(const struct hotspot *a)
{
	uint64_t deadline = now_ms() + HANDLED_MS;

	while (procref_alive(a->req.proc, a->req.ref) && now_ms() < deadline &&
	       !hotspot_listens(a->req.tmp, a->req.jvm->ns_pid))
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

bool hotspot_listens(int tmp, pid_t ns_pid)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), ".java_pid%d", (int)ns_pid);
	return fstatat(tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

void hotspot_stop(struct hotspot *a)
{
	if (a->phase != HOTSPOT_IDLE)
		enter_stop(&a->child); /* else it was never made */
	if (a->signalled && !a->raw.len)
		await_handled(a);
	if (a->triggered) {
		struct enter_request r = as_jvm(a, run_remove_trigger, 2000);
		struct error ignored = {0};

		/* Nothing to tell: the JVM, and with it its container, may be gone. */
		if (enter_run(a->req.proc, &r, NULL, &ignored) < 0)
			ignored.code = ERR_NONE;
	}
	if (a->raw.data) /* what a JVM tells may be secrets */
		explicit_bzero(a->raw.data, a->raw.cap);
	buf_release(&a->raw);
	a->phase = HOTSPOT_IDLE;
	a->triggered = a->signalled = false;
}
