#include "remote/sweep_look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/pass_fd.h"
#include "remote/place/place.h"
#include "remote/rootpath.h"

#define LOOK_MS 2000
#define MAX_SCAN 65536 /* entries of one directory */

struct look_job {
	const struct target *t;
	const char *path, *name;
	int channel;
};

/* ---- in the child ---- */

static int open_dir(const struct look_job *j)
{
	char cwd[32];
	int fd;

	if (j->path)
		return strcmp(j->path, "/tmp") == 0
			       ? rootpath_tmp(j->t->root)
			       : rootpath_open(j->t->root, j->path, O_PATH | O_DIRECTORY);
	snprintf(cwd, sizeof(cwd), "%d/cwd", (int)j->t->ref.pid);
	fd = openat(j->t->proc->fd, cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int failed(int rc, struct error *err)
{
	return error_sys(err, ERR_NODE, -rc, "cannot look there");
}

static int pass(const struct look_job *j, int dir, struct error *err)
{
	int rc = pass_fd(j->channel, dir);

	return rc < 0 ? failed(rc, err) : 0;
}

static void take(struct look *l, int dir, const char *name)
{
	struct look_dir *d = &l->dirs[l->n];
	struct stat st;

	if (!jdiag_name_is(name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) || nodedir_is_one(dir, name))
		return;
	l->more = l->n == MAX_LOOK;
	if (l->more)
		return;
	memcpy(d->name, name, sizeof(d->name));
	d->uid = st.st_uid;
	d->gid = st.st_gid;
	l->n++;
}

static int scan(int dir, struct look *l)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return -errno;
	for (int i = 0; i < MAX_SCAN && !l->more && (e = readdir(d)); i++)
		take(l, dir, e->d_name);
	closedir(d);
	return 0;
}

static int run_into(void *ctx, struct buf *answer, struct error *err)
{
	const struct look_job *j = ctx;
	auto_free struct look *l = xcalloc(1, sizeof(*l));
	auto_fd int dir = open_dir(j);
	int rc = dir < 0 ? dir : scan(dir, l);

	if (rc < 0)
		return failed(rc, err);
	l->has_agents = fstatat(dir, PLACE_DIR, &l->agents, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(l->agents.st_mode);
	buf_add(answer, l, sizeof(*l));
	return pass(j, dir, err);
}

static int run_for(void *ctx, struct buf *answer, struct error *err)
{
	const struct look_job *j = ctx;
	auto_fd int dir = open_dir(j);
	struct stat st;

	if (dir < 0 || fstatat(dir, j->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(dir < 0 ? dir : -errno, err);
	buf_add(answer, &st, sizeof(st));
	return pass(j, dir, err);
}

/* ---- of the helper ---- */

static int look(struct look_job *j, int (*run)(void *, struct buf *, struct error *), void *ret,
		size_t size)
{
	auto_buf struct buf answer = BUF_INIT(size);
	struct error e = {0};
	auto_fd int fd = enter_run_passing(j->t->proc,
					   (struct enter_request){
						   .fds = {j->t->root, j->t->proc->fd},
						   .n_fds = 2,
						   .run = run,
						   .ctx = j,
						   .timeout_ms = LOOK_MS,
					   },
					   &j->channel, &answer, &e);

	if (fd < 0)
		return e.sys > 0 ? -e.sys : -EIO;
	if (answer.len != size)
		return -EPROTO;
	memcpy(ret, answer.data, size);
	return STEAL_FD(fd);
}

int look_into(const struct target *t, const char *path, struct look *ret)
{
	return look(&(struct look_job){.t = t, .path = path}, run_into, ret, sizeof(*ret));
}

int look_for(const struct target *t, const char *path, const char *name, struct stat *ret)
{
	return look(&(struct look_job){.t = t, .path = path, .name = name}, run_for, ret,
		    sizeof(*ret));
}
