/* A stand-in for a container, and a target in it. Include cmocka.h before. */
#ifndef TESTS_UNIT_CONTAINER_H
#define TESTS_UNIT_CONTAINER_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/rootpath.h"
#include "remote/target.h"

#define UID 1234

static struct procfs proc;
static struct error err __attribute__((unused));

/* Two processes in one mount namespace with a tmpfs of that mode over /tmp. */
struct fake {
	pid_t first, second;
	struct target target; /* the second */
	int tmp;
};

static inline void fake_outer(int ready, mode_t mode)
{
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("t", "/tmp", "tmpfs", 0, NULL) < 0 || chmod("/tmp", mode) < 0)
		_exit(2);
	pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else if (pid < 0 || write(ready, &pid, sizeof(pid)) != sizeof(pid))
		_exit(3);
	for (;;)
		pause();
}

static inline void fake_start(struct fake *f, mode_t mode)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	f->first = fork();
	assert_true(f->first >= 0);
	if (f->first == 0)
		fake_outer(ends[1], mode);
	close(ends[1]);
	assert_int_equal(io_read_full(ends[0], &f->second, sizeof(f->second)), 0);
	close(ends[0]);
	f->target = TARGET_INIT;
	f->target.jvm.uid = f->target.jvm.gid = UID;
	assert_int_equal(target_hold(&f->target, &proc, f->second, 0, &err), 0);
	f->tmp = rootpath_tmp(f->target.root);
	assert_true(f->tmp >= 0);
}

static inline void fake_stop(struct fake *f)
{
	kill(f->second, SIGKILL);
	kill(f->first, SIGKILL);
	waitpid(f->first, NULL, 0);
	target_close(&f->target);
	fd_close(&f->tmp);
}

#endif
