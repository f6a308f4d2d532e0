#include "remote/place/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/enter.h"
#include "remote/mount.h"
#include "remote/pass_fd.h"
#include "remote/place/place.h"
#include "remote/place/spots.h"
#include "remote/rootpath.h"
#include "remote/sweep.h"

#define MOUNT_SIZE "192m"      /* what is not filled takes no memory */
#define LEAST_FREE (256 * MiB) /* of the node's memory */
#define MAX_MOUNTINFO (8 * MiB)
#define ENTER_MS 3000
#define MAX_TRIED 2   /* each costs a child; a container can make many */
#define LOCK_TRIES 20 /* 5 ms each */

/* ---- one that is there ---- */

struct reach {
	const struct target *t;
	const char *point;
	bool anybodys;
	int channel;
};

/* It is a tmpfs, and the own user's: the helper can ask that descriptor without waiting. */
static int run_reach(void *ctx, struct buf *answer, struct error *err)
{
	const struct reach *r = ctx;
	auto_fd int fd = rootpath_open(r->t->root, r->point, O_PATH | O_DIRECTORY);
	struct statfs s;
	struct stat st;

	(void)answer;
	if (fd < 0 || fstatfs(fd, &s) < 0 || s.f_type != TMPFS_MAGIC || fstat(fd, &st) < 0 ||
	    (!r->anybodys && st.st_uid != geteuid()) || pass_fd(r->channel, fd) < 0)
		return error_set(err, ERR_NODE, "it is not ours");
	return 0;
}

/* The container may have mounted on the way what never answers: a child goes there. */
static int reach(const struct target *t, const char *point, bool anybodys)
{
	struct reach r = {t, point, anybodys, -1};
	struct error e = {0};

	return enter_run_passing(t->proc,
				 (struct enter_request){
					 .target = &t->ref,
					 .take_creds = !anybodys,
					 .uid = t->jvm.uid,
					 .gid = t->jvm.gid,
					 .fds = {t->root},
					 .n_fds = 1,
					 .run = run_reach,
					 .ctx = &r,
					 .timeout_ms = ENTER_MS,
				 },
				 &r.channel, NULL, &e);
}

/* The place of a mount that mountinfo names is what it says. (The numbers of mounts and of file
 * systems are used again when they are free.) */
static int open_mount(const struct target *t, const struct mount_line *line, bool anybodys)
{
	auto_fd int fd = spot_is_plain(line->point) ? reach(t, line->point, anybodys) : -1;
	struct stat st;

	if (fd < 0 || mount_id(t->proc, fd) != line->id || fstat(fd, &st) < 0 ||
	    st.st_dev != line->dev)
		return -1;
	return STEAL_FD(fd);
}

bool agent_mount_find(const struct target *t, const char *point, struct agent_mount *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_MOUNTINFO);
	struct mount_line line;
	char path[32], *text, *rest;
	unsigned int n = 0;

	snprintf(path, sizeof(path), "%d/mountinfo", (int)t->ref.pid);
	if (io_read_file(t->proc->fd, path, &b) < 0 || !b.len)
		return false;
	for (text = strtok_r(b.data, "\n", &rest); text; text = strtok_r(NULL, "\n", &rest)) {
		int fd;

		if (!mount_line_parse(text, &line) || !mount_line_is_agents(&line) ||
		    (point && strcmp(point, line.point) != 0))
			continue;
		if (n++ == MAX_TRIED)
			return false;
		fd = open_mount(t, &line, false);
		if (fd < 0)
			continue;
		*ret = AGENT_MOUNT_INIT;
		ret->fd = fd;
		ret->attached = true;
		snprintf(ret->point, sizeof(ret->point), "%s", line.point);
		return true;
	}
	return false;
}

bool agent_mount_open(struct target *t, const struct mount_line *line, struct agent_mount *ret)
{
	int fd = open_mount(t, line, true);
	struct stat st;

	if (fd < 0)
		return false;
	*ret = AGENT_MOUNT_INIT;
	ret->fd = fd;
	ret->attached = true;
	snprintf(ret->point, sizeof(ret->point), "%s", line->point);
	if (fstat(fd, &st) < 0)
		return false;
	t->jvm.uid = st.st_uid;
	t->jvm.gid = st.st_gid;
	return true;
}

int agent_mount_lock(struct agent_mount *m, struct error *err)
{
	auto_fd int fd = openat(m->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot open '%s'", m->point);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			m->lock = STEAL_FD(fd);
			return 0;
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	error_set(err, ERR_REFUSED, "another helper is at work on '%s' in the container", m->point);
	return error_hint(err, "wait until it has ended");
}

/* ---- a new one ---- */

static int set_number(int fs, const char *key, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0);
}

static int check_memory(const struct target *t, struct error *err)
{
	uint64_t available;

	if (proc_read_available(t->proc, &available) < 0 || available >= LEAST_FREE)
		return 0;
	return error_sys(err, ERR_NODE, ENOSPC, "too little memory on the node for a tmpfs");
}

int agent_mount_make(const struct target *t, struct agent_mount *ret, struct error *err)
{
	auto_fd int fs = -1;
	int fd;

	if (check_memory(t, err) < 0)
		return -1;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", PLACE_SOURCE, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", MOUNT_SIZE, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    set_number(fs, "uid", t->jvm.uid) < 0 || set_number(fs, "gid", t->jvm.gid) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a tmpfs");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a tmpfs");
	*ret = AGENT_MOUNT_INIT;
	ret->fd = fd;
	ret->is_new = true;
	return 0;
}

/* The file system as a whole, by descriptor. */
static int reconfigure(const struct agent_mount *m, bool writable, struct error *err)
{
	auto_fd int fs = fspick(m->fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, writable ? "rw" : "ro", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make our tmpfs %s",
				 writable ? "writable" : "read-only");
	return 0;
}

static bool is_read_only(const struct agent_mount *m)
{
	struct statvfs s;

	return fstatvfs(m->fd, &s) == 0 && (s.f_flag & ST_RDONLY);
}

int agent_mount_writable(const struct target *t, const struct agent_mount *m, bool writable,
			 struct error *err)
{
	struct error e = {0};

	if (reconfigure(m, writable, &e) == 0)
		return writable && m->attached && is_read_only(m)
			       ? mount_read_only(t, m->fd, false, err)
			       : 0;
	/* EBUSY: a file without a name is open (fs/super.c, sb_prepare_remount_readonly). The
	 * exporter opens its configuration, and leaves the closing to the garbage collector. */
	if (writable || !m->attached || e.sys != EBUSY) {
		if (err)
			*err = e;
		return -1;
	}
	if (mount_read_only(t, m->fd, true, &e) < 0)
		log_at(LOG_WARN, "'%s' in the container stays writable for the JVM's user: %s",
		       m->point, e.msg);
	return 0;
}

static int run_find_empty(void *ctx, struct buf *answer, struct error *err)
{
	const int *channel = ctx;
	const char *path;
	auto_fd int at = spot_empty_dir(&path);

	if (at == -ENOSYS)
		return error_sys(err, ERR_NODE, ENOSYS, "cannot mount there before kernel 5.6");
	if (at < 0 || pass_fd(*channel, at) < 0)
		return error_sys(err, ERR_NODE, EROFS, "no directory of the image is empty");
	buf_adds(answer, path);
	return 0;
}

/* As the JVM sees it: a directory that it can look into. O_PATH; the root itself may be a FUSE. */
static int find_empty(const struct target *t, struct buf *ret, struct error *err)
{
	struct enter_request r = target_enter(t);
	int channel;

	r.run = run_find_empty;
	r.ctx = &channel;
	r.timeout_ms = ENTER_MS;
	return enter_run_passing(t->proc, r, &channel, ret, err);
}

int agent_mount_attach(const struct target *t, struct agent_mount *m, struct error *err)
{
	auto_buf struct buf path = BUF_INIT(sizeof(m->point) - 1);
	auto_fd int at = find_empty(t, &path, err);

	if (at < 0 || mount_attach(t, m->fd, at, err) < 0)
		return -1;
	m->attached = true;
	snprintf(m->point, sizeof(m->point), "%s", buf_str(&path));
	return 0;
}

int agent_mount_remove(const struct target *t, struct agent_mount *m, struct error *err)
{
	int rc = m->attached ? mount_detach(t, m->fd, err) : 0;

	m->attached = false;
	return rc;
}

void agent_mount_close(struct agent_mount *m)
{
	fd_close(&m->lock);
	fd_close(&m->fd);
}
