#include "remote/place/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/sweep.h"

#define MAX_NAMESPACES 4096
#define MAX_MOUNTINFO (8 * MiB)
#define LOOK_MS 5000 /* the connection waits */

struct look {
	const struct procfs *proc;
	dev_t *list;
	size_t n;
	ino_t *seen; /* mount namespaces */
	size_t n_seen;
	uint64_t deadline;
};

static ino_t namespace_of(const struct procfs *p, pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%d/ns/mnt", (int)pid);
	return fstatat(p->fd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static void forget(struct look *l, dev_t dev)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i] == dev)
			l->list[i--] = l->list[--l->n];
}

/* -ENOENT: the process has ended. */
static int read_mounts(const struct look *l, pid_t pid, struct buf *b)
{
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "%d/mountinfo", (int)pid);
	rc = io_read_file(l->proc->fd, path, b);
	if (rc == -ESRCH || rc == -EINVAL) /* EINVAL: of a zombie */
		rc = -ENOENT;
	return rc;
}

static int forget_those_of(struct look *l, pid_t pid)
{
	auto_buf struct buf b = BUF_INIT(MAX_MOUNTINFO);
	int rc = read_mounts(l, pid, &b);
	char *line, *rest;
	dev_t dev;

	if (rc == -ENOENT || (rc == 0 && !b.len))
		return 0;
	if (rc < 0)
		return rc;
	for (line = strtok_r(b.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!mount_line_dev(line, &dev))
			return -EPROTO;
		forget(l, dev);
	}
	return 0;
}

/* Ends when none is left. */
static int look_at(void *ctx, pid_t pid)
{
	struct look *l = ctx;
	ino_t ns = namespace_of(l->proc, pid);
	int rc;

	for (size_t i = 0; i < l->n_seen; i++)
		if (l->seen[i] == ns)
			return 0;
	if (!ns)
		return 0;
	if (l->n_seen == MAX_NAMESPACES || now_ms() >= l->deadline)
		return -EFBIG;
	l->seen[l->n_seen++] = ns;
	rc = forget_those_of(l, pid);
	return rc < 0 ? rc : l->n == 0;
}

static void find_candidates(struct look *l, pid_t pid, size_t max)
{
	auto_buf struct buf b = BUF_INIT(MAX_MOUNTINFO);
	struct mount_line m;
	char *line, *rest;

	if (read_mounts(l, pid, &b) < 0 || !b.len)
		return;
	for (line = strtok_r(b.data, "\n", &rest); line && l->n < max;
	     line = strtok_r(NULL, "\n", &rest)) {
		/* Ours is no place for directories: it is writable for a moment only. */
		if (!mount_line_parse(line, &m) || strcmp(m.type, "tmpfs") != 0 ||
		    mount_line_is_agents(&m))
			continue;
		forget(l, m.dev); /* mounted twice */
		l->list[l->n++] = m.dev;
	}
}

size_t private_tmpfs(const struct procfs *p, pid_t pid, dev_t *ret, size_t max)
{
	ino_t own = namespace_of(p, pid);
	struct look l = {.proc = p, .list = ret, .deadline = now_ms() + LOOK_MS};

	if (!own)
		return 0;
	find_candidates(&l, pid, max);
	if (!l.n)
		return 0;
	l.seen = xcalloc(MAX_NAMESPACES, sizeof(*l.seen));
	l.seen[l.n_seen++] = own;
	if (procfs_each(p, look_at, &l) < 0)
		l.n = 0;
	free(l.seen);
	return l.n;
}
