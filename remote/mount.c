#include "remote/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/enter.h"
#include "remote/rootpath.h"

#define ENTER_MS 2000 /* a mount or a mkdir; a dead network file system must not hold us */
#define MAX_ENTRIES 4096
#define SAFE_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

int mount_clone(int dirfd, struct error *err)
{
	struct mount_attr attr = {.attr_set = SAFE_ATTRS, .propagation = MS_PRIVATE};
	auto_fd int fd = open_tree(dirfd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot clone a mount%s",
				 errno == ENOSYS ? " (kernel before 5.2)" : "");
	/* ENOSYS before 5.12: the directory is the JVM user's own in any case. */
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 && errno != ENOSYS)
		return error_sys(err, ERR_NODE, errno, "cannot restrict a mount");
	return STEAL_FD(fd);
}

struct mount_job {
	int mount, at;
};

static int run_attach(void *ctx, struct buf *answer, struct error *err)
{
	const struct mount_job *j = ctx;

	(void)answer;
	if (fchdir(j->at) < 0 ||
	    move_mount(j->mount, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "cannot mount into the container");
	return 0;
}

static int run_detach(void *ctx, struct buf *answer, struct error *err)
{
	const struct mount_job *j = ctx;

	(void)answer;
	/* EINVAL: "." is no mount's root here any more, somebody has unmounted it. */
	if (fchdir(j->mount) < 0 || (umount2(".", MNT_DETACH) < 0 && errno != EINVAL))
		return error_sys(err, ERR_CAPTURE, errno, "cannot unmount in the container");
	return 0;
}

static int set_read_only(int mount, bool read_only, struct error *err)
{
	struct mount_attr attr = {0};

	*(read_only ? &attr.attr_set : &attr.attr_clr) = MOUNT_ATTR_RDONLY;
	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a mount %s",
				 read_only ? "read-only" : "writable");
	return 0;
}

static int run_read_only(void *ctx, struct buf *answer, struct error *err)
{
	(void)answer;
	return set_read_only(((const struct mount_job *)ctx)->mount, true, err);
}

static int run_writable(void *ctx, struct buf *answer, struct error *err)
{
	(void)answer;
	return set_read_only(((const struct mount_job *)ctx)->mount, false, err);
}

static int run_in_namespace(const struct target *t, struct mount_job *j,
			    int (*run)(void *, struct buf *, struct error *), struct error *err)
{
	struct enter_request r = {
		.target = &t->ref,
		.ns = t->ns,
		.root = t->root,
		.join_mnt = true,
		.fds = {j->mount, j->at},
		.n_fds = j->at >= 0 ? 2 : 1,
		.run = run,
		.ctx = j,
		.timeout_ms = ENTER_MS,
	};

	return enter_run(t->proc, &r, NULL, err);
}

int mount_attach(const struct target *t, int mount, int at, struct error *err)
{
	return run_in_namespace(t, &(struct mount_job){mount, at}, run_attach, err);
}

int mount_detach(const struct target *t, int mount, struct error *err)
{
	return run_in_namespace(t, &(struct mount_job){mount, -1}, run_detach, err);
}

int mount_read_only(const struct target *t, int mount, bool read_only, struct error *err)
{
	return run_in_namespace(t, &(struct mount_job){mount, -1},
				read_only ? run_read_only : run_writable, err);
}

int mount_open_tmp(int rootfd, struct error *err)
{
	int fd = rootpath_tmp(rootfd);

	if (fd >= 0)
		return fd;
	error_sys(err, ERR_ATTACH, -fd, "cannot open '/tmp' of the container");
	return fd == -ENOENT ? error_hint(err, "HotSpot's attach socket is always in /tmp; add an "
					       "emptyDir volume there")
			     : -1;
}

static int make_tmpfs(struct error *err)
{
	auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", MOUNT_SOURCE, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "1777", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a tmpfs");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, SAFE_ATTRS);
	if (fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make a tmpfs");
	return fd;
}

int mount_tmpfs(const struct target *t, int at, struct error *err)
{
	auto_fd int fd = make_tmpfs(err);

	if (fd < 0 || mount_attach(t, fd, at, err) < 0)
		return error_prefix(err, "the JVM cannot write its /tmp");
	return STEAL_FD(fd);
}

struct dir_job {
	int parent;
	const char *name;
};

static int run_create(void *ctx, struct buf *answer, struct error *err)
{
	const struct dir_job *j = ctx;

	(void)answer;
	if (mkdirat(j->parent, j->name, 0700) < 0)
		return error_sys(err, ERR_CAPTURE, errno,
				 "cannot create a directory in the container as uid %u", geteuid());
	return 0;
}

static int run_possible(void *ctx, struct buf *answer, struct error *err)
{
	const struct dir_job *j = ctx;

	(void)answer;
	if (faccessat(j->parent, ".", W_OK | X_OK, 0) < 0)
		return error_sys(err, ERR_CAPTURE, errno, "not writable");
	return 0;
}

static int remove_files(int dir)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;

	if (!d)
		return -errno;
	for (int i = 0; i < MAX_ENTRIES && (e = readdir(d)); i++)
		if (e->d_type != DT_DIR)
			(void)unlinkat(dir, e->d_name, 0); /* what stays makes the rmdir fail */
	closedir(d);
	return 0;
}

static int run_remove(void *ctx, struct buf *answer, struct error *err)
{
	const struct dir_job *j = ctx;
	int dir = openat(j->parent, j->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = dir < 0 ? -errno : remove_files(dir);

	(void)answer;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0 || (unlinkat(j->parent, j->name, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return error_sys(err, ERR_CAPTURE, rc < 0 ? -rc : errno,
				 "cannot remove '%s' in the container", j->name);
	return 0;
}

static int run_remove_file(void *ctx, struct buf *answer, struct error *err)
{
	const struct dir_job *j = ctx;

	(void)answer;
	if (unlinkat(j->parent, j->name, 0) < 0 && errno != ENOENT)
		return error_sys(err, ERR_CAPTURE, errno, "cannot remove '%s' in the container",
				 j->name);
	return 0;
}

static int run_as_jvm(const struct target *t, struct dir_job *j,
		      int (*run)(void *, struct buf *, struct error *), struct error *err)
{
	struct enter_request r = {
		.target = &t->ref,
		.take_creds = true,
		.uid = t->jvm.uid,
		.gid = t->jvm.gid,
		.fds = {j->parent},
		.n_fds = 1,
		.run = run,
		.ctx = j,
		.timeout_ms = ENTER_MS,
	};

	return enter_run(t->proc, &r, NULL, err);
}

bool private_dir_possible(const struct target *t, int parent)
{
	struct error ignored = {0};

	return run_as_jvm(t, &(struct dir_job){parent, NULL}, run_possible, &ignored) == 0;
}

int private_dir_create(const struct target *t, int parent, const char *name, struct error *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (run_as_jvm(t, &(struct dir_job){parent, name}, run_create, err) < 0)
		return -1;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_CAPTURE, errno,
				 "cannot open the new directory '%s' in the container", name);
	/* In a volume with fsGroup the directory inherits the set-group-id bit. */
	if (st.st_uid != t->jvm.uid || (st.st_mode & 07777 & ~S_ISGID) != 0700)
		return error_set(err, ERR_CAPTURE,
				 "the new directory '%s' in the container was exchanged", name);
	return STEAL_FD(fd);
}

int private_dir_remove(const struct target *t, int parent, const char *name, struct error *err)
{
	return run_as_jvm(t, &(struct dir_job){parent, name}, run_remove, err);
}

int private_file_remove(const struct target *t, int parent, const char *name, struct error *err)
{
	return run_as_jvm(t, &(struct dir_job){parent, name}, run_remove_file, err);
}
