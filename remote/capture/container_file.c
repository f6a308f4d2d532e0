/*
 * container-file: the fallback of everything. The JVM writes a plain file into a directory of its
 * own user in the container: in /tmp, /var/tmp or its working directory, whichever has the most
 * room and is not memory. It uses the container's storage until the dump is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"
#include "remote/capture/capture.h"
#include "remote/mount.h"
#include "remote/rootpath.h"

#define PLACES 3

/* A directory that the JVM may write to. */
struct place {
	const char *name; /* for people */
	const char *path; /* before our directory's name, as the JVM opens it */
	int fd;		  /* O_PATH */
	bool memory;
	uint64_t free;
};

static int open_cwd(const struct target *t)
{
	char path[32];

	/* Everything in it is done with the JVM's own credentials, wherever it may be. */
	snprintf(path, sizeof(path), "%d/cwd", (int)t->ref.pid);
	return openat(t->proc->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* False (and closed) when it is no writable file system or has not a byte. */
static bool look(struct place *p)
{
	struct statvfs v;
	struct statfs s;

	if (p->fd >= 0 && fstatvfs(p->fd, &v) == 0 && fstatfs(p->fd, &s) == 0 &&
	    !(v.f_flag & ST_RDONLY)) {
		p->memory = s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC;
		p->free = (uint64_t)v.f_bavail * v.f_frsize;
		if (p->free)
			return true;
	}
	fd_close(&p->fd);
	return false;
}

static int by_preference(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if ((x->fd < 0) != (y->fd < 0))
		return x->fd < 0 ? 1 : -1;
	if (x->memory != y->memory)
		return x->memory ? 1 : -1;
	return x->free == y->free ? 0 : x->free > y->free ? -1 : 1;
}

/* The places in the order of preference; the unusable ones, last, have fd -1. */
static void find_places(const struct target *t, bool tmp_covered, struct place places[PLACES])
{
	struct error ignored = {0};

	places[0] = (struct place){"/tmp", "/tmp/", -1, false, 0};
	places[1] = (struct place){"/var/tmp", "/var/tmp/", -1, false, 0};
	places[2] = (struct place){"its working directory", "", -1, false, 0};
	if (!tmp_covered)
		places[0].fd = mount_open_tmp(t->root, &ignored);
	places[1].fd = rootpath_open(t->root, "/var/tmp", O_PATH | O_DIRECTORY);
	places[2].fd = open_cwd(t);
	for (size_t i = 0; i < PLACES; i++)
		if (!look(&places[i]))
			places[i].fd = -1;
	qsort(places, PLACES, sizeof(*places), by_preference);
}

static void close_places(struct place places[PLACES])
{
	for (size_t i = 0; i < PLACES; i++)
		fd_close(&places[i].fd);
}

static void probe(const struct target *t, const char *node_dir, struct strategy_info *ret)
{
	struct place places[PLACES];

	(void)node_dir;
	find_places(t, false, places);
	snprintf(ret->reason, sizeof(ret->reason),
		 "neither /tmp nor /var/tmp nor the working directory can be written by the JVM");
	for (size_t i = 0; i < PLACES && !ret->usable; i++) {
		if (places[i].fd < 0 || !private_dir_possible(t, places[i].fd))
			continue;
		ret->usable = true;
		ret->reason[0] = '\0';
		ret->free = places[i].free;
		ret->memory = places[i].memory;
		snprintf(ret->where, sizeof(ret->where), "%s in the container%s", places[i].name,
			 places[i].memory ? " (memory)" : "");
	}
	close_places(places);
}

struct contained {
	int parent; /* -1: the directory is the capture's own place in /tmp */
	int dir;
};

static int settle(struct capture *c, struct error *err)
{
	struct contained *s = STEAL(c->state);
	int rc;

	if (!s)
		return 0;
	rc = s->parent < 0 ? 0 : private_dir_remove(&c->target, s->parent, c->node->name, err);
	fd_close(&s->dir);
	fd_close(&s->parent);
	free(s);
	return rc;
}

static void use(struct capture *c, const struct place *p, int parent, int dir)
{
	struct contained *s = xcalloc(1, sizeof(*s));

	*s = (struct contained){.parent = parent, .dir = dir};
	c->state = s;
	c->dir = dir;
	snprintf(c->path, sizeof(c->path), "%s%s/%s", p->path, c->node->name, CAPTURE_FILE);
}

/* Our directory there; in /tmp it exists already. */
static int try_place(struct capture *c, struct place *p, struct error *err)
{
	int dir;

	if (strcmp(p->name, "/tmp") == 0) {
		dir = openat(c->place, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return error_sys(err, ERR_CAPTURE, errno, "cannot open our directory");
		use(c, p, -1, dir);
		return 0;
	}
	dir = private_dir_create(&c->target, p->fd, c->node->name, err);
	if (dir < 0)
		return -1;
	use(c, p, STEAL_FD(p->fd), dir);
	return 0;
}

static int prepare(struct capture *c, struct error *err)
{
	struct place places[PLACES];
	int rc = error_set(err, ERR_CAPTURE, "the container has no writable place for the dump");

	find_places(&c->target, c->cover >= 0, places);
	for (size_t i = 0; i < PLACES && rc < 0; i++)
		if (places[i].fd >= 0)
			rc = try_place(c, &places[i], err);
	close_places(places);
	return rc;
}

const struct strategy strategy_container_file = {
	.name = "container-file",
	.needs_spool = true,
	.probe = probe,
	.prepare = prepare,
	.settle = settle,
};
