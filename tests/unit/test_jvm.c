/* remote */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/jvm.h"
#include "remote/jvm_args.h"
#include "remote/jvm_peek.h"
#include "tests/unit/hsperf_file.h"
#include "tests/unit/tree.h"

/* A captured /proc with one JVM: pid 100, in its container 7, user 101000. Started at tick 500 of a
 * node that was booted at 1000000000. */
#define PID 100
#define NSPID 7
#define UID 101000
#define GID 102000
#define STARTED 1000000005
#define ID "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define LIBJVM "/opt/jdk/lib/server/libjvm.so"
#define HSPERF "100/root/tmp/hsperfdata_app/7"
#define SOCKET "100/root/tmp/.java_pid7"
#define CAUGHT "2000000181005ccf"
#define NOT_CAUGHT "2000000181001cc8"

struct fixture {
	struct tree t;
	struct procfs p;
};

static void write_status(struct fixture *f, char state, const char *caught)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 "Name:\tjava\nState:\t%c (x)\nPid:\t100\nUid:\t1\t%d\t1\t1\nGid:\t1\t%d\t1\t1\n"
		 "NSpid:\t100\t7\nThreads:\t20\nVmRSS:\t  1000 kB\nSigBlk:\t0000000000000000\n"
		 "SigIgn:\t0000000000000000\nSigCgt:\t%s\n",
		 state, UID, GID, caught);
	tree_text(&f->t, "100/status", text);
}

static void write_stat(struct fixture *f, unsigned int start)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "100 (java) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %u 1 1\n", start);
	tree_text(&f->t, "100/stat", text);
}

static void write_maps(struct fixture *f, const char *path)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 "7f00-7f01 r-xp 00000000 fe:00 1                    /bin/java\n"
		 "7f00-7f01 r-xp 00000000 fe:00 2                    %s\n",
		 path);
	tree_text(&f->t, "100/maps", text);
}

static void own(struct fixture *f, const char *path, time_t mtime)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	assert_int_equal(fchownat(f->t.fd, path, UID, GID, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(f->t.fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void write_hsperf(struct fixture *f, const char *capabilities)
{
	struct hsperf_file h;

	hsperf_begin(&h);
	hsperf_add_string(&h, "java.property.java.version", "17.0.15");
	hsperf_add_string(&h, "java.property.java.vm.name", "OpenJDK 64-Bit Server VM");
	hsperf_add_string(&h, "sun.rt.javaCommand", "app.Main one two");
	hsperf_add_string(&h, "sun.rt.jvmCapabilities", capabilities);
	hsperf_add_string(&h, "java.rt.vmArgs", "-Xmx200m -Dkey=s3cret -XX:+UseG1GC");
	hsperf_add_string(&h, "sun.gc.policy.name", "GarbageFirst");
	/* As G1 of JDK 17 writes it with -Xmx200m. */
	hsperf_add_u64(&h, "sun.gc.generation.0.maxCapacity", 209715224);
	hsperf_add_u64(&h, "sun.gc.generation.1.maxCapacity", 209715208);
	hsperf_add_u64(&h, "sun.gc.generation.0.space.0.capacity", 11534344);
	hsperf_add_u64(&h, "sun.gc.generation.1.space.0.capacity", 198180872);
	hsperf_add_u64(&h, "sun.gc.generation.0.space.0.used", 4194304);
	hsperf_add_u64(&h, "sun.gc.generation.1.space.0.used", 1048576);
	tree_write(&f->t, HSPERF, h.data, h.len);
	own(f, HSPERF, STARTED + 1);
}

static void make_socket(struct fixture *f, bool owned)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/" SOCKET, f->t.path);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	close(s);
	if (owned)
		own(f, SOCKET, STARTED);
}

static void setup(struct fixture *f)
{
	tree_open(&f->t);
	assert_int_equal(procfs_open(&f->p, f->t.path), 0);
	tree_text(&f->t, "stat", "cpu 1 2 3\nbtime 1000000000\nprocesses 5\n");
	write_status(f, 'S', CAUGHT);
	write_stat(f, 500);
	write_maps(f, LIBJVM);
	tree_text(&f->t, "100/cgroup", "0::/system.slice/docker-" ID ".scope\n");
	tree_write(&f->t, "100/cmdline", "/bin/java\0-cp\0x\0app.Cmd\0one", 28);
	tree_text(&f->t, "100/environ", "");
	tree_text(&f->t, "100/root/opt/jdk/release",
		  "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.1\"\n");
	tree_dir(&f->t, "100/root/tmp/hsperfdata_app");
}

static void teardown(struct fixture *f)
{
	procfs_close(&f->p);
	tree_close(&f->t);
}

static void inspect(const struct fixture *f, struct jvm *j)
{
	struct error err = {0};

	if (jvm_inspect(&f->p, PID, j, &err) < 0)
		fail_msg("%s", err.msg);
}

static void refused(const struct fixture *f, const char *message)
{
	struct error err = {0};
	struct jvm j;

	assert_int_equal(jvm_inspect(&f->p, PID, &j, &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_string_equal(err.msg, message);
}

static void test_all_that_hsperfdata_tells(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	write_hsperf(&f, "1100");
	inspect(&f, &j);
	assert_int_equal(j.kind, JVM_HOTSPOT);
	assert_int_equal(j.pid, PID);
	assert_int_equal(j.ns_pid, NSPID);
	assert_int_equal(j.start_time, 500);
	assert_int_equal(j.started, STARTED);
	assert_int_equal(j.uid, UID);
	assert_int_equal(j.gid, GID);
	assert_string_equal(j.container, ID);
	assert_string_equal(j.version, "17.0.15");
	assert_string_equal(j.vm_name, "OpenJDK 64-Bit Server VM");
	assert_string_equal(j.main, "app.Main");
	assert_string_equal(j.libjvm, LIBJVM);
	assert_string_equal(j.collector, "G1");
	assert_string_equal(j.flags, "-Xmx200m -XX:+UseG1GC");
	assert_int_equal(j.heap_max, 209715200);
	assert_int_equal(j.heap_capacity, 209715200);
	assert_int_equal(j.heap_used, 4194304 + 1048576);
	assert_int_equal(j.rss, 1000 * 1024);
	assert_true(j.attachable);
	assert_false(j.listening);
	assert_string_equal(j.reason, "");
	teardown(&f);
}

static void nothing_from_hsperf(const struct fixture *f)
{
	struct jvm j;

	inspect(f, &j);
	assert_string_equal(j.version, "21.0.1"); /* the release file */
	assert_string_equal(j.main, "app.Cmd");	  /* the command line */
	assert_string_equal(j.collector, "");
	assert_int_equal(j.heap_max, 0);
	assert_true(j.attachable);
}

static void test_without_hsperfdata(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	nothing_from_hsperf(&f);
	teardown(&f);
}

/* Left by an earlier JVM with the same pid in the container; of another user; not hsperfdata; not a
 * file; behind a link; too large. */
static void test_hsperfdata_that_is_not_its_own(void **state)
{
	static char big[MAX_HSPERF + 1];
	struct fixture f;

	(void)state;
	setup(&f);
	write_hsperf(&f, "0");
	own(&f, HSPERF, STARTED - 100);
	nothing_from_hsperf(&f);
	own(&f, HSPERF, -5);
	nothing_from_hsperf(&f);
	write_hsperf(&f, "0");
	assert_int_equal(fchownat(f.t.fd, HSPERF, UID + 1, GID, 0), 0);
	nothing_from_hsperf(&f);
	tree_text(&f.t, HSPERF, "nonsense");
	own(&f, HSPERF, STARTED + 1);
	nothing_from_hsperf(&f);
	tree_write(&f.t, HSPERF, big, sizeof(big));
	own(&f, HSPERF, STARTED + 1);
	nothing_from_hsperf(&f);

	assert_int_equal(unlinkat(f.t.fd, HSPERF, 0), 0);
	assert_int_equal(mkfifoat(f.t.fd, HSPERF, 0666), 0);
	own(&f, HSPERF, STARTED + 1);
	alarm(60);
	nothing_from_hsperf(&f);
	alarm(0);

	assert_int_equal(unlinkat(f.t.fd, HSPERF, 0), 0);
	write_hsperf(&f, "0");
	assert_int_equal(renameat(f.t.fd, HSPERF, f.t.fd, "100/root/tmp/real"), 0);
	tree_link(&f.t, "../real", HSPERF);
	nothing_from_hsperf(&f);

	assert_int_equal(unlinkat(f.t.fd, HSPERF, 0), 0);
	assert_int_equal(renameat(f.t.fd, "100/root/tmp/real", f.t.fd, HSPERF), 0);
	assert_int_equal(renameat(f.t.fd, "100/root/tmp/hsperfdata_app", f.t.fd, "elsewhere"), 0);
	tree_link(&f.t, "../../../elsewhere", "100/root/tmp/hsperfdata_app");
	nothing_from_hsperf(&f);
	teardown(&f);
}

/* A planted file of the wrong kind does not hide the right one. */
static void test_planted_directories_are_passed_over(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	write_hsperf(&f, "1");
	tree_text(&f.t, "100/root/tmp/hsperfdata_a/7", "x");
	tree_text(&f.t, "100/root/tmp/hsperfdata_zz", "x");
	tree_link(&f.t, "/etc", "100/root/tmp/hsperfdata_b");
	inspect(&f, &j);
	assert_string_equal(j.version, "17.0.15");
	teardown(&f);
}

static void test_release_file_beside_old_libraries(void **state)
{
	static const char *const paths[] = {
		"/opt/jdk/jre/lib/amd64/server/libjvm.so",
		"/opt/jdk/lib/amd64/server/libjvm.so",
		"/opt/jdk/lib/server/libjvm.so (deleted)",
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		write_maps(&f, paths[i]);
		nothing_from_hsperf(&f);
	}
	teardown(&f);
}

static void test_process_in_a_chroot(void **state)
{
	char path[400];
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(renameat(f.t.fd, "100/root", f.t.fd, "box"), 0);
	snprintf(path, sizeof(path), "%s/box", f.t.path);
	tree_link(&f.t, path, "100/root");
	snprintf(path, sizeof(path), "%s/box%s", f.t.path, LIBJVM);
	write_maps(&f, path);
	nothing_from_hsperf(&f);
	teardown(&f);
}

static void why_not(const struct fixture *f, const char *reason)
{
	struct jvm j;

	inspect(f, &j);
	assert_string_equal(j.reason, reason);
	assert_false(j.attachable);
}

static void test_attach_is_disabled(void **state)
{
	static const char by_flag[] = "it runs with -XX:+DisableAttachMechanism";
	struct fixture f;

	(void)state;
	setup(&f);
	write_hsperf(&f, "0100");
	why_not(&f, by_flag);
	assert_int_equal(unlinkat(f.t.fd, HSPERF, 0), 0);
	tree_text(&f.t, "100/environ", "A=1");
	tree_write(&f.t, "100/environ",
		   "A=1\0JAVA_TOOL_OPTIONS=-Dx -XX:+DisableAttachMechanism\0B=2", 58);
	why_not(&f, by_flag);
	/* The command line comes behind JAVA_TOOL_OPTIONS. */
	tree_write(&f.t, "100/cmdline", "java\0-XX:-DisableAttachMechanism\0app.Cmd", 41);
	nothing_from_hsperf(&f);
	tree_write(&f.t, "100/environ", "_JAVA_OPTIONS=-XX:+DisableAttachMechanism", 42);
	why_not(&f, by_flag);
	teardown(&f);
}

static void limit_threads(struct fixture *f, int n)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "Limit                     Soft Limit           Hard Limit           Units\n"
		 "Max processes             %-20d %-20d processes\n",
		 n, n);
	tree_text(&f->t, "100/limits", text);
}

static void test_no_thread_is_left(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	limit_threads(&f, 24);
	inspect(&f, &j);
	assert_true(j.attachable);
	limit_threads(&f, 23);
	why_not(&f,
		"it can start no further thread (pids.max, or the limit of its user), and would "
		"end, as it needs one to answer");
	/* one that listens has its thread */
	make_socket(&f, true);
	inspect(&f, &j);
	assert_true(j.attachable);
	teardown(&f);
}

static void test_signals_and_the_socket(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	write_status(&f, 'S', NOT_CAUGHT);
	why_not(&f, "it does not handle SIGQUIT and has no attach socket: it is still starting, or "
		    "runs with -Xrs");
	tree_write(&f.t, "100/cmdline", "java\0-Xrs\0app.Cmd", 18);
	why_not(&f, "it runs with -Xrs and its attach socket is gone");
	make_socket(&f, true);
	inspect(&f, &j);
	assert_true(j.attachable && j.listening && j.reduced_signals);
	write_status(&f, 'S', CAUGHT);
	inspect(&f, &j);
	assert_true(j.attachable && j.listening && !j.reduced_signals);
	write_status(&f, 'T', CAUGHT);
	why_not(&f, "it is stopped, by a signal or a debugger");
	teardown(&f);
}

static void test_signal_that_nobody_takes(void **state)
{
	static const char thread[] =
		"State:\tS (x)\nPid:\t100\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"
		"SigBlk:\t%c\nSigIgn:\t0\nSigCgt:\t4\n";
	struct fixture f;
	char text[300];
	struct jvm j;

	(void)state;
	setup(&f);
	snprintf(text, sizeof(text), thread, '4');
	tree_text(&f.t, "100/task/100/status", text);
	why_not(&f, "all its threads block SIGQUIT");
	snprintf(text, sizeof(text), thread, '0');
	tree_text(&f.t, "100/task/101/status", text);
	inspect(&f, &j);
	assert_true(j.attachable);
	teardown(&f);
}

static void test_socket_that_is_not_its_own(void **state)
{
	static const char foreign[] = "/tmp/.java_pid7 is not a socket of the JVM's user";
	struct fixture f;

	(void)state;
	setup(&f);
	make_socket(&f, false);
	why_not(&f, foreign);
	assert_int_equal(unlinkat(f.t.fd, SOCKET, 0), 0);
	tree_text(&f.t, SOCKET, "");
	own(&f, SOCKET, STARTED);
	why_not(&f, foreign);
	assert_int_equal(unlinkat(f.t.fd, SOCKET, 0), 0);
	tree_link(&f.t, "/run/host.sock", SOCKET);
	why_not(&f, foreign);
	teardown(&f);
}

static void test_tmp_that_is_not_usable(void **state)
{
	static const char start[] = "cannot open its /tmp, where HotSpot keeps the attach socket: ";
	char reason[200];
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(renameat(f.t.fd, "100/root/tmp", f.t.fd, "100/root/other"), 0);
	snprintf(reason, sizeof(reason), "%s%s", start, strerror(ENOENT));
	why_not(&f, reason);
	tree_link(&f.t, "tmp", "100/root/tmp");
	why_not(&f, "its /tmp is a symbolic link that cannot be followed");
	assert_int_equal(unlinkat(f.t.fd, "100/root/tmp", 0), 0);
	tree_text(&f.t, "100/root/tmp", "");
	snprintf(reason, sizeof(reason), "%s%s", start, strerror(ENOTDIR));
	why_not(&f, reason);
	teardown(&f);
}

/* Some images make it one; it leads to where the JVM finds it, inside its root. */
static void test_tmp_that_is_a_link(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	write_hsperf(&f, "1");
	tree_dir(&f.t, "100/root/var");
	assert_int_equal(renameat(f.t.fd, "100/root/tmp", f.t.fd, "100/root/var/tmp"), 0);
	tree_link(&f.t, "/../var/tmp", "100/root/tmp");
	inspect(&f, &j);
	assert_true(j.attachable);
	assert_string_equal(j.version, "17.0.15");
	teardown(&f);
}

static void test_openj9(void **state)
{
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	tree_text(&f.t, "100/maps",
		  "7f00-7f01 r-xp 00000000 fe:00 1   /opt/jdk/lib/j9vm/libjvm.so\n"
		  "7f00-7f01 r-xp 00000000 fe:00 2   /opt/jdk/lib/default/libj9vm29.so\n");
	inspect(&f, &j);
	assert_int_equal(j.kind, JVM_OPENJ9);
	assert_string_equal(j.reason, "it is an OpenJ9, which this release cannot attach to");
	assert_false(j.attachable);
	assert_int_equal(jvm_kind_of(&f.p, PID), JVM_OPENJ9);
	teardown(&f);
}

static void test_not_a_jvm(void **state)
{
	static const char *const paths[] = {"/bin/sh", "/x/libjvm.so.1", "/x/notlibjvm.so",
					    "/libjvm.so/file", "/x/libj9vm"};
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		write_maps(&f, paths[i]);
		refused(&f, "process '100' is not a JVM");
	}
	write_status(&f, 'Z', CAUGHT);
	refused(&f, "process '100' has ended (it is a zombie)");
	assert_int_equal(unlinkat(f.t.fd, "100/status", 0), 0);
	refused(&f, "process '100' has ended");
	teardown(&f);
}

/* What the container says is data: nothing of it is cut at a terminal's escape or runs over. */
static void test_hostile_texts(void **state)
{
	struct hsperf_file h;
	char longer[600];
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	hsperf_begin(&h);
	hsperf_add_string(&h, "java.property.java.version", longer);
	hsperf_add_string(&h, "sun.rt.javaCommand", longer);
	hsperf_add_string(&h, "sun.gc.policy.name", longer);
	hsperf_add_u64(&h, "sun.gc.generation.0.space.0.used", UINT64_MAX);
	hsperf_add_u64(&h, "sun.gc.generation.0.space.1.used", UINT64_MAX);
	tree_write(&f.t, HSPERF, h.data, h.len);
	own(&f, HSPERF, STARTED + 1);
	inspect(&f, &j);
	assert_int_equal(strlen(j.version), sizeof(j.version) - 1);
	assert_int_equal(strlen(j.main), sizeof(j.main) - 1);
	assert_string_equal(j.collector, "");
	assert_true(j.heap_used == UINT64_MAX);
	teardown(&f);
}

static void test_jar_with_blanks(void **state)
{
	struct hsperf_file h;
	struct fixture f;
	struct jvm j;

	(void)state;
	setup(&f);
	hsperf_begin(&h);
	hsperf_add_string(&h, "sun.rt.javaCommand", "/a b/c.jar one");
	tree_write(&f.t, HSPERF, h.data, h.len);
	own(&f, HSPERF, STARTED + 1);
	inspect(&f, &j);
	assert_string_equal(j.main, "/a");
	tree_write(&f.t, "100/cmdline", "java\0-jar\0/a b/c.jar\0one", 25);
	inspect(&f, &j);
	assert_string_equal(j.main, "/a b/c.jar");
	teardown(&f);
}

static void test_command_lines(void **state)
{
#define LINE(s) s, sizeof(s)
	static const struct {
		const char *data;
		size_t len;
		const char *main;
		enum attach_flag attach;
	} lines[] = {
		{LINE("java\0-jar\0x.jar\0-XX:+DisableAttachMechanism"), "x.jar", ATTACH_UNSAID},
		{LINE("/usr/bin/java\0-Xmx1g\0-cp\0a:b\0com.Main\0x"), "com.Main", ATTACH_UNSAID},
		{LINE("java\0--class-path\0a\0-m\0mod/cls"), "mod/cls", ATTACH_UNSAID},
		{LINE("java\0--module=mod/cls"), "mod/cls", ATTACH_UNSAID},
		{LINE("java\0@args\0com.Main"), "com.Main", ATTACH_UNSAID},
		{LINE("java\0-XX:+DisableAttachMechanism\0M"), "M", ATTACH_DISABLED},
		{LINE("java\0-XX:+DisableAttachMechanism\0-XX:-DisableAttachMechanism\0M"), "M",
		 ATTACH_ENABLED},
		{LINE("java\0-DDisableAttachMechanism\0M"), "M", ATTACH_UNSAID},
		{LINE("java\0-cp\0-XX:+DisableAttachMechanism\0M"), "M", ATTACH_UNSAID},
		{LINE("java\0-jar"), "", ATTACH_UNSAID},
		{LINE("java"), "", ATTACH_UNSAID},
		{LINE(""), "", ATTACH_UNSAID},
		{LINE("jsvc\0-user\0app\0Main"), "", ATTACH_UNSAID},
		{"java\0Ma", 7, "", ATTACH_UNSAID}, /* cut */
		{"", 0, "", ATTACH_UNSAID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct jvm_args a;

		jvm_args_cmdline(lines[i].data, lines[i].len, &a);
		assert_string_equal(a.main, lines[i].main);
		assert_int_equal(a.attach, lines[i].attach);
	}
}

static void test_environment(void **state)
{
	static const char env[] = "XJAVA=1\0JAVA=\0JAVA_X=2\0cut";

	(void)state;
	assert_string_equal(jvm_args_env(env, sizeof(env) - 1, "JAVA"), "");
	assert_string_equal(jvm_args_env(env, sizeof(env) - 1, "JAVA_X"), "2");
	assert_null(jvm_args_env(env, sizeof(env) - 1, "AVA"));
	assert_null(jvm_args_env(env, sizeof(env) - 1, "cut"));
	assert_null(jvm_args_env("", 0, "A"));
}

static void test_flags(void **state)
{
	static const char *const texts[][2] = {
		{"", ""},
		{"-Xmx2g -Dtoken=abc  -XX:+UseZGC -cp x -ea -Xlog:gc",
		 "-Xmx2g -XX:+UseZGC -Xlog:gc"},
		{"-XX:OnOutOfMemoryError=curl\\ -H -XX:+UseG1GC -XX:OnError=x",
		 "-XX:OnOutOfMemoryError -XX:+UseG1GC -XX:OnError"},
		{"-Xrunjdwp:address=1,secret=2 -XX:+Onyx", "-Xrunjdwp -XX:+Onyx"},
		{"-D-Xa=b -agentlib:x=y", ""},
	};
	char flags[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		jvm_args_flags(texts[i][0], flags, sizeof(flags));
		assert_string_equal(flags, texts[i][1]);
	}
	jvm_args_flags("-Xa -Xbcdefghi -Xj", flags, 8); /* whole ones only */
	assert_string_equal(flags, "-Xa -Xj");
}

static void test_release_files(void **state)
{
	char v[8];

	(void)state;
	assert_true(release_version("JAVA_VERSION=\"17\"\n", v, sizeof(v)));
	assert_string_equal(v, "17");
	assert_true(release_version("XJAVA_VERSION=\"1\"\nJAVA_VERSION=\"2\"", v, sizeof(v)));
	assert_string_equal(v, "2");
	assert_false(release_version("JAVA_VERSION=\"17\n\"", v, sizeof(v)));
	assert_false(release_version("JAVA_VERSION=\"\"", v, sizeof(v)));
	assert_false(release_version("JAVA_VERSION=\"12345678\"", v, sizeof(v)));
	assert_false(release_version("JAVA_VERSION=17", v, sizeof(v)));
	assert_false(release_version("", v, sizeof(v)));
	assert_true(release_modules("JAVA_VERSION=\"17\"\nMODULES=\"a b.c\"\n", v, sizeof(v)));
	assert_string_equal(v, "a b.c");
	/* no half of a list */
	assert_false(release_modules("MODULES=\"a b.c def\"\n", v, sizeof(v)));
	assert_false(release_modules("JAVA_VERSION=\"17\"\n", v, sizeof(v)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_hsperfdata_tells),
		cmocka_unit_test(test_without_hsperfdata),
		cmocka_unit_test(test_hsperfdata_that_is_not_its_own),
		cmocka_unit_test(test_planted_directories_are_passed_over),
		cmocka_unit_test(test_release_file_beside_old_libraries),
		cmocka_unit_test(test_process_in_a_chroot),
		cmocka_unit_test(test_attach_is_disabled),
		cmocka_unit_test(test_no_thread_is_left),
		cmocka_unit_test(test_signals_and_the_socket),
		cmocka_unit_test(test_signal_that_nobody_takes),
		cmocka_unit_test(test_socket_that_is_not_its_own),
		cmocka_unit_test(test_tmp_that_is_not_usable),
		cmocka_unit_test(test_tmp_that_is_a_link),
		cmocka_unit_test(test_openj9),
		cmocka_unit_test(test_not_a_jvm),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_jar_with_blanks),
		cmocka_unit_test(test_command_lines),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_release_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
