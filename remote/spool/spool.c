#include "remote/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/str.h"

#define SPARE "spare"

bool spool_id_is(const char *id)
{
	return strlen(id) == SPOOL_ID_SIZE - 1 && str_only(id, "0123456789abcdef");
}

void spool_name(const char *id, char ret[JDIAG_NAME_SIZE])
{
	snprintf(ret, JDIAG_NAME_SIZE, "%s%s", JDIAG_PREFIX, id);
}

void spool_close(struct spool *s)
{
	fd_close(&s->dir);
}

/* Takes f's descriptor over. */
static struct spool from_found(struct nodedir_found *f)
{
	struct spool s = {.dir = STEAL_FD(f->dir)};

	memcpy(s.path, f->path, sizeof(s.path));
	snprintf(s.id, sizeof(s.id), "%s", f->name + strlen(JDIAG_PREFIX));
	spool_alive(&s);
	return s;
}

int spool_find(const char *id, struct spool *ret, struct error *err)
{
	char name[JDIAG_NAME_SIZE];
	struct nodedir_found f;

	if (!spool_id_is(id))
		return error_set(err, ERR_USAGE, "'%s' is not the id of a capture", id);
	spool_name(id, name);
	if (nodedir_find(name, &f) < 0) {
		error_set(err, ERR_TARGET, "there is no capture '%s' on this node", id);
		return error_hint(err, "'jdiag spool list' shows what there is; a finished one is "
				       "removed when its time to live has passed");
	}
	*ret = from_found(&f);
	return 0;
}

bool spool_alive(struct spool *s)
{
	s->alive = nodedir_keep_reason(s->dir) != NULL;
	return s->alive;
}

bool spool_exists(const struct spool *s)
{
	struct stat st;

	return fstat(s->dir, &st) == 0 && st.st_nlink > 0;
}

/* ---- the state ---- */

int spool_load(const struct spool *s, struct spool_state *ret, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE);
	int rc = io_read_file(s->dir, "state", &b);
	struct jsonr doc;

	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot read the state of capture '%s'",
				 s->id);
	if (jsonr_parse(&doc, buf_str(&b), b.len, err) < 0) {
		if (err)
			err->code = ERR_NODE;
		return error_prefix(err, "cannot read the state of capture '%s'", s->id);
	}
	return spool_state_parse(&doc, ret, err);
}

static int write_state(int dir, const struct buf *b)
{
	auto_fd int fd = openat(dir, "state.new",
				O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : io_write_full(fd, buf_str(b), b->len);

	if (rc == 0 && renameat(dir, "state.new", dir, "state") < 0)
		rc = -errno;
	return rc;
}

void spool_reserve(int dir)
{
	auto_fd int fd =
		openat(dir, SPARE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)fallocate(fd, 0, 0, MAX_SPOOL_STATE);
}

void spool_unreserve(int dir)
{
	(void)unlinkat(dir, SPARE, 0);
}

int spool_save(int dir, const struct spool_state *s, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE);
	struct jsonw w = {.b = &b};
	int rc;

	spool_state_write(&w, NULL, s);
	rc = b.overflow ? -EFBIG : write_state(dir, &b);
	if ((rc == -ENOSPC || rc == -EDQUOT) && unlinkat(dir, SPARE, 0) == 0)
		rc = write_state(dir, &b);
	return rc < 0 ? error_sys(err, ERR_NODE, -rc, "cannot write the state of the capture") : 0;
}

/* ---- all of them ---- */

struct walk {
	int (*fn)(void *ctx, const struct spool *s, const struct spool_state *state,
		  const struct error *e);
	void *ctx;
	unsigned int n;
};

static int walk_one(void *ctx, struct nodedir_found *f)
{
	auto_free struct spool_state *state = xcalloc(1, sizeof(*state));
	auto_spool struct spool s = SPOOL_INIT;
	struct walk *w = ctx;
	struct error e = {0};
	int rc;

	/* Without a lock it is one that a capture has made for itself in the node's own /tmp, as if
	 * that were a container's. */
	if (faccessat(f->dir, "lock", F_OK, AT_SYMLINK_NOFOLLOW) < 0 || w->n >= MAX_SPOOLS)
		return 0;
	w->n++;
	s = from_found(f);
	if (spool_load(&s, state, &e) < 0)
		return w->fn(w->ctx, &s, NULL, &e);
	rc = w->fn(w->ctx, &s, state, NULL);
	spool_state_release(state);
	return rc;
}

int spool_each(int (*fn)(void *ctx, const struct spool *s, const struct spool_state *state,
			 const struct error *e),
	       void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};

	return nodedir_each(walk_one, &w);
}

/* ---- the end of one ---- */

bool spool_expired(int dir, const struct spool_state *state)
{
	auto_fd int own = -1;

	if ((state->phase != SPOOL_COMPLETE && state->phase != SPOOL_FAILED) ||
	    time(NULL) < state->expires)
		return false;
	own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return own >= 0 && flock(own, LOCK_EX | LOCK_NB) == 0;
}

/* May it go? With finished, what is complete may, and what has failed. */
static const char *keep_reason(const struct spool *s, bool finished)
{
	auto_free struct spool_state *state = xcalloc(1, sizeof(*state));
	const char *held = nodedir_keep_reason(s->dir);
	bool known = spool_load(s, state, NULL) == 0;

	spool_state_release(state);
	if (known && state->phase == SPOOL_COMPLETE) {
		/* A keeper knows better when the time has passed: this clock may have been set. */
		bool expired = !held && spool_expired(s->dir, state);

		return finished || expired ? NULL : SPOOL_KEPT_FINISHED;
	}
	if (held && known && state->phase == SPOOL_FAILED)
		return finished ? NULL : SPOOL_KEPT_FAILED;
	if (held)
		return held;
	/* Of another version: it may be a finished one all the same. */
	if (!known && state->version && !finished && time(NULL) < state->expires)
		return SPOOL_KEPT_OTHER;
	return NULL;
}

const char *spool_keep_reason(const struct spool *s)
{
	return keep_reason(s, false);
}

enum spool_phase spool_phase(const struct spool *s)
{
	auto_free struct spool_state *state = xcalloc(1, sizeof(*state));
	enum spool_phase phase = SPOOL_STARTING;

	if (spool_load(s, state, NULL) == 0)
		phase = state->phase;
	spool_state_release(state);
	return phase;
}

struct sweep {
	bool dry, finished;
	void (*fn)(void *ctx, const char *path, const char *kept);
	void *ctx;
};

static int sweep_one(void *ctx, struct nodedir_found *f)
{
	auto_spool struct spool s = from_found(f);
	const struct sweep *w = ctx;
	const char *kept = keep_reason(&s, w->finished);
	int rc;

	if (!kept && !w->dry) {
		rc = nodedir_delete(s.path);
		kept = rc < 0 ? strerror(-rc) : NULL;
	}
	w->fn(w->ctx, s.path, kept);
	return 0;
}

void spool_sweep(bool dry, bool finished, void (*fn)(void *ctx, const char *path, const char *kept),
		 void *ctx)
{
	struct sweep w = {dry, finished, fn, ctx};

	(void)nodedir_each(sweep_one, &w); /* never ends early */
}

int spool_stop(const struct spool *s, struct error *err)
{
	int rc = nodedir_signal(s->dir, SIGTERM);

	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot stop capture '%s'", s->id);
	return 0;
}

int spool_remove(struct spool *s, struct error *err)
{
	bool held = nodedir_keep_reason(s->dir) != NULL;
	enum spool_phase phase = spool_phase(s);
	int rc;

	if (held && phase != SPOOL_COMPLETE && phase != SPOOL_FAILED) {
		error_set(err, ERR_REFUSED, "capture '%s' is under way", s->id);
		return error_hint(err, "stop it first");
	}
	rc = nodedir_delete(s->path);
	if (rc < 0)
		return error_sys(err, ERR_NODE, -rc, "cannot remove '%s'", s->path);
	spool_close(s);
	return 0;
}
