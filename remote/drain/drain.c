/* The caller's side of the drain process. */
#include "remote/drain/drain.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"

#define MAX_CANCEL 4

static void close_streams(struct drain_stream *streams, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fd_close(&streams[i].fd);
		fd_close(&streams[i].hold);
	}
}

/* The parent may have died before the kernel was told to end us with it. */
static void end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
}

static int start_process(struct drain *d, const struct drain_options *o,
			 const struct drain_stream *streams, unsigned int n_streams,
			 struct error *err)
{
	pid_t parent = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a socket pair");
	d->fd = fds[0];
	d->pid = fork();
	if (d->pid == 0) {
		end_with(parent);
		inside_run(o, streams, n_streams, fds[1], d->progress);
	}
	close(fds[1]);
	if (d->pid < 0)
		return error_sys(err, ERR_NODE, errno, "cannot start the process for the dump");
	return 0;
}

/* How it has ended, as waitpid says; 0 when that is not known. */
static int reap(struct drain *d)
{
	int status = 0;

	while (d->pid > 0 && waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	d->pid = -1;
	return status;
}

/* -1: it has ended without a word. */
static int hear(struct drain *d, struct message *ret, int flags)
{
	ssize_t n;

	/* ECONNRESET comes first, and once, from a peer that has ended without reading what it was
	 * told; what it said lies behind it (af_unix.c, unix_release_sock) */
	do {
		n = recv(d->fd, ret, sizeof(*ret), flags);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0 && errno == EAGAIN)
		return 0;
	return n == (ssize_t)sizeof(*ret) ? 1 : -1;
}

static int was_killed(struct drain *d, struct error *err)
{
	int status = reap(d);

	if (WIFEXITED(status))
		return error_set(err, ERR_CAPTURE,
				 "the process that reads the dump ended with status %d",
				 WEXITSTATUS(status));
	error_set(err, ERR_CAPTURE, "the process that reads the dump was killed (signal %d)",
		  WTERMSIG(status));
	err->sys = EOWNERDEAD;
	return error_hint(err, "was the node out of memory? A smaller --buffer needs less");
}

/* Touching much memory takes long. */
static int wait_for_word(const struct drain *d, const struct drain_options *o, struct error *err)
{
	struct pollfd fds[1 + MAX_CANCEL] = {{.fd = d->fd, .events = POLLIN}};
	unsigned int n = o->n_cancel < MAX_CANCEL ? o->n_cancel : MAX_CANCEL;
	int rc;

	for (unsigned int i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){.fd = o->cancel[i], .events = POLLIN};
	do {
		rc = poll(fds, n + 1, -1);
	} while (rc < 0 && errno == EINTR);
	for (unsigned int i = 0; i < n; i++)
		if (fds[i + 1].revents)
			return error_set(err, ERR_INTERRUPTED, "the capture was stopped");
	return 0;
}

static int wait_until_ready(struct drain *d, const struct drain_options *o, struct error *err)
{
	struct message m;

	if (wait_for_word(d, o, err) < 0)
		return -1;
	if (hear(d, &m, 0) < 0)
		return was_killed(d, err);
	if (m.type != MESSAGE_FAILED)
		return 0;
	*err = m.error;
	return -1;
}

int drain_start(struct drain *d, const struct drain_options *o, struct drain_stream *streams,
		unsigned int n_streams, struct error *err)
{
	int r = -1;

	*d = DRAIN_INIT;
	d->progress = mmap(NULL, sizeof(*d->progress), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->progress == MAP_FAILED) {
		d->progress = NULL;
		error_sys(err, ERR_NODE, errno, "cannot share memory");
	} else {
		r = start_process(d, o, streams, n_streams, err);
	}
	close_streams(streams, n_streams);
	if (r == 0)
		r = wait_until_ready(d, o, err);
	if (r < 0)
		drain_stop(d);
	return r;
}

void drain_finish(struct drain *d)
{
	(void)send(d->fd, "F", 1, MSG_NOSIGNAL); /* it has ended: drain_poll tells */
}

int drain_poll(struct drain *d, struct drain_result *ret, struct error *err)
{
	struct message m;
	int r = hear(d, &m, MSG_DONTWAIT);

	if (r == 0)
		return 0;
	if (r < 0)
		return was_killed(d, err);
	(void)reap(d);
	if (m.type == MESSAGE_DONE) {
		*ret = m.result;
		return 1;
	}
	*err = m.error;
	return -1;
}

void drain_stop(struct drain *d)
{
	if (d->pid > 0)
		kill(d->pid, SIGKILL);
	(void)reap(d);
	fd_close(&d->fd);
	if (d->progress)
		munmap(d->progress, sizeof(*d->progress));
	*d = DRAIN_INIT;
}
