/* remote */
/* What a capture may take of a node, on trees of /proc and /sys/fs/cgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/io.h"
#include "remote/budget.h"
#include "remote/cgroup.h"
#include "tests/unit/tree.h"

#define GiB (1024 * MiB)
#define SELF 7
#define JVM 100

static struct tree tree;
static struct procfs proc;
static char cgroups[300];

static int make_tree(void **state)
{
	char root[300];

	(void)state;
	tree_open(&tree);
	snprintf(root, sizeof(root), "%s/proc", tree.path);
	snprintf(cgroups, sizeof(cgroups), "%s/cgroup", tree.path);
	tree_dir(&tree, "proc");
	tree_dir(&tree, "cgroup");
	return procfs_open(&proc, root);
}

static int remove_tree(void **state)
{
	(void)state;
	procfs_close(&proc);
	tree_close(&tree);
	return 0;
}

static void meminfo(unsigned long available_kb)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "MemTotal:       24684096 kB\nMemFree:          100000 kB\n"
		 "MemAvailable:   %8lu kB\nBuffers:           12345 kB\n",
		 available_kb);
	tree_text(&tree, "proc/meminfo", text);
}

static uint64_t available(void)
{
	return budget_available(&proc, SELF, cgroups);
}

static void test_available(void **state)
{
	(void)state;
	assert_int_equal(available(), 0);
	meminfo(8 * 1024 * 1024);
	assert_int_equal(available(), 8 * GiB);
	tree_text(&tree, "proc/meminfo", "MemTotal: 1 kB\nMemFree: 1 kB\n"); /* before 3.14 */
	assert_int_equal(available(), 0);
	tree_text(&tree, "proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 12 MB\n");
	assert_int_equal(available(), 0);
}

static void test_own_cgroup_v2(void **state)
{
	(void)state;
	meminfo(8 * 1024 * 1024);
	tree_text(&tree, "proc/7/cgroup", "0::/user.slice/session-1.scope\n");
	tree_text(&tree, "cgroup/user.slice/session-1.scope/memory.max", "max\n");
	tree_text(&tree, "cgroup/user.slice/session-1.scope/memory.current", "4096\n");
	assert_int_equal(available(), 8 * GiB);
	/* the level above counts, and page cache that nobody uses does not */
	tree_text(&tree, "cgroup/user.slice/memory.max", "2147483648\n");
	tree_text(&tree, "cgroup/user.slice/memory.current", "1610612736\n");
	assert_int_equal(available(), GiB / 2);
	tree_text(&tree, "cgroup/user.slice/memory.stat",
		  "anon 5\nactive_file 7\ninactive_file 536870912\nslab 3\n");
	assert_int_equal(available(), GiB);
	/* the tighter of two limits is not always the one that has less left */
	tree_text(&tree, "cgroup/user.slice/session-1.scope/memory.max", "1073741824\n");
	tree_text(&tree, "cgroup/user.slice/session-1.scope/memory.current", "73741824\n");
	assert_int_equal(available(), 1000000000);
	tree_text(&tree, "cgroup/user.slice/memory.current", "9999999999\n");
	assert_int_equal(available(), 0);
}

static void test_own_cgroup_v1(void **state)
{
	(void)state;
	meminfo(8 * 1024 * 1024);
	tree_text(&tree, "proc/7/cgroup", "4:memory:/small\n1:name=systemd:/\n0::/\n");
	tree_text(&tree, "cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	tree_text(&tree, "cgroup/memory/small/memory.limit_in_bytes", "104857600\n");
	tree_text(&tree, "cgroup/memory/small/memory.usage_in_bytes", "14857600\n");
	tree_text(&tree, "cgroup/memory/small/memory.stat",
		  "inactive_file 1\ntotal_inactive_file 10000000\n");
	assert_int_equal(available(), 100000000);
}

static void assert_share(const struct budget_request *r, uint64_t have, uint64_t buffer,
			 const char *why)
{
	struct budget b = {.available = have};

	budget_share(r, &b);
	assert_int_equal(b.buffer, buffer);
	if (*why)
		assert_non_null(strstr(b.why, why));
	else
		assert_string_equal(b.why, "");
}

static void test_share(void **state)
{
	struct budget_request r = {.expected = 1500 * MiB + 1};

	(void)state;
	/* what the dump needs, when a quarter is enough */
	assert_share(&r, 16 * GiB, 1501 * MiB, "");
	assert_share(&r, 4 * GiB + 12345, GiB, "25 % of the 4.0 GiB");
	/* 1 GiB stays */
	assert_share(&r, 1280 * MiB, 256 * MiB, "1 GiB has to stay free");
	assert_share(&r, 1040 * MiB, 16 * MiB, "1 GiB has to stay free");
	assert_share(&r, 1039 * MiB, 0, "1 GiB has to stay free");
	assert_share(&r, 100 * MiB, 0, "100 MiB of memory are available");
	assert_share(&r, 0, 0, "not known");
	r.expected = 0;
	assert_share(&r, 16 * GiB, GiB, "");
	r.expected = 3 * MiB;
	assert_share(&r, 16 * GiB, 3 * MiB, "");
}

static void test_share_as_the_user_says(void **state)
{
	struct budget_request r = {.expected = 1500 * MiB, .buffer = 200 * MiB + 5};

	(void)state;
	assert_share(&r, 16 * GiB, 200 * MiB, "--buffer is 200 MiB");
	r.buffer = 8 * GiB;
	assert_share(&r, 16 * GiB, 1500 * MiB, "");
	assert_share(&r, 2 * GiB, GiB, "has to stay free");
	r.buffer = MiB;
	assert_share(&r, 16 * GiB, 0, "--buffer is 1.0 MiB");
	r.buffer = 0;
	r.percent = 10;
	assert_share(&r, 10 * GiB, GiB, "10 % of the 10.0 GiB");
	r.percent = 100;
	assert_share(&r, 2 * GiB, GiB, "has to stay free");
}

static void test_share_of_a_ring(void **state)
{
	struct budget_request r = {.expected = 8 * GiB, .ring = true};
	struct budget b = {.available = 16 * GiB};

	(void)state;
	budget_share(&r, &b);
	assert_int_equal(b.buffer, 2 * GiB);
	assert_int_equal(b.ring, 2 * GiB);
	b.available = 100 * MiB;
	budget_share(&r, &b);
	assert_int_equal(b.buffer, 0);
	assert_int_equal(b.ring, BUDGET_RING);
	r.ring = false;
	budget_share(&r, &b);
	assert_int_equal(b.ring, 0);
}

static void jvm_status(const char *cpus)
{
	char text[400];

	snprintf(
		text, sizeof(text),
		"Name:\tjava\nState:\tS (sleeping)\nPid:\t100\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"
		"SigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\nCpus_allowed_list:\t%s\n",
		cpus);
	tree_text(&tree, "proc/100/status", text);
}

static unsigned int millicpus;

static unsigned int jvm_cpus(void)
{
	struct budget b = {.cpus = 16};

	budget_jvm_cpus(&proc, JVM, cgroups, &b);
	millicpus = b.jvm_millicpus;
	return b.jvm_cpus;
}

static void test_cpus_v2(void **state)
{
	(void)state;
	assert_int_equal(jvm_cpus(), 16);
	jvm_status("0-3,8,10-11");
	assert_int_equal(jvm_cpus(), 7);
	tree_text(&tree, "proc/100/cgroup", "0::/pod/app\n");
	tree_text(&tree, "cgroup/pod/app/cpu.max", "max 100000\n");
	assert_int_equal(jvm_cpus(), 7);
	tree_text(&tree, "cgroup/pod/cpu.max", "250000 100000\n");
	assert_int_equal(jvm_cpus(), 3);
	assert_int_equal(millicpus, 2500);
	tree_text(&tree, "cgroup/pod/app/cpu.max", "50000 100000\n");
	assert_int_equal(jvm_cpus(), 1);
	assert_int_equal(millicpus, 500);
	tree_text(&tree, "cgroup/pod/app/cpu.max", "1 100000\n");
	assert_int_equal(jvm_cpus(), 1);
	assert_int_equal(millicpus, 1);
	tree_text(&tree, "cgroup/pod/app/cpu.max", "9900000 100000\n");
	tree_text(&tree, "cgroup/pod/cpu.max", "50 0\n"); /* nothing a kernel writes */
	assert_int_equal(jvm_cpus(), 7);
}

static void test_cpus_v1(void **state)
{
	(void)state;
	jvm_status("0-63");
	tree_text(&tree, "proc/100/cgroup", "9:cpu,cpuacct:/docker/x\n0::/\n");
	tree_dir(&tree, "cgroup/cpu,cpuacct/docker/x");
	tree_link(&tree, "cpu,cpuacct", "cgroup/cpu");
	assert_int_equal(jvm_cpus(), 64);
	tree_text(&tree, "cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
	tree_text(&tree, "cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
	assert_int_equal(jvm_cpus(), 64);
	assert_int_equal(millicpus, 0);
	tree_text(&tree, "cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "150000\n");
	assert_int_equal(jvm_cpus(), 2);
}

static void test_cpu_lists_that_are_none(void **state)
{
	static const char *const bad[] = {"", "x", "0-", "3-1", "0-3x", "0,,1", "1,", "0-99999999"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		jvm_status(bad[i]);
		assert_int_equal(jvm_cpus(), 16);
	}
}

/* The node that this runs on. */
static void test_plan(void **state)
{
	struct budget_request r = {.expected = 64 * MiB, .dir = "/var/tmp"};
	struct error e = {0};
	struct procfs p;
	struct budget b;

	(void)state;
	assert_int_equal(procfs_open(&p, NULL), 0);
	assert_int_equal(budget_plan(&p, getpid(), &r, &b, &e), 0);
	assert_string_equal(b.base, "/var/tmp");
	assert_true(b.disk_size > 0 && b.disk_free <= b.disk_size);
	assert_true(b.max_bytes > 0 && (b.max_bytes < b.disk_free || b.max_bytes == MiB));
	assert_true(b.cpus >= 1 && b.jvm_cpus >= 1 && b.jvm_cpus <= b.cpus);
	assert_true(b.buffer <= 64 * MiB && b.ring == 0);
	r.dir[0] = '\0';
	r.ring = true;
	assert_int_equal(budget_plan(&p, 0, &r, &b, &e), 0);
	assert_true(b.ring >= BUDGET_RING && b.jvm_cpus == b.cpus);
	snprintf(r.dir, sizeof(r.dir), "/nonexistent");
	assert_int_equal(budget_plan(&p, 0, &r, &b, &e), -1);
	assert_int_equal(e.code, ERR_NODE);
	r.percent = 101;
	assert_int_equal(budget_plan(&p, 0, &r, &b, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	procfs_close(&p);
}

/* Of several times: where others have the CPU, none of its passes may go through in one go. */
static void test_rate(void **state)
{
	uint64_t fastest = UINT64_MAX;
	unsigned int best = 0;

	(void)state;
	for (int i = 0; i < 3 || (i < 100 && (best < 50 || fastest >= 2000)); i++) {
		uint64_t start = now_ms(), took;
		unsigned int rate = budget_cpu_mbps();

		took = now_ms() - start;
		fastest = took < fastest ? took : fastest;
		best = rate > best ? rate : best;
	}
	assert_in_range(best, 50, 100000);
	assert_true(fastest < 2000);
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_available),
		IN_TREE(test_own_cgroup_v2),
		IN_TREE(test_own_cgroup_v1),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_share_as_the_user_says),
		cmocka_unit_test(test_share_of_a_ring),
		IN_TREE(test_cpus_v2),
		IN_TREE(test_cpus_v1),
		IN_TREE(test_cpu_lists_that_are_none),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
