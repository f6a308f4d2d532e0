#include "remote/capture/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/cgroup.h"

/* The line "oom_kill N" (v1 since 4.13). */
static bool read_count(int fd, uint64_t *ret)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	const char *p;

	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strncmp(text, "oom_kill ", 9) == 0 ? text : strstr(text, "\noom_kill ");
	if (!p)
		return false;
	*ret = strtoull(strchr(p, ' ') + 1, NULL, 10);
	return true;
}

static int look(void *ctx, int dir, bool v2)
{
	struct oom_watch *w = ctx;
	auto_fd int fd = -1;

	if (w->fd >= 0) /* its own, the first, is the one that counts */
		return 1;
	fd = openat(dir, v2 ? "memory.events" : "memory.oom_control",
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !read_count(fd, &w->before))
		return 0;
	w->fd = STEAL_FD(fd);
	return 1;
}

void oom_watch_open(struct oom_watch *w, const struct procfs *p, pid_t pid, const char *cgroups)
{
	*w = OOM_WATCH_INIT;
	(void)cgroup_each_level(p, pid, cgroups, "memory", look, w);
}

bool oom_watch_killed(const struct oom_watch *w)
{
	uint64_t now;

	return w->fd >= 0 && read_count(w->fd, &now) && now > w->before;
}

void oom_watch_close(struct oom_watch *w)
{
	fd_close(&w->fd);
}
