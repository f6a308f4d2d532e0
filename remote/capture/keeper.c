/* What is left of a capture process when the capture has ended: it keeps the spool. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/capture/inside.h"

#define LOOK_MS 60000	/* should inotify miss something */
#define BEING_READ_S 10 /* its time has passed, but somebody is reading: look again then */

/* By the clock that nobody sets: the node's own may be wrong, and may jump. */
static int set_timer(int timer, uint64_t seconds)
{
	struct itimerspec t = {.it_value.tv_sec = (time_t)seconds};

	return timerfd_settime(timer, 0, &t, NULL);
}

static int watch_directory(const char *path)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0 &&
	    inotify_add_watch(fd, path, IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0)
		fd_close(&fd);
	return fd;
}

static void empty(int fd)
{
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];

	while (fd >= 0 && read(fd, events, sizeof(events)) > 0)
		;
}

/* Its directory is gone, or is not the same any more, or what makes it a spool is gone. */
static bool is_removed(const struct nodedir *n)
{
	struct stat own, there;

	return fstat(n->dir, &own) < 0 ||
	       fstatat(n->base, n->name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	       own.st_dev != there.st_dev || own.st_ino != there.st_ino ||
	       faccessat(n->dir, "state", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

/* Readers hold a shared lock on the directory (spool.h). */
static bool is_read(const struct nodedir *n)
{
	auto_fd int own = openat(n->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return own >= 0 && flock(own, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* True when it is over. */
static bool look(struct process *p, int timer)
{
	struct error e = {0};
	uint64_t expirations;

	if (is_removed(&p->node))
		return true;
	if (read(timer, &expirations, sizeof(expirations)) < 0)
		return false;
	if (is_read(&p->node))
		return set_timer(timer, BEING_READ_S) < 0;
	if (nodedir_remove(&p->node, &e) < 0)
		log_at(LOG_WARN, "%s", e.msg);
	return true;
}

/*
 * The helper was started in a mount namespace of its own, a private copy: for as long as somebody
 * lives there, no disk of the node that is unmounted is really free. So back to the node's, when
 * that has the same directory in the same place.
 */
static void return_to_node(const struct process *p)
{
	auto_fd int own = openat(p->proc.fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_fd int node = openat(p->proc.fd, "1/ns/mnt", O_RDONLY | O_CLOEXEC);
	struct stat held, there;

	if (own < 0 || node < 0 || setns(node, CLONE_NEWNS) < 0)
		return;
	if (fstat(p->node.dir, &held) == 0 && lstat(p->node.path, &there) == 0 &&
	    held.st_dev == there.st_dev && held.st_ino == there.st_ino)
		return;
	if (setns(own, CLONE_NEWNS) < 0)
		log_at(LOG_WARN, "cannot return to the helper's mount namespace");
}

static void keep(struct process *p, uint64_t seconds)
{
	auto_fd int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	auto_fd int watch = watch_directory(p->node.path);
	struct pollfd fds[4] = {{.fd = p->signals, .events = POLLIN},
				{.fd = p->lifeline, .events = POLLIN},
				{.fd = timer, .events = POLLIN},
				{.fd = watch, .events = POLLIN}};
	struct error e = {0};

	if (timer < 0 || set_timer(timer, seconds) < 0)
		return; /* the sweep of another run removes it in its time */
	while (!look(p, timer)) {
		if (poll(fds, 4, LOOK_MS) < 0)
			continue;
		if (fds[0].revents)
			return;
		if (fds[1].revents) {
			if (nodedir_remove(&p->node, &e) < 0)
				log_at(LOG_WARN, "%s", e.msg);
			return;
		}
		empty(watch);
	}
}

void process_keep(struct process *p, uint64_t seconds)
{
	/* Nothing of the container is held, for hours after. */
	oom_watch_close(&p->oom);
	fd_close(&p->node.dump);
	return_to_node(p);
	keep(p, seconds);
}
