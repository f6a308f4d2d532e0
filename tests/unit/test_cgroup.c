/* remote */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/cgroup.h"
#include "tests/unit/tree.h"

#define A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define PID 100

/* tests/fixtures/proc/SHAPE/100/cgroup: every shape that facts know of. */
static const struct {
	const char *shape, *id;
} shapes[] = {
	{"k8s-cgroupfs-v1", A},
	{"k8s-cgroupfs-guaranteed-v1", A},
	{"k8s-systemd-docker-v1", A},
	{"k8s-systemd-containerd-v2", A},
	{"k8s-systemd-guaranteed-v2", A},
	{"k8s-driver-mismatch-v2", A},
	{"k8s-driver-mismatch-v1", A},
	{"k8s-extra-child-v1", A},
	{"k8s-init-scope-v2", A},
	{"k8s-deleted-v2", A},
	{"k8s-other-cgroupns-v2", A},
	{"crio-v2", A},
	{"crio-v1", A},
	{"crio-conmon-v2", ""},
	{"docker-cgroupfs-v1", A},
	{"docker-systemd-v2", A},
	{"docker-nested-v1", B},
	{"docker-hybrid", A},
	{"docker-hybrid-unified-root", A},
	{"podman-v2", A},
	{"podman-v1", A},
	{"podman-rootless-v2", A},
	{"podman-quadlet-v2", A},
	{"podman-conmon-v2", ""},
	{"lxc-payload-v2", "lxc:web"},
	{"lxc-old-v1", "lxc:web"},
	{"lxc-docker-inside-v2", A},
	{"nspawn-v2", "nspawn:build"},
	{"host-v2", ""},
	{"host-v1", ""},
};

static void test_all_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		char root[200], id[CONTAINER_ID_SIZE], path[PATH_MAX];
		struct procfs p;

		snprintf(root, sizeof(root), "tests/fixtures/proc/%s", shapes[i].shape);
		if (procfs_open(&p, root) < 0)
			fail_msg("no fixture '%s'", root);
		if (cgroup_container_of(&p, PID, id) < 0 || strcmp(id, shapes[i].id) != 0)
			fail_msg("%s: '%s' instead of '%s'", root, id, shapes[i].id);
		assert_int_equal(cgroup_read_path(&p, PID, path, sizeof(path)), 0);
		if (*id)
			assert_true(cgroup_path_has(path, id));
		procfs_close(&p);
	}
}

static void test_paths_without_a_container(void **state)
{
	static const char *const paths[] = {
		"/",
		"",
		"/docker/" A "0", /* 65 digits */
		"/docker/0" A,
		"/docker/x" A, /* part of a word */
		"/docker/" A "z",
		"/docker/CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB",
		"/docker/ca978112",
		"/machine.slice/machine-.scope",
		"/lxc.payload.",
		"/lxc",
		"/lxc/",
		"/lxc.monitor.web",
		"/machine.slice/libpod-conmon-" A ".scope",
	};
	char id[CONTAINER_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (cgroup_path_container(paths[i], id))
			fail_msg("'%s' gave '%s'", paths[i], id);
		assert_string_equal(id, "");
		assert_false(cgroup_path_has(paths[i], A));
		assert_false(cgroup_path_has(paths[i], ""));
	}
}

static void test_has_finds_each_level(void **state)
{
	static const char nested[] = "/lxc.payload.web/docker/" A "/docker/" B "/init.scope";

	(void)state;
	assert_true(cgroup_path_has(nested, A));
	assert_true(cgroup_path_has(nested, B));
	assert_true(cgroup_path_has(nested, "lxc:web"));
	assert_false(cgroup_path_has(nested, "lxc:we"));
	assert_false(cgroup_path_has(nested, "web"));
	assert_false(cgroup_path_has(nested, "docker"));
	assert_false(cgroup_path_has("/docker/" B, A));
	assert_false(cgroup_path_has("/crio-conmon-" A ".scope", A));
}

static void test_name_that_does_not_fit(void **state)
{
	char path[600] = "/lxc.payload.", id[CONTAINER_ID_SIZE];

	(void)state;
	memset(path + strlen(path), 'n', 500);
	assert_false(cgroup_path_container(path, id));
	assert_string_equal(id, "");
}

static void test_malformed_files(void **state)
{
	static const char *const texts[] = {
		"",
		"0::/docker/" A,     /* no line end */
		"0:/docker/" A "\n", /* one colon */
		"0::docker/" A "\n", /* not absolute */
		"0::\n",
		"nonsense\n",
		"0::/x\nnonsense\n",
	};
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(cgroup_pick_path(texts[i], strlen(texts[i]), path, sizeof(path)),
				 -EPROTO);
	assert_int_equal(cgroup_pick_path("0::/a\0b\n", 8, path, sizeof(path)), -EPROTO);
	assert_int_equal(cgroup_pick_path("0::/abcdef\n", 11, path, 7), -ENAMETOOLONG);
}

static void read_memory(const struct tree *t, uint64_t *limit, uint64_t *usage)
{
	char root[300];
	struct procfs p;

	snprintf(root, sizeof(root), "%s/proc", t->path);
	assert_int_equal(procfs_open(&p, root), 0);
	snprintf(root, sizeof(root), "%s/cgroup", t->path);
	cgroup_read_memory(&p, PID, root, limit, usage);
	procfs_close(&p);
}

/* CRI-O with crun: the limit is on the parent, the pod's is larger. */
static void test_memory_v2(void **state)
{
	uint64_t limit, usage;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "proc/100/cgroup", "0::/kubepods.slice/crio-x.scope/container\n");
	tree_text(&t, "cgroup/memory.current", "999999999\n");
	tree_text(&t, "cgroup/kubepods.slice/memory.max", "1073741824\n");
	tree_text(&t, "cgroup/kubepods.slice/memory.current", "800000000\n");
	tree_text(&t, "cgroup/kubepods.slice/crio-x.scope/memory.max", "536870912\n");
	tree_text(&t, "cgroup/kubepods.slice/crio-x.scope/memory.current", "400000000\n");
	tree_text(&t, "cgroup/kubepods.slice/crio-x.scope/container/memory.max", "max\n");
	tree_text(&t, "cgroup/kubepods.slice/crio-x.scope/container/memory.current", "300000000\n");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 536870912);
	assert_int_equal(usage, 400000000);
	tree_text(&t, "cgroup/kubepods.slice/memory.max", "max\n");
	tree_text(&t, "cgroup/kubepods.slice/crio-x.scope/memory.max", "max\n");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 0);
	assert_int_equal(usage, 300000000);
	tree_close(&t);
}

static void test_memory_v1(void **state)
{
	uint64_t limit, usage;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "proc/100/cgroup", "4:cpu:/other\n3:rdma,memory:/docker/x\n0::/\n");
	tree_text(&t, "cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	tree_text(&t, "cgroup/memory/docker/x/memory.limit_in_bytes", "268435456\n");
	tree_text(&t, "cgroup/memory/docker/x/memory.usage_in_bytes", "1000000\n");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 268435456);
	assert_int_equal(usage, 1000000);
	tree_text(&t, "cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 0);
	assert_int_equal(usage, 1000000);
	tree_close(&t);
}

static void test_memory_hybrid_without_v1_controller(void **state)
{
	uint64_t limit, usage;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "proc/100/cgroup", "1:name=systemd:/a\n0::/a\n");
	tree_text(&t, "cgroup/unified/a/memory.max", "4096\n");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 4096);
	tree_close(&t);
}

static void test_memory_that_cannot_be_read(void **state)
{
	static const char *const values[] = {
		"", "\n", "12", "-1\n", "12 \n", "0x10\n", "99999999999999999999\n"};
	uint64_t limit, usage;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "proc/100/cgroup", "0::/../../a\n");
	tree_text(&t, "a/memory.max", "4096\n");
	tree_dir(&t, "cgroup");
	read_memory(&t, &limit, &usage);
	assert_int_equal(limit, 0);
	tree_text(&t, "proc/100/cgroup", "0::/a\n");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		tree_text(&t, "cgroup/a/memory.max", values[i]);
		read_memory(&t, &limit, &usage);
		assert_int_equal(limit, 0);
	}
	tree_close(&t);
}

/* The tightest of all levels. */
static void test_tasks_left(void **state)
{
	char cgroups[300];
	struct procfs p;
	struct tree t;

	(void)state;
	tree_open(&t);
	tree_text(&t, "proc/7/cgroup", "0::/pod/app\n");
	tree_text(&t, "cgroup/pod/app/pids.max", "max\n");
	tree_text(&t, "cgroup/pod/app/pids.current", "90\n");
	snprintf(cgroups, sizeof(cgroups), "%s/proc", t.path);
	assert_int_equal(procfs_open(&p, cgroups), 0);
	snprintf(cgroups, sizeof(cgroups), "%s/cgroup", t.path);
	assert_true(cgroup_tasks_left(&p, 7, cgroups) == UINT64_MAX);
	tree_text(&t, "cgroup/pod/pids.max", "100\n");
	tree_text(&t, "cgroup/pod/pids.current", "95\n");
	assert_int_equal(cgroup_tasks_left(&p, 7, cgroups), 5);
	tree_text(&t, "cgroup/pod/pids.current", "101\n");
	assert_int_equal(cgroup_tasks_left(&p, 7, cgroups), 0);
	tree_text(&t, "proc/7/cgroup", "5:pids:/small\n0::/\n");
	tree_text(&t, "cgroup/pids/small/pids.max", "64\n");
	tree_text(&t, "cgroup/pids/small/pids.current", "4\n");
	assert_int_equal(cgroup_tasks_left(&p, 7, cgroups), 60);
	procfs_close(&p);
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_shapes),
		cmocka_unit_test(test_tasks_left),
		cmocka_unit_test(test_paths_without_a_container),
		cmocka_unit_test(test_has_finds_each_level),
		cmocka_unit_test(test_name_that_does_not_fit),
		cmocka_unit_test(test_malformed_files),
		cmocka_unit_test(test_memory_v2),
		cmocka_unit_test(test_memory_v1),
		cmocka_unit_test(test_memory_hybrid_without_v1_controller),
		cmocka_unit_test(test_memory_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
