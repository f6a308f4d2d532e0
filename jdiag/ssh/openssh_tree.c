#include "jdiag/ssh/openssh_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define MAX_THREADS 256
#define END_MS 500

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* "PID (NAME) STATE PPID ...", and the name may have blanks and brackets in it (proc(5)). */
static bool is_parent(pid_t parent, pid_t child)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)child);
	auto_buf struct buf text = BUF_INIT(4 * KiB);
	const char *end;

	if (io_read_file(AT_FDCWD, path, &text) < 0)
		return false;
	end = strrchr(buf_str(&text), ')');
	return end && strlen(end) > 4 && strtol(end + 4, NULL, 10) == parent;
}

static void add(struct process_tree *t, pid_t parent, pid_t child)
{
	auto_fd int fd = t->n < TREE_MAX ? pidfd_open(child, 0) : -1;

	if (fd < 0 || !is_parent(parent, child)) /* asked once its number cannot change hands */
		return;
	t->pids[t->n] = child;
	t->fds[t->n++] = STEAL_FD(fd);
}

/* "PID PID PID " */
static void add_children(struct process_tree *t, pid_t parent, int tasks, const char *thread)
{
	auto_free char *path = xasprintf("%s/children", thread);
	auto_buf struct buf text = BUF_INIT(16 * KiB);
	char *next;

	if (io_read_file(tasks, path, &text) < 0)
		return;
	for (const char *p = buf_str(&text); *p; p = next) {
		long pid = strtol(p, &next, 10);

		if (next == p)
			return;
		if (pid > 1)
			add(t, parent, (pid_t)pid);
		next += strspn(next, " \n");
	}
}

static void find_below(struct process_tree *t, pid_t parent)
{
	auto_free char *path = xasprintf("/proc/%d/task", (int)parent);
	auto_cleanup(dir_close) DIR *d = opendir(path);
	const struct dirent *e;

	for (int i = 0; d && i < MAX_THREADS && (e = readdir(d)); i++)
		if (e->d_name[0] != '.')
			add_children(t, parent, dirfd(d), e->d_name);
}

void tree_find(struct process_tree *t, pid_t root)
{
	t->n = 0;
	find_below(t, root);
	for (size_t i = 0; i < t->n; i++)
		find_below(t, t->pids[i]);
}

void tree_end(struct process_tree *t)
{
	uint64_t deadline = now_ms() + END_MS;

	for (size_t i = 0; i < t->n; i++)
		(void)pidfd_send_signal(t->fds[i], SIGTERM, NULL, 0);
	for (size_t i = 0; i < t->n; i++) {
		(void)!io_wait(t->fds[i], POLLIN, deadline); /* it puts the terminal right */
		fd_close(&t->fds[i]);
	}
	t->n = 0;
}
