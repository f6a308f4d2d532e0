/* What a process may use, by the limits of its cgroup and of all above. */
#include <stdint.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/cgroup.h"
#include "remote/rootpath.h"

#define NO_LIMIT (1ull << 60) /* v1 writes LONG_MAX rounded to pages for "none" */

/* The names of one version of the memory controller. */
struct memory_files {
	const char *limit, *usage, *reclaimable;
};

static const struct memory_files memory_files[] = {
	{"memory.limit_in_bytes", "memory.usage_in_bytes", "\ntotal_inactive_file "},
	{"memory.max", "memory.current", "\ninactive_file "},
};

/* One line of a file of the directory, without its end. */
static bool read_line(int dir, const char *file, struct buf *b)
{
	if (rootpath_read(dir, file, b, NULL) < 0 || b->len == 0 || b->data[b->len - 1] != '\n')
		return false;
	b->data[--b->len] = '\0';
	return true;
}

/* A number in a file of the directory; 0: none ("max", "-1", huge, or not there). */
static uint64_t read_number(int dir, const char *file)
{
	auto_buf struct buf b = BUF_INIT(64);
	uint64_t n;

	return read_line(dir, file, &b) && str_to_u64(b.data, NO_LIMIT - 1, &n) ? n : 0;
}

/* ---- memory ---- */

struct memory {
	uint64_t limit, usage;
	bool found;
};

/*
 * The limit that is met first is the smallest from the process's cgroup up to the root: CRI-O with
 * crun puts the process into a child of the one that is limited, and a pod has a limit of its own.
 * The usage is that of the limited one, which counts its children.
 */
static int look_at_memory(void *ctx, int dir, bool v2)
{
	struct memory *m = ctx;
	uint64_t max = read_number(dir, memory_files[v2].limit);
	uint64_t now = read_number(dir, memory_files[v2].usage);

	if (max && (!m->limit || max < m->limit)) {
		m->limit = max;
		m->usage = now;
	} else if (!m->found && !m->limit) {
		m->usage = now;
	}
	m->found = m->found || max || now;
	return max || now;
}

void cgroup_read_memory(const struct procfs *p, pid_t pid, const char *root, uint64_t *limit,
			uint64_t *usage)
{
	struct memory m = {0};

	(void)cgroup_each_level(p, pid, root, "memory", look_at_memory, &m);
	*limit = m.limit;
	*usage = m.usage;
}

/* Page cache that nobody uses: the kernel gives it back before it refuses anything (the kubelet
 * counts so as well). */
static uint64_t read_reclaimable(int dir, const char *field)
{
	auto_buf struct buf b = BUF_INIT(64 * KiB);
	const char *s;
	char digits[24];
	size_t n;
	uint64_t v;

	if (rootpath_read(dir, "memory.stat", &b, NULL) < 0 || !(s = strstr(buf_str(&b), field)))
		return 0;
	s += strlen(field);
	n = strcspn(s, "\n");
	if (n >= sizeof(digits))
		return 0;
	memcpy(digits, s, n);
	digits[n] = '\0';
	return str_to_u64(digits, UINT64_MAX, &v) ? v : 0;
}

static int look_at_memory_left(void *ctx, int dir, bool v2)
{
	uint64_t *left = ctx;
	uint64_t limit = read_number(dir, memory_files[v2].limit);
	uint64_t usage = read_number(dir, memory_files[v2].usage);
	uint64_t cache = limit ? read_reclaimable(dir, memory_files[v2].reclaimable) : 0;

	usage -= cache < usage ? cache : usage;
	if (limit && (usage >= limit || limit - usage < *left))
		*left = usage < limit ? limit - usage : 0;
	return limit || usage;
}

uint64_t cgroup_memory_left(const struct procfs *p, pid_t pid, const char *root)
{
	uint64_t left = UINT64_MAX;

	(void)cgroup_each_level(p, pid, root, "memory", look_at_memory_left, &left);
	return left;
}

/* ---- processes and threads ---- */

static int look_at_tasks_left(void *ctx, int dir, bool v2)
{
	uint64_t limit = read_number(dir, "pids.max"), now = read_number(dir, "pids.current");
	uint64_t *left = ctx;

	(void)v2;
	if (limit && (now >= limit || limit - now < *left))
		*left = now < limit ? limit - now : 0;
	return limit || now;
}

uint64_t cgroup_tasks_left(const struct procfs *p, pid_t pid, const char *root)
{
	uint64_t left = UINT64_MAX;

	(void)cgroup_each_level(p, pid, root, "pids", look_at_tasks_left, &left);
	return left;
}

/* ---- CPUs ---- */

static uint64_t millicpus(uint64_t quota, uint64_t period)
{
	uint64_t n = period && quota < NO_LIMIT / 1000 ? quota * 1000 / period : 0;

	return n || !quota || !period ? n : 1;
}

/* "150000 100000" or "max 100000". */
static uint64_t parse_cpu_max(char *line)
{
	char *blank = strchr(line, ' ');
	uint64_t quota, period;

	if (!blank)
		return 0;
	*blank = '\0';
	return str_to_u64(line, NO_LIMIT, &quota) && str_to_u64(blank + 1, NO_LIMIT, &period)
		       ? millicpus(quota, period)
		       : 0;
}

static int look_at_cpus(void *ctx, int dir, bool v2)
{
	auto_buf struct buf b = BUF_INIT(64);
	uint64_t *cpus = ctx, n = 0;
	bool there;

	if (v2) {
		there = read_line(dir, "cpu.max", &b);
		n = there ? parse_cpu_max(b.data) : 0;
	} else {
		there = read_line(dir, "cpu.cfs_quota_us", &b);
		n = millicpus(read_number(dir, "cpu.cfs_quota_us"),
			      read_number(dir, "cpu.cfs_period_us"));
	}
	if (n && (!*cpus || n < *cpus))
		*cpus = n;
	return there;
}

unsigned int cgroup_millicpus(const struct procfs *p, pid_t pid, const char *root)
{
	uint64_t cpus = 0;

	(void)cgroup_each_level(p, pid, root, "cpu", look_at_cpus, &cpus);
	return cpus < UINT32_MAX ? (unsigned int)cpus : 0;
}
