#include "remote/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/attach/hotspot.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/mount.h"
#include "remote/spool/spool.h"
#include "remote/sweep.h"

/* ---- our directory in the container ---- */

/* What a killed helper left is not worth a word when it is gone. */
static void ignore(void *ctx, const char *what, const char *kept)
{
	struct capture *c = ctx;

	if (!kept)
		return;
	c->unswept = true;
	log_at(LOG_STEP, "%s is kept: %s", what, kept);
}

int capture_make_place(struct capture *c, struct error *err)
{
	const char *name = c->node->name;
	struct error e = {0};

	sweep_process(c->target.proc, c->target.ref.pid, false, ignore, c);
	c->tmp = mount_open_tmp(c->target.root, err);
	if (c->tmp < 0)
		return -1;
	/* It was looked at before the sweep: the socket may have lain in what a killed helper left.
	 */
	c->target.jvm.listening &= hotspot_listens(c->tmp, c->target.jvm.ns_pid);
	c->place = private_dir_create(&c->target, c->tmp, name, &e);
	if (c->place < 0 && hotspot_tmp_unwritable(&c->target.jvm, e.sys)) {
		c->cover = mount_tmpfs(&c->target, c->tmp, err);
		if (c->cover < 0)
			return -1;
		c->place = private_dir_create(&c->target, c->cover, name, &e);
	}
	if (c->place >= 0)
		return 0;
	*err = e;
	return -1;
}

int capture_tmp(const struct capture *c)
{
	return c->cover >= 0 ? c->cover : c->tmp;
}

/* ---- the strategy ---- */

static int undo_strategy(struct capture *c, struct error *err)
{
	int rc = c->strategy ? c->strategy->settle(c, err) : 0;

	c->strategy = NULL;
	c->dir = -1;
	fifos_remove(&c->fifos);
	return rc;
}

static int try_strategy(struct capture *c, const struct strategy *s, struct error *err)
{
	const char *why = s->unsuited ? s->unsuited(c->target.jvm.version, c->help) : NULL;
	struct error left = {0};

	if (why)
		return error_set(err, ERR_CAPTURE, "the strategy '%s' cannot be used: %s", s->name,
				 why);
	if (c->ring && s->needs_spool) {
		error_set(err, ERR_CAPTURE, "the strategy '%s' cannot be used without a spool",
			  s->name);
		return error_hint(err, "leave --no-spool out");
	}
	c->strategy = s;
	if (s->prepare(c, err) == 0)
		return 0;
	if (undo_strategy(c, &left) < 0) {
		c->left = left;
		error_hint(err, "left behind: %s", left.msg);
	}
	return error_prefix(err, "the strategy '%s' cannot be used", s->name);
}

/* A way that is not this JVM's is not worth a word; one that failed is. */
static void note_failure(struct capture *c, const struct strategy *s, const struct error *e)
{
	if (!s->unsuited || !s->unsuited(c->target.jvm.version, NULL))
		snprintf(c->notice, sizeof(c->notice), "%.250s", e->msg);
}

int capture_prepare(struct capture *c, const char *strategy, struct error *err)
{
	const struct strategy *s = strategy_find(strategy);
	struct error e = {0}, first = {0};

	if (*strategy && !s)
		return error_set(err, ERR_USAGE, "unknown strategy '%s'", strategy);
	if (s)
		return try_strategy(c, s, err);
	for (size_t i = 0; (s = strategy_at(i)); i++) {
		e.code = ERR_NONE;
		e.hint[0] = '\0';
		if (try_strategy(c, s, &e) == 0)
			return 0;
		note_failure(c, s, &e);
		if (!first.code && *c->notice)
			first = e;
	}
	*err = first.code ? first : e;
	return first.code && !c->ring ? error_hint(err, "the next way failed too: %s", e.msg) : -1;
}

/* ---- the file of a strategy without FIFOs ---- */

/* With the right to write, the space of what was read can be given back. */
static int reopen(int seen)
{
	char self[48];
	int fd;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", seen);
	fd = open(self, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Looked at first, and then exactly that is opened. */
int capture_open_file(const struct capture *c, int *ret_fd, struct error *err)
{
	auto_fd int seen = openat(c->dir, CAPTURE_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int fd;

	if (seen < 0 && errno == ENOENT)
		return 0;
	if (seen < 0 || fstat(seen, &st) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot open the dump");
	if (!S_ISREG(st.st_mode) || st.st_uid != c->target.jvm.uid || st.st_nlink != 1)
		return error_set(err, ERR_CAPTURE,
				 "what lies where the dump should be is not a plain file of the "
				 "JVM's user (mode %o, uid %u, %lu links)",
				 st.st_mode, st.st_uid, (unsigned long)st.st_nlink);
	fd = reopen(seen);
	if (fd < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot open the dump");
	*ret_fd = fd;
	return 1;
}

/* ---- the end ---- */

static void note_left(struct capture *c, int rc, const struct error *e)
{
	if (rc < 0 && !c->left.code)
		c->left = *e;
}

void capture_settle(struct capture *c)
{
	struct error e = {0};

	note_left(c, undo_strategy(c, &e), &e);
	if (c->place >= 0)
		note_left(c, private_dir_remove(&c->target, capture_tmp(c), c->node->name, &e), &e);
	fd_close(&c->place);
	if (c->cover >= 0)
		note_left(c, mount_detach(&c->target, c->cover, &e), &e);
	fd_close(&c->cover);
	fd_close(&c->tmp);
	/* A tmpfs with a trigger whose signal never came, or was not handled: now it was. */
	if (c->unswept && c->target.lock >= 0)
		sweep_process(c->target.proc, c->target.ref.pid, false, ignore, c);
	c->unswept = false;
	/* Unlocks the JVM; its root and namespace keep the container's file systems busy. */
	target_close(&c->target);
}
