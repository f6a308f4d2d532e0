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
#define SHORT_MS 5000
#define UNDO_MS 2000 /* a helper that has lost its client is to end within 5 s */

/* ---- in the child ---- */

static const char *why_not(int errnum)
{
	switch (errnum) {
	case ENOTUNIQ:
		return "'" PLACE_DIR "' there is not a directory of the JVM's user alone";
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

static int stage_at(const struct place_job *j, const char *path, struct staged *s)
{
	auto_fd int parent = spot_open(path);
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
	struct staged s = {.worst = EROFS};
	size_t n = j->dir >= 0 ? 1 : j->spots->n;

	(void)err;
	for (size_t i = 0; i < n && !s.found; i++) {
		int rc =
			j->dir >= 0 ? stage_in_dir(j, &s) : stage_at(j, j->spots->list[i].path, &s);

		s.spot = i;
		s.found = rc == 0;
		if (rc < 0)
			note(&s, j->dir >= 0 ? "our mount" : j->spots->list[i].name, -rc);
	}
	buf_add(answer, &s, sizeof(s));
	return 0;
}

static int run_commit(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;
	int rc = placedir_check(j->dir);

	(void)answer;
	if (rc == 0)
		rc = placedir_commit(j->dir, j->temp, &j->inode, j->name, j->replace);
	if (rc == 0)
		return 0;
	error_set(err, ERR_NODE, "cannot place '%s': %s", j->name, why_not(-rc));
	err->sys = -rc;
	return -1;
}

static int run_verify(void *ctx, struct buf *answer, struct error *err)
{
	const struct place_job *j = ctx;
	auto_fd int fd = open(j->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	(void)answer;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot find '%s' where it was placed",
				 j->path);
	if (st.st_dev != j->inode.dev || st.st_ino != j->inode.ino)
		return error_set(err, ERR_NODE, "'%s' was exchanged while it was placed", j->path);
	return 0;
}

static void undo_in(const struct place_job *j, int dir)
{
	(void)!placedir_remove(dir, j->temp, NULL);
	if (!j->replace && j->inode.ino)
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

struct removed {
	bool removed, left;
};

static int remove_in(const struct place_job *j, int dir, struct removed *r)
{
	int rc = placedir_check(dir);

	if (rc == 0)
		rc = placedir_remove(dir, j->name, NULL);
	r->removed = rc == 0;
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
	struct enter_request r = {
		.target = &t->ref,
		.ns = t->ns,
		.root = t->root,
		.join_mnt = true,
		.take_creds = true,
		.uid = t->jvm.uid,
		.gid = t->jvm.gid,
		.run = run,
		.ctx = j,
		.timeout_ms = timeout_ms,
	};

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

int job_commit(const struct target *t, const struct place_job *j, struct error *err)
{
	return run_short(t, j, run_commit, SHORT_MS, NULL, err);
}

int job_verify(const struct target *t, const struct place_job *j, struct error *err)
{
	return run_short(t, j, run_verify, SHORT_MS, NULL, err);
}

int job_undo(const struct target *t, const struct place_job *j, struct error *err)
{
	return run_short(t, j, run_undo, UNDO_MS, NULL, err);
}

int job_remove(const struct target *t, const struct place_job *j, bool *ret_removed, bool *ret_left,
	       struct error *err)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(struct removed));
	struct removed r;

	if (run_short(t, j, run_remove, SHORT_MS, &answer, err) < 0)
		return -1;
	if (answer.len != sizeof(r))
		return error_set(err, ERR_FAILED, "the helper's child gave no answer");
	memcpy(&r, answer.data, sizeof(r));
	*ret_removed = r.removed;
	*ret_left = r.left;
	return 0;
}
