/* /proc/PID/maps, line by line: a JVM has thousands of them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/procfs.h"

/* A mapped path is at most PATH_MAX, each byte of it may be written as \ooo. */
#define MAPS_LINE_MAX (4 * PATH_MAX + 256)

/* The path of a line that maps a file executable, or NULL. The line is
 * "start-end perms offset dev inode   path"; a blank in the path is not escaped. */
static const char *executable_path(const char *line)
{
	const char *s = strchr(line, ' ');

	if (!s || strnlen(s, 5) < 5 || s[3] != 'x')
		return NULL;
	for (int field = 0; field < 4; field++) {
		s = strchr(s + 1, ' ');
		if (!s)
			return NULL;
	}
	s += strspn(s, " ");
	return *s == '/' ? s : NULL;
}

struct maps_reader {
	int (*fn)(void *ctx, const char *path);
	void *ctx;
	size_t len, total;
	char line[MAPS_LINE_MAX];
};

/* Hand on the whole lines; what is left moves to the front. */
static int maps_lines(struct maps_reader *m)
{
	char *line = m->line, *nl;

	while ((nl = memchr(line, '\n', m->len - (size_t)(line - m->line))) != NULL) {
		const char *path;
		int r;

		*nl = '\0';
		path = executable_path(line);
		r = path ? m->fn(m->ctx, path) : 0;
		if (r)
			return r;
		line = nl + 1;
	}
	m->len -= (size_t)(line - m->line);
	memmove(m->line, line, m->len);
	return m->len == sizeof(m->line) ? -EPROTO : 0;
}

int proc_each_executable_map(const struct procfs *p, pid_t pid,
			     int (*fn)(void *ctx, const char *path), void *ctx)
{
	struct maps_reader m = {.fn = fn, .ctx = ctx};
	char path[64];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%d/maps", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, m.line + m.len, sizeof(m.line) - m.len);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		m.len += (size_t)n;
		m.total += (size_t)n;
		if (m.total > MAX_PROC_MAPS)
			return -EFBIG;
		r = maps_lines(&m);
		if (r)
			return r;
	}
}
