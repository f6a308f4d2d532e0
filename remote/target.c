#include "remote/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "remote/base/io.h"
#include "remote/rootpath.h"

#define LOCK_TRIES 20 /* 5 ms each: `tidy` of another helper holds it for an instant */

/* In it, perhaps in a container inside it. */
static bool is_in(const struct target *t, const char *container)
{
	char path[PATH_MAX];

	return cgroup_read_path(t->proc, t->ref.pid, path, sizeof(path)) == 0 &&
	       cgroup_path_has(path, container);
}

static int check_identity(const struct target *t, const char *container, struct error *err)
{
	const struct jvm *j = &t->jvm;

	if (j->start_time != t->ref.start_time || !procref_alive(t->proc, &t->ref))
		return error_set(err, ERR_TARGET, "process %d has ended", (int)t->ref.pid);
	if (*container && strcmp(container, j->container) != 0 && !is_in(t, container))
		return error_set(err, ERR_TARGET, "process %d is not in container '%s' but in '%s'",
				 (int)t->ref.pid, container, *j->container ? j->container : "none");
	if (j->kind != JVM_HOTSPOT)
		return error_set(err, ERR_ATTACH,
				 "process %d is an OpenJ9 JVM, which this version cannot attach to",
				 (int)t->ref.pid);
	return 0;
}

int target_hold(struct target *t, const struct procfs *proc, pid_t pid, uint64_t start,
		struct error *err)
{
	t->proc = proc;
	if (procref_open(proc, pid, start, &t->ref, err) < 0)
		return -1;
	t->root = rootpath_root(proc, pid);
	if (t->root < 0)
		return error_sys(err, ERR_NODE, -t->root, "cannot open the root of process %d",
				 (int)pid);
	t->ns = enter_open_ns(proc, pid);
	if (t->ns < 0)
		return error_sys(err, ERR_NODE, -t->ns,
				 "cannot open the mount namespace of process %d", (int)pid);
	/* Both were opened by pid: they count only if it was the same process all the time. */
	if (!procref_alive(proc, &t->ref))
		return error_set(err, ERR_TARGET, "process %d has ended", (int)pid);
	return 0;
}

static int open_target(struct target *t, const struct procfs *proc, uint64_t pid, uint64_t start,
		       const char *container, struct error *err)
{
	if (target_hold(t, proc, (pid_t)pid, start, err) < 0 ||
	    jvm_inspect(proc, (pid_t)pid, &t->jvm, err) < 0)
		return -1;
	return check_identity(t, container, err);
}

int target_open(struct target *t, const struct procfs *proc, const struct jsonr *params,
		struct error *err)
{
	auto_target struct target n = TARGET_INIT;
	char container[CONTAINER_ID_SIZE] = "";
	uint64_t pid = 0, start = 0;

	if (jsonr_u64(params, "pid", &pid, err) < 0 ||
	    jsonr_u64(params, "start_time", &start, err) < 0 ||
	    jsonr_string(params, "container", container, sizeof(container), err) < 0)
		return -1;
	if (!pid || pid > INT_MAX)
		return error_set(err, ERR_FAILED, "the request names no process");
	if (open_target(&n, proc, pid, start, container, err) < 0)
		return -1;
	*t = n;
	n = TARGET_INIT;
	return 0;
}

/* All helpers of a node see the same procfs, and the inode of a process's directory stays the same
 * as long as somebody has it open: so its flock excludes them from each other, and needs no file
 * that could be left behind. The container's own /proc is another instance. */
int target_lock(struct target *t, struct error *err)
{
	auto_fd int fd = -1;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)t->ref.pid);
	fd = openat(t->proc->fd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, ERR_TARGET, errno, "cannot open process %s", pid);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			t->lock = STEAL_FD(fd);
			return 0;
		}
		if (errno != EWOULDBLOCK)
			return error_sys(err, ERR_NODE, errno, "cannot lock process %s", pid);
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	error_set(err, ERR_REFUSED, "another helper is at work on JVM %s of this node", pid);
	return error_hint(err, "wait until it has ended");
}

struct enter_request target_enter(const struct target *t)
{
	return (struct enter_request){
		.target = &t->ref,
		.ns = t->ns,
		.root = t->root,
		.join_mnt = true,
		.take_creds = true,
		.uid = t->jvm.uid,
		.gid = t->jvm.gid,
	};
}

void target_close(struct target *t)
{
	procref_close(&t->ref);
	fd_close(&t->root);
	fd_close(&t->ns);
	fd_close(&t->lock);
}
