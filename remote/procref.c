#include "remote/procref.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "remote/base/io.h"

static int gone(struct error *err, pid_t pid)
{
	return error_set(err, ERR_TARGET, "process '%d' has ended", (int)pid);
}

/* A pidfd is readable as soon as its whole thread group has exited, reaped or not. */
static bool pidfd_alive(int pidfd)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
	int n;

	do {
		n = poll(&pfd, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n == 0;
}

static bool same_and_running(const struct procfs *p, pid_t pid, uint64_t start_time)
{
	struct proc_status st;
	uint64_t now;

	return proc_read_start_time(p, pid, &now) == 0 && now == start_time &&
	       proc_read_status(p, pid, &st) == 0 && st.state != 'Z' && st.state != 'X';
}

int procref_open(const struct procfs *p, pid_t pid, uint64_t start_time, struct procref *ret,
		 struct error *err)
{
	auto_fd int pidfd = -1;
	struct procref r = {.pid = pid, .pidfd = -1};
	int status;

	if (pid <= 0)
		return error_set(err, ERR_TARGET, "'%d' is not a process id", (int)pid);
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0 && errno == ESRCH)
		return gone(err, pid);
	if (pidfd < 0 && errno == EINVAL)
		return error_set(err, ERR_TARGET, "'%d' is a thread, not a process", (int)pid);
	if (pidfd < 0 && errno != ENOSYS)
		return error_sys(err, ERR_NODE, errno, "cannot open process '%d'", (int)pid);

	status = proc_read_start_time(p, pid, &r.start_time);
	if (status == -ENOENT || status == -ESRCH)
		return gone(err, pid);
	if (status < 0)
		return error_sys(err, ERR_NODE, -status, "cannot read the start of process '%d'",
				 (int)pid);
	if (start_time && r.start_time != start_time) {
		error_set(err, ERR_TARGET, "process '%d' is another process now", (int)pid);
		return error_hint(err, "the one that was meant has ended; look again with "
				       "'jdiag ps'");
	}
	/* Alive here means that the pid was its own while the start time was read. */
	r.pidfd = pidfd;
	if (!procref_alive(p, &r))
		return gone(err, pid);
	STEAL_FD(pidfd);
	*ret = r;
	return 0;
}

void procref_close(struct procref *r)
{
	fd_close(&r->pidfd);
}

bool procref_alive(const struct procfs *p, const struct procref *r)
{
	if (r->pidfd >= 0)
		return pidfd_alive(r->pidfd);
	return same_and_running(p, r->pid, r->start_time);
}

int procref_signal(const struct procfs *p, const struct procref *r, int sig)
{
	if (r->pidfd < 0 && !same_and_running(p, r->pid, r->start_time))
		return -ESRCH;
	if (r->pidfd >= 0 ? pidfd_send_signal(r->pidfd, sig, NULL, 0) : kill(r->pid, sig))
		return -errno;
	return 0;
}
