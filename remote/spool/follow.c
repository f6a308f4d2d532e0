/* Following a capture by its state file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "remote/base/io.h"
#include "remote/spool/spool.h"

#define RELOAD_MS 1000 /* whatever stat says: an inode and a time can come again */

int spool_follow_start(struct spool_follow *f, const char *id, struct error *err)
{
	*f = (struct spool_follow){.spool = SPOOL_INIT};
	return spool_find(id, &f->spool, err);
}

static int was_removed(const struct spool_follow *f, struct error *err)
{
	return error_set(err, ERR_CAPTURE, "capture '%s' was stopped or removed", f->spool.id);
}

static int was_killed(struct error *err)
{
	error_set(err, ERR_CAPTURE, "the capture process was killed");
	return error_hint(err, "'jdiag tidy' removes what it has left; the JVM runs on");
}

/* Before the first state is written. */
static int no_state(struct spool_follow *f, bool alive, struct error *err)
{
	if (f->loaded || !spool_exists(&f->spool))
		return was_removed(f, err);
	if (!alive)
		return was_killed(err);
	return 0;
}

static bool same_file(const struct spool_follow *f, const struct stat *st)
{
	return st->st_ino == f->inode && st->st_ctim.tv_sec == f->changed.tv_sec &&
	       st->st_ctim.tv_nsec == f->changed.tv_nsec;
}

/* 1: there is a new one; 0: as before, or none yet. */
static int reload(struct spool_follow *f, bool alive, struct error *err)
{
	struct spool_state fresh = {0};
	struct error e = {0};
	struct stat st;

	if (fstatat(f->spool.dir, "state", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return no_state(f, alive, err);
	if (f->loaded && same_file(f, &st) && now_ms() - f->loaded < RELOAD_MS && alive)
		return 0;
	if (spool_load(&f->spool, &fresh, &e) < 0) {
		if (e.sys == ENOENT)
			return no_state(f, alive, err);
		*err = e;
		return -1;
	}
	spool_state_release(&f->state);
	f->state = fresh;
	f->inode = st.st_ino;
	f->changed = st.st_ctim;
	f->loaded = now_ms();
	return 1;
}

int spool_follow_look(struct spool_follow *f, struct error *err)
{
	bool alive, done = f->state.phase == SPOOL_COMPLETE;
	int rc;

	/* What is complete does not change any more, whoever keeps it. */
	if (done && spool_exists(&f->spool))
		return 0;
	alive = spool_alive(&f->spool);
	rc = reload(f, alive, err);
	if (rc < 0)
		return -1;
	if (f->state.phase == SPOOL_FAILED) {
		*err = f->state.error;
		return -1;
	}
	if (!alive && f->state.phase != SPOOL_COMPLETE)
		return was_killed(err);
	return rc;
}

void spool_follow_release(struct spool_follow *f)
{
	spool_close(&f->spool);
	spool_state_release(&f->state);
}
