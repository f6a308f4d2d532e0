#include "remote/budget.h"

#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "remote/base/str.h"
#include "remote/cgroup.h"
#include "remote/nodedir.h"

#define RING_BASE "/run"

static uint64_t round_down(uint64_t n)
{
	return n / MiB * MiB;
}

static uint64_t round_up(uint64_t n)
{
	return n > UINT64_MAX - MiB ? round_down(n) : round_down(n + MiB - 1);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- memory ---- */

static uint64_t percent_of(uint64_t n, unsigned int percent)
{
	return n / 100 * percent + n % 100 * percent / 100;
}

uint64_t budget_available(const struct procfs *p, pid_t self, const char *cgroups)
{
	uint64_t available;

	if (proc_read_available(p, &available) < 0)
		return 0;
	return smaller(available, cgroup_memory_left(p, self, cgroups));
}

/* What may be taken in all, and in which words it was bounded. */
static uint64_t allowance(const struct budget_request *r, uint64_t available, char *why,
			  size_t size)
{
	unsigned int percent = r->percent ? r->percent : BUDGET_PERCENT;
	uint64_t left = available > BUDGET_MEMORY_LEFT ? available - BUDGET_MEMORY_LEFT : 0;
	uint64_t wanted = r->buffer ? r->buffer : percent_of(available, percent);
	char have[16], asked[16];

	str_format_size(have, available);
	if (!available)
		snprintf(why, size, "how much memory the node has available is not known");
	else if (left < wanted)
		snprintf(why, size, "%s of memory are available, 1 GiB has to stay free", have);
	else if (r->buffer)
		snprintf(why, size, "--buffer is %s", str_format_size(asked, r->buffer));
	else
		snprintf(why, size, "%u %% of the %s of memory that are available", percent, have);
	return smaller(left, wanted);
}

void budget_share(const struct budget_request *r, struct budget *ret)
{
	uint64_t most = allowance(r, ret->available, ret->why, sizeof(ret->why));
	uint64_t need = r->expected ? round_up(r->expected) : BUDGET_UNKNOWN;

	/* A ring lies in memory as well. */
	if (r->ring)
		most /= 2;
	ret->buffer = smaller(round_down(most), need);
	if (ret->buffer < smaller(BUDGET_MIN_BUFFER, need))
		ret->buffer = 0;
	if (ret->buffer && ret->buffer >= round_up(r->expected))
		ret->why[0] = '\0';
	ret->ring = !r->ring ? 0 : ret->buffer > BUDGET_RING ? ret->buffer : BUDGET_RING;
}

/* ---- CPUs ---- */

static unsigned int own_cpus(void)
{
	cpu_set_t set;

	/* More CPUs than a cpu_set_t holds (1024): as many as it can say. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned int)CPU_COUNT(&set);
	return sysconf(_SC_NPROCESSORS_ONLN) > 0 ? (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) : 1;
}

void budget_jvm_cpus(const struct procfs *p, pid_t pid, const char *cgroups, struct budget *ret)
{
	unsigned int quota = cgroup_millicpus(p, pid, cgroups), n = ret->cpus;
	struct proc_status status;

	/* Its cpuset, as the kernel applies it to the process. */
	if (proc_read_status(p, pid, &status) == 0 && status.cpus)
		n = status.cpus;
	if (quota && quota < n * 1000)
		n = (quota + 999) / 1000;
	ret->jvm_cpus = n ? n : 1;
	ret->jvm_millicpus = quota;
}

/* ---- disk ---- */

/* Is there a file system in memory with room for a ring of that size and what it keeps behind its
 * reader? */
static bool ring_fits(const char *path, uint64_t ring, uint64_t *free)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0 || (unsigned int)fs.f_type != TMPFS_MAGIC)
		return false;
	*free = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	return *free / 2 >= ring;
}

static int choose_base(const struct budget_request *r, struct budget *ret, struct error *err)
{
	struct nodedir_base base;

	/* Without memory to spare a ring is better on a disk. */
	if (r->ring && !*r->dir && ret->buffer && ring_fits(RING_BASE, ret->ring, &ret->disk_free))
		return str_copy(ret->base, sizeof(ret->base), RING_BASE) ? 0 : -1;
	if (nodedir_choose(r->dir, &base, err) < 0)
		return -1;
	ret->disk_free = base.free;
	memcpy(ret->base, base.path, sizeof(ret->base));
	return 0;
}

static int plan_disk(const struct budget_request *r, struct budget *ret, struct error *err)
{
	struct statvfs fs;

	if (choose_base(r, ret, err) < 0)
		return -1;
	if (statvfs(ret->base, &fs) == 0)
		ret->disk_size = (uint64_t)fs.f_blocks * fs.f_frsize;
	/* Nothing free: the first write is refused, and says so. 0 would mean: no bound. */
	ret->max_bytes =
		ret->disk_free > BUDGET_DISK_LEFT + MiB ? ret->disk_free - BUDGET_DISK_LEFT : MiB;
	return 0;
}

int budget_plan(const struct procfs *p, pid_t pid, const struct budget_request *r,
		struct budget *ret, struct error *err)
{
	struct budget b = {.cpus = own_cpus()};

	if (r->percent > 100)
		return error_set(err, ERR_USAGE, "a buffer of %u %% of the memory", r->percent);
	b.available = budget_available(p, getpid(), NULL);
	budget_share(r, &b);
	if (plan_disk(r, &b, err) < 0)
		return -1;
	b.jvm_cpus = b.cpus;
	if (pid)
		budget_jvm_cpus(p, pid, NULL, &b);
	*ret = b;
	return 0;
}
