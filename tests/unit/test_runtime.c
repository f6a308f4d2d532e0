/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/runtime/inside.h"
#include "tests/unit/fixture.h"
#include "tests/unit/tree.h"

#define A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define TASKS "io.containerd.runtime.v2.task"
#define JVM 100
#define KEEPER 50

/* A node: its root, and below it its /proc with a JVM and what keeps its container. */
struct node {
	struct tree t;
	struct procfs p;
};

static void process(struct node *n, int pid, int ppid, const char *nspid)
{
	char path[64], text[300];

	snprintf(text, sizeof(text),
		 "State:\tS (x)\nPid:\t%d\nPPid:\t%d\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
		 "NSpid:\t%s\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\n",
		 pid, ppid, nspid);
	snprintf(path, sizeof(path), "proc/%d/status", pid);
	tree_text(&n->t, path, text);
}

static void setup(struct node *n)
{
	char path[300];

	tree_open(&n->t);
	tree_dir(&n->t, "proc");
	process(n, JVM, KEEPER, "100\t1");
	process(n, KEEPER, 1, "50");
	tree_text(&n->t, "proc/100/mountinfo", "");
	tree_text(&n->t, "proc/self/mountinfo", "1 0 8:1 / / rw - ext4 x rw\n");
	tree_text(&n->t, "proc/100/cgroup", "0::/\n");
	snprintf(path, sizeof(path), "%s/proc", n->t.path);
	assert_int_equal(procfs_open(&n->p, path), 0);
}

static void teardown(struct node *n)
{
	procfs_close(&n->p);
	tree_close(&n->t);
}

static void keeper(struct node *n, const char *exe, const char *cwd, const char *args, size_t len)
{
	tree_link(&n->t, exe, "proc/50/exe");
	tree_link(&n->t, cwd, "proc/50/cwd");
	tree_write(&n->t, "proc/50/cmdline", args, len);
}

#define KEEP(n, exe, cwd, args) keeper(n, exe, cwd, args, sizeof(args))

static void put(struct node *n, const char *path, const char *name)
{
	char file[100];
	char *text;

	snprintf(file, sizeof(file), "runtime/%s", name);
	text = fixture(file);
	tree_text(&n->t, path, text);
	free(text);
}

static struct runtime_names names_of(struct node *n, const char *id)
{
	struct runtime_search *s;
	struct runtime_names names;

	memset(&names, 'x', sizeof(names));
	s = runtime_search_new(n->t.fd, &n->p);
	runtime_names_of(s, JVM, id, &names);
	assert_false(runtime_search_spent(s));
	runtime_search_free(s);
	return names;
}

static void expect(struct node *n, const char *id, const char *runtime, const char *name,
		   const char *pod, const char *ns)
{
	struct runtime_names names = names_of(n, id);

	assert_string_equal(names.runtime, runtime);
	assert_string_equal(names.name, name);
	assert_string_equal(names.pod, pod);
	assert_string_equal(names.ns, ns);
}

static void expect_nothing(struct node *n, const char *id)
{
	expect(n, id, "", "", "", "");
}

/* Where each runtime has its file by default. */
static void test_default_places(void **state)
{
	static const struct {
		const char *path, *fixture, *runtime, *name, *pod, *ns;
	} shapes[] = {
		{"run/containerd/" TASKS "/k8s.io/" A "/config.json", "containerd-cri.json",
		 "containerd", "app", "web-0", "shop"},
		{"run/k3s/containerd/" TASKS "/k8s.io/" A "/config.json", "containerd-cri.json",
		 "containerd", "app", "web-0", "shop"},
		{"run/k0s/containerd/" TASKS "/k8s.io/" A "/config.json", "containerd-cri.json",
		 "containerd", "app", "web-0", "shop"},
		{"run/containerd/" TASKS "/default/" A "/config.json", "nerdctl.json", "containerd",
		 "web", "", ""},
		{"var/lib/docker/containers/" A "/config.v2.json", "docker.json", "docker", "web",
		 "", ""},
		{"var/lib/docker/containers/" A "/config.v2.json", "docker-kubelet.json", "docker",
		 "app", "web-0", "shop"},
		{"run/containers/storage/overlay-containers/" A "/userdata/config.json",
		 "crio.json", "cri-o", "app", "web-0", "shop"},
		{"var/lib/containers/storage/overlay-containers/" A "/userdata/config.json",
		 "crio.json", "cri-o", "app", "web-0", "shop"},
		{"var/lib/containers/storage/overlay-containers/containers.json",
		 "podman-containers.json", "podman", "web", "", ""},
		{"var/lib/containers/storage/overlay-containers/volatile-containers.json",
		 "podman-containers.json", "podman", "web", "", ""},
		{"var/lib/containers/storage/vfs-containers/containers.json",
		 "podman-containers.json", "podman", "web", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct node n;

		setup(&n);
		put(&n, shapes[i].path, shapes[i].fixture);
		expect(&n, A, shapes[i].runtime, shapes[i].name, shapes[i].pod, shapes[i].ns);
		expect_nothing(&n, "");
		if (!strstr(shapes[i].path, "containers.json"))
			expect_nothing(&n, B);
		teardown(&n);
	}
}

/* lxc and nspawn have no id but their name. */
static void test_named_by_cgroup(void **state)
{
	struct node n;

	(void)state;
	setup(&n);
	expect(&n, "lxc:web", "lxc", "web", "", "");
	expect(&n, "nspawn:build", "nspawn", "build", "", "");
	teardown(&n);
}

/* docker keeps its containers in containerd's "moby", which does not know their names. */
static void test_docker_over_containerd(void **state)
{
	struct node n;

	(void)state;
	setup(&n);
	tree_text(&n.t, "run/containerd/" TASKS "/moby/" A "/config.json", "{\"annotations\":{}}");
	put(&n, "var/lib/docker/containers/" A "/config.v2.json", "docker.json");
	expect(&n, A, "docker", "web", "", "");
	teardown(&n);
}

/* A data root elsewhere, as the container's mounts tell: by its overlay, by what is bound. */
static void test_other_data_root(void **state)
{
	static const char *const mounts[] = {
		"601 502 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/data/do\\040cker/"
		"overlay2/l/X:/data/do\\040cker/overlay2/l/Y,upperdir=/data/do\\040cker/overlay2/"
		"abc/diff,workdir=/data/do\\040cker/overlay2/abc/work\n",
		"601 502 8:1 /data/do\\040cker/vfs/dir/abc / rw - ext4 /dev/sda1 rw\n",
		"601 502 8:1 / / rw - zfs tank rw\n"
		"602 601 8:1 /data/do\\040cker/containers/" A
		"/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		struct node n;

		setup(&n);
		put(&n, "data/do cker/containers/" A "/config.v2.json", "docker.json");
		expect_nothing(&n, A);
		tree_text(&n.t, "proc/100/mountinfo", mounts[i]);
		expect(&n, A, "docker", "web", "", "");
		teardown(&n);
	}
}

static void test_podman_storage_by_overlay(void **state)
{
	struct node n;

	(void)state;
	setup(&n);
	put(&n, "home/u/.local/share/containers/storage/overlay-containers/containers.json",
	    "podman-containers.json");
	tree_text(&n.t, "proc/100/mountinfo",
		  "601 502 0:50 / / rw - overlay overlay rw,lowerdir=x,upperdir=/home/u/.local/"
		  "share/containers/storage/overlay/abc/diff,workdir=y\n");
	expect(&n, A, "podman", "web", "", "");
	teardown(&n);
}

#define STORAGE "/home/u/.local/share/containers/storage/overlay-containers"
#define CONMON(id) \
	"conmon\0--api-version\0001\0-c\0" id "\0-b\0" STORAGE "/" id "/userdata\0-n\0web"

/* Without root, on cgroup v1: no cgroup of its own, and conmon says which container it is. */
static void test_podman_by_conmon(void **state)
{
	char id[CONTAINER_ID_SIZE];
	struct node n;

	(void)state;
	setup(&n);
	put(&n, &STORAGE "/containers.json"[1], "podman-containers.json");
	KEEP(&n, "/usr/bin/conmon", "/", CONMON(A));
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, A);
	expect(&n, A, "podman", "web", "", "");
	/* not the one that it keeps */
	expect_nothing(&n, B);
	teardown(&n);
}

#define SHIM(id) \
	"/usr/bin/containerd-shim-runc-v2\0-namespace\0default\0-id\0" id "\0-address\0/x.sock"

/* `ctr run IMAGE web`, with a state directory of its own. */
static void test_containerd_by_shim(void **state)
{
	char id[CONTAINER_ID_SIZE];
	struct node n;

	(void)state;
	setup(&n);
	tree_text(&n.t, "proc/100/cgroup", "5:memory:/default/web\n0::/\n");
	KEEP(&n, "/usr/bin/containerd-shim-runc-v2", "/srv/c/" TASKS "/default/web", SHIM("web"));
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, "containerd:default/web");
	expect_nothing(&n, id);
	tree_text(&n.t, "srv/c/" TASKS "/default/web/config.json",
		  "{\"root\":{\"path\":\"rootfs\"}}");
	expect(&n, id, "containerd", "web", "", "");
	teardown(&n);
}

/* A pod has one shim, which works in the bundle of the sandbox. */
static void test_cri_by_shim(void **state)
{
	struct node n;

	(void)state;
	setup(&n);
	KEEP(&n, "/usr/bin/containerd-shim-runc-v2", "/srv/c/" TASKS "/k8s.io/" B, SHIM(B));
	put(&n, "srv/c/" TASKS "/k8s.io/" A "/config.json", "containerd-cri.json");
	expect(&n, A, "containerd", "app", "web-0", "shop");
	teardown(&n);
}

/* What runs inside of a container keeps none, whatever it is called; nor does a stranger. */
static void test_false_keepers(void **state)
{
	char id[CONTAINER_ID_SIZE];
	struct node n;

	(void)state;
	setup(&n);
	KEEP(&n, "/tmp/conmon", "/", CONMON(A));
	process(&n, KEEPER, 1, "50\t7");
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, "");
	process(&n, KEEPER, 1, "50");
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, A);
	/* the cgroup goes before it */
	tree_text(&n.t, "proc/100/cgroup", "0::/docker/" B "\n");
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, B);
	teardown(&n);

	setup(&n);
	KEEP(&n, "/usr/bin/conmon-like", "/", CONMON(A));
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, "");
	teardown(&n);

	setup(&n);
	KEEP(&n, "/usr/bin/conmon", "/", CONMON(A));
	tree_text(&n.t, "proc/50/status",
		  "State:\tS (x)\nPid:\t50\nPPid:\t1\nUid:\t4\t4\t4\t4\nGid:\t0\t0\t0\t0\n"
		  "NSpid:\t50\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\n");
	assert_int_equal(keeper_container_of(&n.p, JVM, id), 0);
	assert_string_equal(id, "");
	teardown(&n);
}

static void test_keeper_command_lines(void **state)
{
	static const struct {
		enum keeper_kind kind;
		const char *args;
		size_t len;
		bool good;
	} lines[] = {
#define LINE(kind, args, good) {kind, args, sizeof(args), good}
		LINE(KEEPER_CONMON, "conmon\0-c\0" A, true),
		LINE(KEEPER_SHIM, SHIM("web"), true),
		LINE(KEEPER_CONMON, "", false),
		LINE(KEEPER_CONMON, "conmon\0-c", false),
		{KEEPER_CONMON, "conmon\0-c\0" A, sizeof("conmon\0-c\0" A) - 1, false}, /* cut */
		LINE(KEEPER_CONMON, "conmon\0-c\0", false),
		LINE(KEEPER_CONMON, "conmon\0-c\0checkout", false),
		LINE(KEEPER_CONMON, "conmon\0-c\0" A "0", false),
		LINE(KEEPER_CONMON,
		     "conmon\0-c\0CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB",
		     false),
		LINE(KEEPER_CONMON, "conmon\0-c\0../x", false),
		LINE(KEEPER_CONMON, "conmon\0-c\0a/b", false),
		LINE(KEEPER_CONMON, "conmon\0-c\0..", false),
		LINE(KEEPER_CONMON, "conmon\0-c\0" A A A, false), /* too long */
		LINE(KEEPER_SHIM, "shim\0-namespace\0a/b\0-id\0web", false),
		LINE(KEEPER_SHIM, "shim\0-namespace\0default\0-id\0\x1b[31m", false),
		LINE(KEEPER_SHIM, "shim\0-id\0web", false),
	};
	struct keeper k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (keeper_parse(lines[i].kind, lines[i].args, lines[i].len, &k) != lines[i].good)
			fail_msg("line %zu", i);
}

/* A user cannot have the id of a container of root's or of another user's. */
static void test_ids_of_users(void **state)
{
	struct keeper k = {.kind = KEEPER_CONMON, .id = A};
	char id[CONTAINER_ID_SIZE];

	(void)state;
	assert_true(keeper_name(&k, id));
	assert_string_equal(id, A);
	k.uid = 1000;
	assert_true(keeper_name(&k, id));
	assert_string_equal(id, "user:1000/" A);
	k = (struct keeper){.kind = KEEPER_SHIM, .id = "web", .ns = "default"};
	assert_true(keeper_name(&k, id));
	assert_string_equal(id, "containerd:default/web");
	k.uid = 1000;
	assert_true(keeper_name(&k, id));
	assert_string_equal(id, "user:1000/containerd:default/web");
	memset(k.id, 'x', sizeof(k.id) - 1);
	assert_false(keeper_name(&k, id));
	assert_string_equal(id, "");
}

/* A loop of parents, which only a broken /proc has, ends. */
static void test_loop_of_parents(void **state)
{
	struct keeper k;
	struct node n;

	(void)state;
	setup(&n);
	process(&n, KEEPER, JVM, "50");
	assert_false(keeper_find(&n.p, JVM, &k));
	teardown(&n);
}

/* Links, FIFOs, somebody else's files, floods and nonsense: no name, and no harm. */
static void test_hostile_files(void **state)
{
	static const char path[] = "var/lib/docker/containers/" A "/config.v2.json";
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{\"ID\":\"" B "\",\"Name\":\"/web\"}", /* of another one */
		"{\"ID\":\"" A "\",\"Name\":\"/web\"",
		"{\"Name\":\"/web\"}",
	};
	char *flood = xmalloc(MAX_RUNTIME_FILE + 2);
	struct node n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		setup(&n);
		tree_text(&n.t, path, texts[i]);
		expect_nothing(&n, A);
		teardown(&n);
	}

	setup(&n);
	put(&n, "elsewhere.json", "docker.json");
	tree_link(&n.t, "../../../../../elsewhere.json", path);
	expect_nothing(&n, A);
	teardown(&n);

	setup(&n);
	tree_parents(&n.t, path);
	assert_int_equal(mkfifoat(n.t.fd, path, 0600), 0);
	expect_nothing(&n, A);
	teardown(&n);

	setup(&n);
	memset(flood, ' ', MAX_RUNTIME_FILE + 1);
	flood[MAX_RUNTIME_FILE + 1] = '\0';
	memcpy(flood, "{\"ID\":\"" A "\"}", strlen("{\"ID\":\"" A "\"}"));
	tree_text(&n.t, path, flood);
	expect_nothing(&n, A);
	teardown(&n);
	free(flood);
}

/* Values of the wrong type or too long count as not there. */
static void test_hostile_values(void **state)
{
	static const char path[] = "var/lib/docker/containers/" A "/config.v2.json";
	char text[1000];
	struct node n;

	(void)state;
	setup(&n);
	tree_text(&n.t, path, "{\"ID\":\"" A "\",\"Name\":[\"/web\"],\"Config\":{\"Labels\":7}}");
	expect(&n, A, "docker", "", "", "");
	snprintf(text, sizeof(text),
		 "{\"ID\":\"" A "\",\"Name\":\"%0300d\",\"Config\":{\"Labels\":"
		 "{\"io.kubernetes.pod.name\":\"a\\u0000b\"}}}",
		 1);
	tree_text(&n.t, path, text);
	expect(&n, A, "docker", "", "", "");
	/* control characters are the client's to escape */
	tree_text(&n.t, path, "{\"ID\":\"" A "\",\"Name\":\"/\\u001b[31m\"}");
	expect(&n, A, "docker", "\x1b[31m", "", "");
	teardown(&n);
}

static void test_files_of_a_stranger(void **state)
{
	static const char path[] = "var/lib/docker/containers/" A "/config.v2.json";
	struct node n;

	(void)state;
	if (geteuid() != 0)
		return; /* nothing can be given away */
	setup(&n);
	put(&n, path, "docker.json");
	assert_int_equal(fchownat(n.t.fd, path, 4711, 4711, 0), 0);
	expect_nothing(&n, A);
	teardown(&n);
}

static void test_places_are_bounded(void **state)
{
	struct places p = {.n = 0};
	char line[2000];

	(void)state;
	for (unsigned int i = 0; i < 3 * MAX_PLACES; i++) {
		snprintf(line, sizeof(line), "1 2 3:4 /r%u/overlay2/x / rw - ext4 x rw\n", i);
		places_from_mounts(&p, line, strlen(line), A);
		places_from_mounts(&p, line, strlen(line), A);
	}
	assert_int_equal(p.n, MAX_PLACES);
	assert_string_equal(p.path[1], "/r1");

	p = (struct places){.n = 0};
	snprintf(line, sizeof(line), "1 2 3:4 /%01000d/overlay2/x / rw - ext4 x rw\n", 1);
	places_from_mounts(&p, line, strlen(line), A);
	places_from_mounts(&p, "\n\n1\n1 2\n1 2 3:4", 15, A);
	places_from_mounts(&p, "1 2 3:4 relative/overlay2/x / rw - ext4 x rw\n", 45, A);
	places_from_mounts(&p, "1 2 3:4 /a\\000b/overlay2/x / rw - ext4 x rw\n", 44, A);
	places_from_mounts(&p, "1 2 3:4 /a/overlay2/x / rw - ext4 x rw", 38, A); /* cut */
	assert_int_equal(p.n, 0);
}

static unsigned int places_of(const char *mountinfo)
{
	struct places p = {.n = 0};

	places_from_mounts(&p, mountinfo, strlen(mountinfo), A);
	return p.n;
}

/* Who writes a pod chooses mount points and parts of paths: neither leads anywhere. */
static void test_steered_mounts(void **state)
{
#define OVERLAY " - overlay overlay rw,lowerdir=/x,upperdir=/data/overlay2/a/diff,workdir=/y\n"
	static const char *const none[] = {
		"1 2 0:5 / /a" OVERLAY,
		"1 2 0:5 / /upperdir=/evil/overlay2/x rw - ext4 /dev/a rw\n",
		"1 2 0:5 / / rw - ext4 x rw,upperdir=/evil/overlay2/x\n",
		"1 2 0:5 / / rw - overlay upperdir=/evil/overlay2/x rw\n",
		"1 2 0:5 / / rw - overlay overlay rw,lowerdir=/upperdir=/evil/overlay2/x\n",
		"1 2 0:5 /evil/overlay2/x /data rw - ext4 /dev/a rw\n",
		"1 2 0:5 /evil/containers/" A "/hosts /etc/passwd rw - ext4 /dev/a rw\n",
		"1 2 0:5 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/v/containers/" A
		"/hostname /etc/hostname rw - ext4 /dev/a rw\n",
		"1 2 0:5 /pods/1/volumes/kubernetes.io~empty-dir/v/containers/" A
		"/hostname /etc/hostname rw - ext4 /dev/a rw\n",
		"1 2 0:5 /pods/1/volume-subpaths/v/c/0/overlay2/x /etc/hostname rw - ext4 a rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (places_of(none[i]) != 0)
			fail_msg("line %zu", i);
	assert_int_equal(places_of("1 2 0:5 / / rw" OVERLAY), 1);
}

static bool is_local(const char *mounts, const char *path, size_t *len)
{
	return places_local_mount(mounts, strlen(mounts), path, len);
}

static void test_local_mounts(void **state)
{
	static const char mounts[] = "1 0 8:1 / / rw - ext4 /dev/a rw\n"
				     "2 1 8:2 / /data rw shared:1 - xfs /dev/b rw\n"
				     "3 1 0:3 / /net rw - nfs4 host:/x rw\n"
				     "4 3 0:4 / /net/tmp rw - tmpfs tmpfs rw\n"
				     "5 2 0:5 / /data/f\\040use rw - fuse.sshfs x rw\n";
	size_t len;

	(void)state;
	assert_true(is_local(mounts, "/home/u/x", &len));
	assert_int_equal(len, 0);
	assert_true(is_local(mounts, "/data/docker", &len));
	assert_int_equal(len, 5);
	assert_true(is_local(mounts, "/database", &len));
	assert_int_equal(len, 0);
	assert_false(is_local(mounts, "/net/x", &len));
	assert_false(is_local(mounts, "/net/tmp/x", &len));
	assert_false(is_local(mounts, "/data/f use/x", &len));
	assert_false(is_local("", "/x", &len));
	assert_false(is_local("1 0 8:1 / / rw - ext4 /dev/a rw", "/x", &len)); /* cut */
}

/* A place on a file system that may not answer is not asked. */
static void test_place_on_a_net(void **state)
{
	struct node n;

	(void)state;
	setup(&n);
	put(&n, &STORAGE "/containers.json"[1], "podman-containers.json");
	KEEP(&n, "/usr/bin/conmon", "/", CONMON(A));
	expect(&n, A, "podman", "web", "", "");
	tree_text(&n.t, "proc/self/mountinfo",
		  "1 0 8:1 / / rw - ext4 x rw\n2 1 0:9 / /home rw - fuse.evil x rw\n");
	expect_nothing(&n, A);
	tree_text(&n.t, "proc/self/mountinfo", "");
	expect_nothing(&n, A);
	teardown(&n);
}

/* Many large files: at the end of the budget there are no more names, and that is said. */
static void test_budget(void **state)
{
	static const char path[] = "var/lib/docker/containers/" A "/config.v2.json";
	char *large = xmalloc(MAX_RUNTIME_FILE + 1);
	struct runtime_names names;
	struct runtime_search *s;
	unsigned int named = 0;
	struct node n;

	(void)state;
	setup(&n);
	memset(large, ' ', MAX_RUNTIME_FILE);
	large[MAX_RUNTIME_FILE] = '\0';
	memcpy(large, "{\"ID\":\"" A "\"}", strlen("{\"ID\":\"" A "\"}"));
	tree_text(&n.t, path, large);
	s = runtime_search_new(n.t.fd, &n.p);
	for (int i = 0; i < 20; i++) {
		runtime_names_of(s, JVM, A, &names);
		named += *names.runtime != '\0';
	}
	assert_in_range(named, 0, MAX_RUNTIME_BYTES / MAX_RUNTIME_FILE);
	assert_true(runtime_search_spent(s));
	runtime_search_free(s);
	teardown(&n);
	free(large);
}

/* The list of all containers is read once for all of them. */
static void test_list_is_read_once(void **state)
{
	static const char path[] = "var/lib/containers/storage/overlay-containers/containers.json";
	struct runtime_names names;
	struct runtime_search *s;
	struct node n;

	(void)state;
	setup(&n);
	put(&n, path, "podman-containers.json");
	s = runtime_search_new(n.t.fd, &n.p);
	runtime_names_of(s, JVM, A, &names);
	assert_string_equal(names.name, "web");
	tree_text(&n.t, path, "[]");
	runtime_names_of(s, JVM, A, &names);
	assert_string_equal(names.name, "web");
	/* of a user's container nobody else's list tells */
	runtime_names_of(s, JVM, "user:1000/" A, &names);
	assert_string_equal(names.name, "");
	runtime_search_free(s);
	teardown(&n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_places),
		cmocka_unit_test(test_named_by_cgroup),
		cmocka_unit_test(test_docker_over_containerd),
		cmocka_unit_test(test_other_data_root),
		cmocka_unit_test(test_podman_storage_by_overlay),
		cmocka_unit_test(test_podman_by_conmon),
		cmocka_unit_test(test_containerd_by_shim),
		cmocka_unit_test(test_cri_by_shim),
		cmocka_unit_test(test_false_keepers),
		cmocka_unit_test(test_keeper_command_lines),
		cmocka_unit_test(test_ids_of_users),
		cmocka_unit_test(test_loop_of_parents),
		cmocka_unit_test(test_hostile_files),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_files_of_a_stranger),
		cmocka_unit_test(test_places_are_bounded),
		cmocka_unit_test(test_steered_mounts),
		cmocka_unit_test(test_local_mounts),
		cmocka_unit_test(test_place_on_a_net),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_list_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
