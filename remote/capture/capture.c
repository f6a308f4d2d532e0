#include "remote/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/attach/hotspot.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"
#include "remote/mount.h"
#include "remote/spool/spool.h"
#include "remote/sweep.h"

/* Our directory in the JVM's /tmp, made by the JVM's user: so the attach socket can be made there
 * as well. Where it cannot, a private tmpfs lies over /tmp until we are done. */
static int make_place(struct capture *c, struct error *err)
{
	struct error e = {0};

	c->tmp = mount_open_tmp(c->target.root, err);
	if (c->tmp < 0)
		return -1;
	/* It was looked at before the sweep: the socket may have lain in what a killed helper left.
	 */
	c->target.jvm.listening &= hotspot_listens(c->tmp, c->target.jvm.ns_pid);
	c->place = private_dir_create(&c->target, c->tmp, c->name, &e);
	if (c->place < 0 && hotspot_tmp_unwritable(&c->target.jvm, e.sys)) {
		c->cover = mount_tmpfs(&c->target, c->tmp, err);
		if (c->cover < 0)
			return -1;
		c->place = private_dir_create(&c->target, c->cover, c->name, &e);
	}
	if (c->place >= 0)
		return 0;
	*err = e;
	return -1;
}

static int try_strategy(struct capture *c, const struct strategy *s, struct error *err)
{
	c->strategy = s;
	return s->prepare(c, err);
}

/* The first that can be prepared; the failure of the one before is told when none can. */
static int choose_strategy(struct capture *c, const char *name, struct error *err)
{
	const struct strategy *s = strategy_find(name);
	struct error first = {0}, e = {0};

	if (*name && !s)
		return error_set(err, ERR_USAGE, "unknown strategy '%s'", name);
	if (s)
		return try_strategy(c, s, err);
	for (size_t i = 0; (s = strategy_at(i)); i++) {
		if (try_strategy(c, s, i ? &e : &first) == 0)
			return 0;
	}
	*err = first;
	return e.code ? error_hint(err, "the next way failed too: %s", e.msg) : -1;
}

/* What a killed helper left here is not worth a word when it is gone. */
static void ignore(void *ctx, const char *what, const char *kept)
{
	struct capture *c = ctx;

	if (!kept)
		return;
	c->unswept = true;
	log_at(LOG_STEP, "%s is kept: %s", what, kept);
}

static int set_up(struct capture *c, const char *strategy, struct error *err)
{
	if (target_lock(&c->target, err) < 0)
		return -1;
	sweep_process(c->target.proc, c->target.ref.pid, false, ignore, c);
	spool_sweep(false, false, ignore, c);
	if (jdiag_name_new(c->name, err) < 0 || make_place(c, err) < 0)
		return -1;
	return choose_strategy(c, strategy, err);
}

struct capture *capture_new(struct target *t, const char *strategy, const char *node_dir,
			    struct error *err)
{
	struct capture *c = xcalloc(1, sizeof(*c));

	*c = (struct capture){.refs = 1,
			      .target = *t,
			      .tmp = -1,
			      .cover = -1,
			      .place = -1,
			      .dir = -1,
			      .data = -1,
			      .hash = sha256_new(),
			      .patches = hotspot_patches_dump(t->jvm.version)};
	*t = TARGET_INIT;
	if (!str_copy(c->node_dir, sizeof(c->node_dir), node_dir))
		error_set(err, ERR_USAGE, "the name of the node's directory is too long");
	else if (set_up(c, strategy, err) == 0)
		return c;
	capture_unref(c);
	return NULL;
}

/* ---- the file ---- */

/* The container's user can put anything there: looked at first, and then exactly that is opened. */
static int open_data(struct capture *c, struct error *err)
{
	auto_fd int seen = openat(c->dir, CAPTURE_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[48];
	struct stat st;

	if (seen < 0 && errno == ENOENT)
		return 0;
	if (seen < 0 || fstat(seen, &st) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot open the dump");
	if (!S_ISREG(st.st_mode) || st.st_uid != c->target.jvm.uid || st.st_nlink != 1)
		return error_set(err, ERR_CAPTURE,
				 "what lies where the dump should be is not a plain file of the "
				 "JVM's user (mode %o, uid %u, %lu links)",
				 st.st_mode, st.st_uid, (unsigned long)st.st_nlink);
	snprintf(self, sizeof(self), "self/fd/%d", seen);
	c->data = openat(c->target.proc->fd, self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (c->data < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot open the dump");
	return 0;
}

static int look_at_size(struct capture *c, struct error *err)
{
	struct stat st;

	if (c->data < 0 && open_data(c, err) < 0)
		return -1;
	if (c->data < 0)
		return 0;
	if (fstat(c->data, &st) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot look at the dump");
	c->bytes = (uint64_t)st.st_size;
	return 0;
}

int capture_refresh(struct capture *c, struct error *err)
{
	if (c->final || c->failure.code)
		return 0;
	if (look_at_size(c, err) < 0)
		return -1;
	return 0;
}

int capture_read(struct capture *c, uint64_t offset, void *buf, size_t len, size_t *ret_len,
		 struct error *err)
{
	uint64_t readable = c->patches && !c->final ? 0 : c->bytes;
	ssize_t n;

	*ret_len = 0;
	if (c->data < 0 || offset >= readable)
		return 0;
	if (len > readable - offset)
		len = (size_t)(readable - offset);
	do {
		n = pread(c->data, buf, len, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot read the dump");
	if (n == 0)
		return error_set(err, ERR_CAPTURE, "the dump was cut while it was read");
	*ret_len = (size_t)n;
	return 0;
}

/* ---- the end ---- */

static void note_left(struct capture *c, const struct error *e)
{
	if (!c->left.code)
		c->left = *e;
}

/* Undo, in the reverse order; each step once. What fails is noted and the rest goes on. */
static void settle(struct capture *c)
{
	struct error e = {0};

	if (c->state && c->strategy->settle(c, &e) < 0)
		note_left(c, &e);
	c->state = NULL;
	c->dir = -1;
	if (c->place >= 0 &&
	    private_dir_remove(&c->target, c->cover >= 0 ? c->cover : c->tmp, c->name, &e) < 0)
		note_left(c, &e);
	fd_close(&c->place);
	if (c->cover >= 0 && mount_detach(&c->target, c->cover, &e) < 0)
		note_left(c, &e);
	fd_close(&c->cover);
	fd_close(&c->tmp);
	/* A tmpfs with a trigger whose signal never came, or was not handled: now it was. */
	if (c->unswept && c->final)
		sweep_process(c->target.proc, c->target.ref.pid, false, ignore, c);
	c->unswept = false;
	/* Unlocks the JVM; its root and namespace keep the container's file systems busy. */
	target_close(&c->target);
}

int capture_finish(struct capture *c, struct error *err)
{
	if (look_at_size(c, err) < 0)
		return -1;
	if (c->data < 0 || !c->bytes)
		return error_set(err, ERR_CAPTURE,
				 "the JVM says that it wrote a dump, but there is none");
	c->final = true;
	settle(c);
	return 0;
}

void capture_fail(struct capture *c, const struct error *why)
{
	if (c->final || c->failure.code)
		return;
	c->failure = *why;
	settle(c);
	fd_close(&c->data);
}

struct capture *capture_ref(struct capture *c)
{
	c->refs++;
	return c;
}

void capture_unref(struct capture *c)
{
	if (!c || --c->refs)
		return;
	settle(c);
	fd_close(&c->data);
	target_close(&c->target);
	sha256_free(c->hash);
	free(c);
}
