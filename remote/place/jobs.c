#include "remote/place/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"

#define STAGE_MS 60000 /* a slow disk; a network file system that is gone */
#define COMMIT_MS 30000
#define SHORT_MS 5000

/* ---- in the child ---- */

static const char *why_not(int errnum)
{
	switch (errnum) {
	case ENOTUNIQ:
		return "'" PLACE_DIR "' there is not a directory of the JVM's user alone";
	case EPERM:
		return "others can exchange what lies there";
	case EXDEV:
		return "others of the pod may have it, too";
	case ENOEXEC:
		return "mounted noexec";
	case EEXIST:
		return "something else has the file's name";
	case ELOOP:
		return "a symbolic link";
	default:
		return strerror(errnum);
	}
}

static void note(struct staged *s, const char *where, int errnum)
{
	size_t len = strlen(s->why);

	snprintf(s->why + len, sizeof(s->why) - len, "%s%s: %s", len ? "; " : "", where,
		 why_not(errnum));
	if (errnum == ENOSPC || errnum == EDQUOT)
		s->worst = ENOSPC;
}

/* 0, or -errno and nothing is left in it. */
static int stage_in(const struct place_job *j, int dir, struct staged *s)
{
	int rc;

	(void)!placedir_clean(dir, false);
	rc = j->replace ? 0 : placedir_has(dir, j->name, &j->content, &s->inode);
	if (rc < 0)
		return rc;
	s->existed = rc > 0;
	rc = placedir_fits(dir, j->content.size, j->exec);
	if (s->existed)
		return rc == -ENOEXEC ? rc : 0;
	return rc < 0 ? rc : placedir_write(dir, j->temp, &j->content, &s->inode);
}

/* O_PATH of the directory in which ours is, or -errno. */
static int open_parent(const struct place_job *j, size_t spot)
{
	auto_fd int parent = spot_open(j->spots->list[spot].path);
	int rc = parent < 0 ? parent : spot_check(j->spots, parent, j->shared);

	return rc < 0 ? rc : STEAL_FD(parent);
}

static int stage_at(const struct place_job *j, size_t spot, struct staged *s)
{
	auto_fd int parent = open_parent(j, spot);
	auto_fd int dir = parent < 0 ? -1 : placedir_open(parent, true);
	int rc = parent < 0 ? parent : dir < 0 ? dir : stage_in(j, dir, s);

	if (rc < 0 && dir >= 0)
		(void)unlinkat(parent, PLACE_DIR, AT_REMOVEDIR); /* unless others are in it */
	return rc;
}

static int stage_in_dir(const struct place_job *j, struct staged *s)
{
	int rc = placedir_check(j->dir);

	if (rc == 0)
		rc = stage_in(j, j->dir, s);
	return rc;
}

static int run_stage(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;
	struct staged s = {.worst = EROFS, .tried = j->tried};
	size_t n = j->dir >= 0 ? 1 : j->spots->n;

	(void)err;
	for (size_t i = 0; i < n && !s.found; i++) {
		int rc;

		if (j->tried >> i & 1)
			continue;
		rc = j->dir >= 0 ? stage_in_dir(j, &s) : stage_at(j, i, &s);
		s.spot = i;
		s.found = rc == 0;
		if (rc != 0 && rc != -EXDEV)
			s.tried |= 1u << i;
		if (rc < 0)
			note(&s, j->dir >= 0 ? "our mount" : j->spots->list[i].name, -rc);
	}
	buf_add(answer, &s, sizeof(s));
	return 0;
}

/* The JVMs of a container share the directory, and each has its own lock. */
static int commit_in(const struct place_job *j, int dir, struct committed *c)
{
	int rc = placedir_commit(dir, j->temp, &j->inode, j->name, j->replace);

	if (rc != -EEXIST || j->replace)
		return rc;
	if (placedir_has(dir, j->name, &j->content, &c->inode) != 1)
		return rc;
	c->existed = true;
	return placedir_remove(dir, j->temp, &j->inode);
}

static int commit_in_dir(const struct place_job *j, struct committed *c)
{
	int rc = placedir_check(j->dir);

	return rc < 0 ? rc : commit_in(j, j->dir, c);
}

static int commit_at_spot(const struct place_job *j, struct committed *c)
{
	auto_fd int parent = open_parent(j, j->spot);
	auto_fd int dir = parent < 0 ? -1 : placedir_open(parent, false);

	return parent < 0 ? parent : dir < 0 ? dir : commit_in(j, dir, c);
}

static int verify(const char *path, const struct place_inode *inode, struct error *err)
{
	auto_fd int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot find '%s' where it was placed",
				 path);
	if (st.st_dev != inode->dev || st.st_ino != inode->ino)
		return error_set(err, ERR_NODE, "'%s' was exchanged while it was placed", path);
	return 0;
}

static int run_commit(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;
	struct committed c = {.existed = j->existed, .inode = j->inode};
	int rc = 0;

	if (!j->existed)
		rc = j->dir >= 0 ? commit_in_dir(j, &c) : commit_at_spot(j, &c);
	if (rc < 0) {
		error_set(err, ERR_NODE, "cannot place '%s': %s", j->name, why_not(-rc));
		err->sys = -rc;
		return -1;
	}
	buf_add(answer, &c, sizeof(c));
	return j->path ? verify(j->path, &c.inode, err) : 0;
}

static int run_verify(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;

	(void)answer;
	return verify(j->path, &j->inode, err);
}

static void undo_in(const struct place_job *j, int dir)
{
	(void)!placedir_remove(dir, j->temp, NULL);
	if (!j->replace && !j->existed && j->inode.ino)
		(void)!placedir_remove(dir, j->name, &j->inode);
}

static int run_undo(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;

	(void)answer;
	(void)err;
	if (j->dir >= 0)
		undo_in(j, j->dir);
	for (size_t i = 0; j->spots && i < j->spots->n; i++) {
		auto_fd int parent = spot_open(j->spots->list[i].path);
		auto_fd int dir = parent < 0 ? -1 : placedir_open(parent, false);

		if (dir < 0)
			continue;
		undo_in(j, dir);
		(void)unlinkat(parent, PLACE_DIR, AT_REMOVEDIR);
	}
	return 0;
}

static int remove_named(const struct place_job *j, int dir, struct removed *r)
{
	int rc;

	if (j->begin)
		return placedir_remove_like(dir, j->begin, j->name, r->name);
	rc = placedir_remove(dir, j->name, NULL);
	if (rc == 0)
		snprintf(r->name, sizeof(r->name), "%s", j->name);
	return rc;
}

static int remove_in(const struct place_job *j, int dir, struct removed *r)
{
	int rc = placedir_check(dir);

	if (rc == 0)
		rc = remove_named(j, dir, r);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	r->left = placedir_clean(dir, false) != 0;
	return 0;
}

static int remove_at(const struct place_job *j, struct removed *r)
{
	auto_fd int parent = spot_open(j->spots->list[0].path);
	auto_fd int dir = parent < 0 ? -1 : placedir_open(parent, false);
	int rc = parent < 0 ? parent : dir < 0 ? dir : remove_in(j, dir, r);

	if (rc == 0 && !r->left)
		(void)unlinkat(parent, PLACE_DIR, AT_REMOVEDIR);
	return rc == -ENOENT ? 0 : rc;
}

static int run_remove(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;
	struct removed r = {0};
	int rc = j->dir >= 0 ? remove_in(j, j->dir, &r) : remove_at(j, &r);

	if (rc < 0) {
		error_set(err, ERR_NODE, "cannot remove '%s' from the container: %s", j->name,
			  why_not(-rc));
		err->sys = -rc;
		return -1;
	}
	buf_add(answer, &r, sizeof(r));
	return 0;
}

/* ---- of the helper ---- */

static struct enter_request request_of(const struct target *t, struct place_job *j,
				       int (*run)(void *, struct buf *, struct error *),
				       uint64_t timeout_ms)
{
	struct enter_request r = target_enter(t);

	r.run = run;
	r.ctx = j;
	r.timeout_ms = timeout_ms;
	if (j->dir >= 0)
		r.fds[r.n_fds++] = j->dir;
	if (j->content.fd >= 0)
		r.fds[r.n_fds++] = j->content.fd;
	return r;
}

int job_stage_start(const struct target *t, const struct place_job *j, struct enter_child *ret,
		    struct error *err)
{
	struct place_job copy = *j;
	struct enter_request r = request_of(t, &copy, run_stage, STAGE_MS);

	return enter_start(t->proc, &r, sizeof(struct staged), ret, err);
}

static int run_short(const struct target *t, const struct place_job *j,
		     int (*run)(void *, struct buf *, struct error *), uint64_t timeout_ms,
		     struct buf *answer, struct error *err)
{
	struct place_job copy = *j;
	struct enter_request r;

	copy.content.fd = -1;
	r = request_of(t, &copy, run, timeout_ms);
	return enter_run(t->proc, &r, answer, err);
}

int job_commit_start(const struct target *t, const struct place_job *j, struct enter_child *ret,
		     struct error *err)
{
	struct place_job copy = *j;
	struct enter_request r;

	copy.content.fd = -1;
	r = request_of(t, &copy, run_commit, COMMIT_MS);
	return enter_start(t->proc, &r, sizeof(struct committed), ret, err);
}

int job_commit(const struct target *t, const struct place_job *j, struct committed *ret,
	       struct error *err)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(*ret));

	if (run_short(t, j, run_commit, SHORT_MS, &answer, err) < 0)
		return -1;
	if (answer.len != sizeof(*ret))
		return error_set(err, ERR_FAILED, "the helper's child gave no answer");
	memcpy(ret, answer.data, sizeof(*ret));
	return 0;
}

int job_verify(const struct target *t, const struct place_job *j, struct error *err)
{
	return run_short(t, j, run_verify, SHORT_MS, NULL, err);
}

int job_undo(const struct target *t, const struct place_job *j, uint64_t timeout_ms,
	     struct error *err)
{
	return run_short(t, j, run_undo, timeout_ms, NULL, err);
}

int job_remove(const struct target *t, const struct place_job *j, struct removed *ret,
	       struct error *err)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(*ret));

	if (run_short(t, j, run_remove, SHORT_MS, &answer, err) < 0)
		return -1;
	if (answer.len != sizeof(*ret))
		return error_set(err, ERR_FAILED, "the helper's child gave no answer");
	memcpy(ret, answer.data, sizeof(*ret));
	if (!memchr(ret->name, '\0', sizeof(ret->name)) ||
	    (*ret->name && !place_name_is(ret->name)))
		return error_set(err, ERR_FAILED, "the helper's child gave a name that is none");
	return 0;
}
