#include "remote/capture/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/enter.h"

#define ROUND_MS 5
#define ROUNDS 200

/*
 * The names go first. In a directory that was removed nothing can be created, not even by root: a
 * JVM that opens its next segment now gets ENOENT, and writes no file of the size of its heap
 * there. So the only ones to be let go are those that hang already, or are just about to.
 */
static void let_go(const struct procfs *p, const struct fifos *f, const struct nodedir *node)
{
	int rc;

	for (unsigned int i = 0; i < f->n; i++)
		(void)unlinkat(f->dir, f->one[i].name, 0);
	fifos_touch(f, p); /* what a container has put there may take long to remove */
	rc = nodedir_remove_inside(node, "dump");
	(void)rc; /* a container that puts files there all the time harms itself */
	for (int i = 0; i < ROUNDS; i++) {
		fifos_touch(f, p);
		(void)nanosleep(&(struct timespec){.tv_nsec = ROUND_MS * 1000000}, NULL);
	}
}

/* Not before the JVM, for whose sake it is there. */
static void evade_oom_killer(const struct procfs *p)
{
	auto_fd int fd = openat(p->fd, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "-1000", 5);
}

/* 1: all is well; 0: alarm. */
static bool all_is_well(int line)
{
	char word;
	ssize_t n;

	do {
		n = read(line, &word, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static _Noreturn void child(const struct procfs *p, const struct fifos *f,
			    const struct nodedir *node, int line)
{
	int keep[FIFOS_MAX + 4];
	unsigned int n = 0;
	struct error ignored = {0};

	for (; n < f->n; n++)
		keep[n] = f->one[n].path;
	keep[n++] = p->fd;
	keep[n++] = f->dir;
	keep[n++] = node->dir;
	keep[n++] = line;
	/* The locks of the capture go with it, and not with us. */
	if (enter_keep_only(keep, n, &ignored) < 0)
		_exit(1);
	(void)prctl(PR_SET_NAME, "jdiag-guard");
	(void)setpriority(PRIO_PROCESS, 0, -10); /* the JVM's threads take all CPUs */
	evade_oom_killer(p);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGCHLD)
			signal(sig, SIG_IGN);
	if (!all_is_well(line))
		let_go(p, f, node);
	_exit(0);
}

int guard_start(struct guard *g, const struct procfs *p, const struct fifos *f,
		const struct nodedir *node, struct error *err)
{
	auto_fd int line = -1, out = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pipe");
	line = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot start a child");
	if (pid == 0) {
		fd_close(&out);
		child(p, f, node, line);
	}
	*g = (struct guard){.pid = pid, .line = STEAL_FD(out)};
	return 0;
}

void guard_renew(struct guard *g, const struct procfs *p, const struct fifos *f,
		 const struct nodedir *node)
{
	struct pollfd line = {.fd = g->line}; /* POLLERR: nobody has the other end */
	struct error e = {0};

	if (g->pid > 0 && (g->line < 0 || poll(&line, 1, 0) <= 0))
		return;
	guard_end(g);
	if (guard_start(g, p, f, node, &e) < 0)
		log_at(LOG_WARN, "%s", e.msg);
}

void guard_alarm(struct guard *g)
{
	fd_close(&g->line);
}

void guard_end(struct guard *g)
{
	if (g->pid <= 0)
		return;
	if (g->line >= 0 && write(g->line, "k", 1) < 0)
		fd_close(&g->line); /* it has ended */
	fd_close(&g->line);
	/* It never hangs: all that it opens is non-blocking, on a disk of the node. */
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->pid = -1;
}
