#include "remote/proc_limits.h"

#include <stdbool.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define PLENTY 1024

/* The number behind blanks at s, which has to end with a blank or a line. */
static bool take_number(const char *s, uint64_t *ret)
{
	char digits[24];
	size_t n;

	s += strspn(s, " \t");
	n = strcspn(s, " \t\n");
	if (n >= sizeof(digits))
		return false;
	memcpy(digits, s, n);
	digits[n] = '\0';
	return str_to_u64(digits, UINT64_MAX, ret);
}

/* "Max open files            1024                 524288               files" */
uint64_t proc_parse_limit(const char *text, size_t len, const char *name)
{
	const char *line = text;
	uint64_t n;

	while (line < text + len) {
		const char *nl = strchr(line, '\n');

		if (!nl)
			break;
		if (str_starts(line, name) && line[strlen(name)] == ' ')
			return take_number(line + strlen(name), &n) ? n : UINT64_MAX;
		line = nl + 1;
	}
	return UINT64_MAX;
}

static uint64_t read_limit(const struct procfs *p, pid_t pid, const char *name)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);

	return proc_read_strings(p, pid, "limits", &b) < 0
		       ? UINT64_MAX
		       : proc_parse_limit(buf_str(&b), b.len, name);
}

uint64_t proc_files_limit(const struct procfs *p, pid_t pid)
{
	return read_limit(p, pid, "Max open files");
}

struct tally {
	const struct procfs *proc;
	uint64_t uid, tasks;
};

static bool read_user(const struct procfs *p, pid_t pid, uint64_t *uid, uint64_t *tasks)
{
	auto_buf struct buf b = BUF_INIT(MAX_PROC_FILE);
	const char *u, *t;

	if (proc_read_strings(p, pid, "status", &b) < 0)
		return false;
	u = strstr(buf_str(&b), "\nUid:");
	t = strstr(buf_str(&b), "\nThreads:");
	return u && t && take_number(u + strlen("\nUid:"), uid) &&
	       take_number(t + strlen("\nThreads:"), tasks);
}

static int count(void *ctx, pid_t pid)
{
	struct tally *t = ctx;
	uint64_t uid, tasks;

	if (read_user(t->proc, pid, &uid, &tasks) && uid == t->uid)
		t->tasks += tasks;
	return 0;
}

/* Of all users: "0.42 0.37 0.30 2/512 4711". */
static bool read_all_tasks(const struct procfs *p, uint64_t *ret)
{
	auto_buf struct buf b = BUF_INIT(256);
	const char *slash;

	if (io_read_file(p->fd, "loadavg", &b) < 0)
		return false;
	slash = strchr(buf_str(&b), '/');
	return slash && take_number(slash + 1, ret);
}

uint64_t proc_tasks_left(const struct procfs *p, pid_t pid)
{
	uint64_t limit = read_limit(p, pid, "Max processes"), own, all;
	struct tally t = {.proc = p};

	if (limit == UINT64_MAX || !read_user(p, pid, &t.uid, &own) || !t.uid)
		return UINT64_MAX;
	/* To look at each process of a node takes long. */
	if (read_all_tasks(p, &all) && all < limit && limit - all >= PLENTY)
		return limit - all;
	if (procfs_each(p, count, &t) < 0)
		return UINT64_MAX;
	return t.tasks < limit ? limit - t.tasks : 0;
}
