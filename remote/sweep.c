#include "remote/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/enter.h"
#include "remote/mount.h"
#include "remote/nodedir.h"
#include "remote/place/dir.h"
#include "remote/place/place.h"
#include "remote/sweep_look.h"
#include "remote/target.h"

#define MAX_FOUND 64 /* mounts of ours in one namespace */
#define MAX_NAMESPACES 4096
#define MAX_SCAN 65536 /* entries of one directory */
#define MAX_MOUNTINFO (8 * MiB)
#define HANDLED_MS 3000
#define OLD_TRIGGER_S 15 /* attaching takes 10 at most */
/* A container can plant as many directories with such names as it likes: each costs a child, and
 * the connection waits meanwhile. */
#define ONE_MS 4000
#define ALL_MS 20000

#define IN_USE "in use by a running helper"
#define LATE "it takes too long: there may be more"

const char sweep_stays[] = "agents lie there, which stay as long as the container does";

struct sweep {
	const struct procfs *proc;
	pid_t own; /* the process that the caller has locked, or 0 */
	bool dry;
	sweep_fn *fn;
	void *ctx;
	ino_t *seen; /* mount namespaces */
	size_t n_seen;
	const struct mount_line
		*found; /* in the namespace in hand: their directories go with them */
	size_t n_found;
	struct place_inode agents[MAX_FOUND]; /* directories that were told of */
	size_t n_agents;
	enum { UNKNOWN, USED, UNUSED } use; /* of the namespace in hand; asked when it matters */
	ino_t ns;
	uint64_t deadline, end; /* now_ms(): for the process in hand, for all */
	bool late;		/* not all of the process in hand could be looked at */
};

/* ---- who is in use ---- */

static ino_t namespace_of(const struct procfs *p, pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%d/ns/mnt", (int)pid);
	return fstatat(p->fd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static bool is_locked(const struct procfs *p, pid_t pid)
{
	auto_fd int fd = -1;
	char path[16];

	snprintf(path, sizeof(path), "%d", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

struct lock_question {
	const struct procfs *proc;
	ino_t ns;
	pid_t own; /* locked by this helper */
};

static int ask_locked(void *ctx, pid_t pid)
{
	const struct lock_question *q = ctx;

	return pid != q->own && namespace_of(q->proc, pid) == q->ns && is_locked(q->proc, pid);
}

/* Does a helper work on a process of the namespace in hand? */
static bool in_use(struct sweep *s)
{
	struct lock_question q = {s->proc, s->ns, s->own};

	if (s->use == UNKNOWN) /* when in doubt: yes */
		s->use = procfs_each(s->proc, ask_locked, &q) != 0 ? USED : UNUSED;
	return s->use == USED;
}

/* ---- mounts ---- */

/* The directory below the mount, made by that helper for it. */
static int remove_mountpoint(struct target *t, const char *point, struct error *err)
{
	const char *name = strrchr(point, '/') + 1;
	auto_fd int parent = -1;
	char path[512];
	struct stat st;

	if (!jdiag_name_is(name))
		return 0;
	snprintf(path, sizeof(path), "%.*s", (int)(name - point), point);
	parent = look_for(t, path, name, &st);
	if (parent < 0)
		return 0;
	t->jvm.uid = st.st_uid; /* with no more rights than its owner has */
	t->jvm.gid = st.st_gid;
	return private_dir_remove(t, parent, name, err);
}

/* Is there an attach trigger in the directory that is younger than attaching takes, and no socket?
 */
static bool is_triggered(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool trigger = false, listens = false;
	struct dirent *e;
	struct stat st;

	if (!d) {
		fd_close(&fd);
		return false;
	}
	for (int i = 0; i < MAX_SCAN && (e = readdir(d)); i++) {
		listens = listens || (str_starts(e->d_name, ".java_pid") && e->d_type == DT_SOCK);
		trigger = trigger || (str_starts(e->d_name, ".attach_pid") &&
				      fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				      st.st_mtime > time(NULL) - OLD_TRIGGER_S);
	}
	closedir(d);
	return trigger && !listens;
}

static int run_wait(void *ctx, struct buf *answer, struct error *err)
{
	uint64_t deadline = now_ms() + HANDLED_MS;
	const int *dir = ctx;

	(void)answer;
	while (is_triggered(*dir)) {
		if (now_ms() >= deadline)
			return error_set(err, ERR_ATTACH, "the JVM has yet to react to a signal");
		(void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return 0;
}

/* A JVM that was signalled has to find the trigger, or it will never listen again (hotspot.c). By a
 * child, as anything can be mounted on what lies there. */
static int wait_for_jvm(const struct sweep *s, int dir, struct error *err)
{
	struct enter_request r = {
		.fds = {dir},
		.n_fds = 1,
		.run = run_wait,
		.ctx = &dir,
		.timeout_ms = HANDLED_MS + 1000,
	};

	return enter_run(s->proc, &r, NULL, err);
}

static int undo_mount(const struct sweep *s, struct target *t, const struct mount_line *m,
		      struct error *err)
{
	struct stat st;
	auto_fd int fd = look_for(t, m->point, ".", &st);

	if (fd < 0)
		return error_sys(err, ERR_NODE, -fd, "cannot open it");
	if (mount_id(s->proc, fd) != m->id)
		return error_set(err, ERR_NODE, "something else is mounted there now");
	if (strcmp(m->type, "tmpfs") == 0 && wait_for_jvm(s, fd, err) < 0)
		return -1;
	if (mount_detach(t, fd, err) < 0)
		return -1;
	return remove_mountpoint(t, m->point, err);
}

static void handle_mount(struct sweep *s, struct target *t, const struct mount_line *m)
{
	struct error e = {0};
	char what[700];

	snprintf(what, sizeof(what), "mount on '%s' in the container of process %d", m->point,
		 (int)t->ref.pid);
	if (mount_line_is_agents(m) && (in_use(s) || !place_sweep_mount(t, m, s->dry)))
		s->fn(s->ctx, what, sweep_stays);
	else if (mount_line_is_agents(m))
		s->fn(s->ctx, what, NULL);
	else if (in_use(s))
		s->fn(s->ctx, what, IN_USE);
	else if (!s->dry && undo_mount(s, t, m, &e) < 0)
		s->fn(s->ctx, what, e.msg);
	else
		s->fn(s->ctx, what, NULL);
}

static size_t find_mounts(const struct procfs *p, pid_t pid, struct mount_line *found)
{
	auto_buf struct buf b = BUF_INIT(MAX_MOUNTINFO);
	char path[32], *line, *rest;
	size_t n = 0;

	snprintf(path, sizeof(path), "%d/mountinfo", (int)pid);
	if (io_read_file(p->fd, path, &b) < 0 || !b.len)
		return 0;
	for (line = strtok_r(b.data, "\n", &rest); line && n < MAX_FOUND;
	     line = strtok_r(NULL, "\n", &rest))
		if (mount_line_parse(line, &found[n]) &&
		    (mount_line_is_ours(&found[n]) || mount_line_is_agents(&found[n])))
			n++;
	return n;
}

/* ---- directories ---- */

static bool is_mountpoint(const struct sweep *s, const char *name)
{
	for (size_t i = 0; i < s->n_found; i++)
		if (strcmp(strrchr(s->found[i].point, '/') + 1, name) == 0)
			return true;
	return false;
}

static void handle_dir(struct sweep *s, struct target *t, int parent, const char *place,
		       const struct look_dir *d)
{
	struct error e = {0};
	char what[256];

	if (is_mountpoint(s, d->name) || nodedir_is_live(d->name))
		return;
	snprintf(what, sizeof(what), "directory '%s/%s' in the container of process %d", place,
		 d->name, (int)t->ref.pid);
	t->jvm.uid = d->uid;
	t->jvm.gid = d->gid;
	if (in_use(s))
		s->fn(s->ctx, what, IN_USE);
	else if (!s->dry && private_dir_remove(t, parent, d->name, &e) < 0)
		s->fn(s->ctx, what, e.msg);
	else
		s->fn(s->ctx, what, NULL);
}

/* The working directory of one may be the home of another. */
static bool seen_before(struct sweep *s, const struct stat *st)
{
	for (size_t i = 0; i < s->n_agents; i++)
		if (s->agents[i].dev == st->st_dev && s->agents[i].ino == st->st_ino)
			return true;
	if (s->n_agents < MAX_FOUND)
		s->agents[s->n_agents++] = (struct place_inode){st->st_dev, st->st_ino};
	return false;
}

static void handle_agents(struct sweep *s, struct target *t, int parent, const struct stat *st,
			  const char *place)
{
	char what[PLACE_PATH_SIZE + 64];

	if (seen_before(s, st))
		return;
	snprintf(what, sizeof(what), "directory '%s/%s' in the container of process %d", place,
		 PLACE_DIR, (int)t->ref.pid);
	t->jvm.uid = st->st_uid;
	t->jvm.gid = st->st_gid;
	if (in_use(s))
		s->fn(s->ctx, what, IN_USE);
	else if (place_sweep(t, parent, s->dry))
		s->fn(s->ctx, what, NULL);
	else
		s->fn(s->ctx, what, sweep_stays);
}

static bool is_late(const struct sweep *s)
{
	return now_ms() >= s->deadline;
}

/* name in the directory at path: O_PATH of that, or -1. */
static int find(struct sweep *s, const struct target *t, const char *path, const char *name,
		struct stat *ret)
{
	int dir = is_late(s) ? -ETIMEDOUT : look_for(t, path, name, ret);

	s->late |= dir == -ETIMEDOUT;
	return dir < 0 ? -1 : dir;
}

static void scan_agents(struct sweep *s, struct target *t, const char *path)
{
	struct stat st;
	auto_fd int dir = find(s, t, path, PLACE_DIR, &st);

	if (dir >= 0 && S_ISDIR(st.st_mode))
		handle_agents(s, t, dir, &st, path);
}

static void scan_dir(struct sweep *s, struct target *t, const char *path, const char *place)
{
	auto_free struct look *l = xcalloc(1, sizeof(*l));
	auto_fd int dir = is_late(s) ? -ETIMEDOUT : look_into(t, path, l);

	s->late |= dir == -ETIMEDOUT || l->more;
	if (dir < 0)
		return;
	for (size_t i = 0; i < l->n && !is_late(s); i++)
		handle_dir(s, t, dir, place, &l->dirs[i]);
	if (l->has_agents && !is_late(s))
		handle_agents(s, t, dir, &l->agents, place);
}

/* ---- triggers ---- */

/* .attach_pidN, which a helper that was killed between making it and its removal leaves. It may
 * also be another tool's, which is at it: so an old one only. */
static void handle_trigger(struct sweep *s, struct target *t, pid_t ns_pid)
{
	struct error e = {0};
	char name[64], what[128];
	auto_fd int tmp = -1;
	struct stat st;

	snprintf(name, sizeof(name), ".attach_pid%d", (int)ns_pid);
	tmp = find(s, t, "/tmp", name, &st);
	if (tmp < 0 || !S_ISREG(st.st_mode) || st.st_size ||
	    st.st_mtime > time(NULL) - OLD_TRIGGER_S || in_use(s))
		return;
	snprintf(what, sizeof(what), "file '/tmp/%s' in the container of process %d", name,
		 (int)t->ref.pid);
	t->jvm.uid = st.st_uid;
	t->jvm.gid = st.st_gid;
	if (!s->dry && private_file_remove(t, tmp, name, &e) < 0)
		s->fn(s->ctx, what, e.msg);
	else
		s->fn(s->ctx, what, NULL);
}

/* ---- walking ---- */

static void sweep_namespace(struct sweep *s, pid_t pid)
{
	auto_target struct target t = TARGET_INIT;
	auto_free struct mount_line *found = xcalloc(MAX_FOUND, sizeof(*found));
	size_t n = find_mounts(s->proc, pid, found);
	struct error ignored = {0};

	if (target_hold(&t, s->proc, pid, 0, &ignored) < 0)
		return;
	/* The last mounted lies on top. */
	for (size_t i = n; i > 0 && !is_late(s); i--)
		handle_mount(s, &t, &found[i - 1]);
	s->found = found;
	s->n_found = n;
	scan_dir(s, &t, "/tmp", "/tmp");
	scan_dir(s, &t, "/var/tmp", "/var/tmp");
	s->found = NULL;
	s->n_found = 0;
	scan_agents(s, &t, "/dev/shm");
}

static void sweep_jvm(struct sweep *s, pid_t pid)
{
	auto_target struct target t = TARGET_INIT;
	char home[PLACE_PATH_SIZE];
	struct proc_status status;
	struct error ignored = {0};

	if (target_hold(&t, s->proc, pid, 0, &ignored) < 0 ||
	    proc_read_status(s->proc, pid, &status) < 0)
		return;
	scan_dir(s, &t, LOOK_CWD, "its working directory");
	if (!is_late(s) && place_home(s->proc, pid, home))
		scan_agents(s, &t, home);
	handle_trigger(s, &t, status.ns_pid);
}

static bool first_time(struct sweep *s, ino_t ns)
{
	for (size_t i = 0; i < s->n_seen; i++)
		if (s->seen[i] == ns)
			return false;
	if (s->n_seen == MAX_NAMESPACES)
		return false;
	s->seen[s->n_seen++] = ns;
	return true;
}

static void look_at(struct sweep *s, pid_t pid)
{
	char what[64];

	s->deadline = now_ms() + ONE_MS;
	s->ns = namespace_of(s->proc, pid);
	s->use = UNKNOWN;
	s->late = false;
	if (!s->ns)
		return;
	if (first_time(s, s->ns))
		sweep_namespace(s, pid);
	if (jvm_kind_of(s->proc, pid) != JVM_NONE)
		sweep_jvm(s, pid);
	if (!s->late && !is_late(s))
		return;
	snprintf(what, sizeof(what), "the container of process %d", (int)pid);
	s->fn(s->ctx, what, LATE);
}

static int sweep_one(void *ctx, pid_t pid)
{
	struct sweep *s = ctx;

	if (now_ms() >= s->end)
		return -ETIME;
	look_at(s, pid);
	return 0;
}

static void sweep_with(struct sweep *s)
{
	int rc = 0;

	s->seen = xcalloc(MAX_NAMESPACES, sizeof(*s->seen));
	s->end = now_ms() + ALL_MS;
	if (s->own)
		look_at(s, s->own);
	else
		rc = procfs_each(s->proc, sweep_one, s);
	if (rc < 0)
		s->fn(s->ctx, "/proc", rc == -ETIME ? LATE : strerror(-rc));
	free(s->seen);
}

void sweep_process(const struct procfs *p, pid_t pid, bool dry, sweep_fn *fn, void *ctx)
{
	sweep_with(&(struct sweep){.proc = p, .own = pid, .dry = dry, .fn = fn, .ctx = ctx});
}

void sweep_all(const struct procfs *p, bool dry, sweep_fn *fn, void *ctx)
{
	sweep_with(&(struct sweep){.proc = p, .dry = dry, .fn = fn, .ctx = ctx});
}
