#include "remote/jvm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/enter.h"
#include "remote/hsperf.h"
#include "remote/jvm_args.h"
#include "remote/jvm_peek.h"
#include "remote/keeper.h"
#include "remote/proc_limits.h"

#define THREADS_TO_ANSWER 4	/* one, and what the program may start meanwhile */
#define MAX_STRINGS (256 * KiB) /* what is read of a command line or an environment */
#define READ_MS 5000
#define MAX_GENERATIONS 4
#define MAX_SPACES 8
#define PAGE_MASK 4095ull

/* ---- kind ---- */

struct kind_scan {
	enum jvm_kind kind;
	char libjvm[512];
};

static bool name_is(const char *name, const char *start, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return str_starts(name, start) && len >= strlen(start) + tail &&
	       memcmp(name + len - tail, end, tail) == 0;
}

/* OpenJ9 maps a libjvm.so too, which only passes calls on: its own library decides. */
static int look_at_map(void *ctx, const char *path)
{
	static const char deleted[] = " (deleted)";
	struct kind_scan *s = ctx;
	char clean[sizeof(s->libjvm)];
	const char *name;

	if (!str_copy(clean, sizeof(clean), path))
		return 0;
	if (str_ends(clean, deleted))
		clean[strlen(clean) - strlen(deleted)] = '\0';
	name = strrchr(clean, '/') + 1;
	if (name_is(name, "libj9vm", ".so"))
		s->kind = JVM_OPENJ9;
	else if (strcmp(name, "libjvm.so") == 0 && s->kind == JVM_NONE)
		s->kind = JVM_HOTSPOT;
	else
		return 0;
	memcpy(s->libjvm, clean, sizeof(clean));
	return s->kind == JVM_OPENJ9;
}

static int scan_maps(const struct procfs *p, pid_t pid, struct kind_scan *s)
{
	int r = proc_each_executable_map(p, pid, look_at_map, s);

	return r < 0 ? r : 0;
}

enum jvm_kind jvm_kind_of(const struct procfs *p, pid_t pid)
{
	struct kind_scan s = {.kind = JVM_NONE};

	return scan_maps(p, pid, &s) < 0 ? JVM_NONE : s.kind;
}

/* ---- what hsperfdata says ---- */

static void read_collector(const struct hsperf *h, struct jvm *j)
{
	/* Beginnings of sun.gc.policy.name and sun.gc.collector.N.name, JDK 8 to 26. */
	static const struct {
		const char *start, *name;
	} known[] = {
		{"GarbageFirst", "G1"},
		{"G1 ", "G1"},
		{"ParScav:", "Parallel"},
		{"Parallel ", "Parallel"},
		{"PSScavenge", "Parallel"},
		{"PSParallelCompact", "Parallel"},
		{"ParNew:CMS", "CMS"},
		{"CMS", "CMS"},
		{"Copy:MSC", "Serial"},
		{"Serial ", "Serial"},
		{"Copy", "Serial"},
		{"MSC", "Serial"},
		{"ZGC", "ZGC"},
		{"Z ", "ZGC"},
		{"Shenandoah", "Shenandoah"},
	};
	static const char *const counters[] = {
		"sun.gc.policy.name",
		"sun.gc.collector.0.name",
		"sun.gc.collector.1.name",
		"sun.gc.collector.2.name",
	};
	char text[64];

	for (size_t c = 0; c < ARRAY_SIZE(counters); c++) {
		if (!hsperf_string(h, counters[c], text, sizeof(text)))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(known); k++) {
			if (!str_starts(text, known[k].start))
				continue;
			snprintf(j->collector, sizeof(j->collector), "%s", known[k].name);
			return;
		}
	}
}

/* Saturating: the numbers are the container's. */
static void add_to(uint64_t *sum, uint64_t n)
{
	*sum = n > UINT64_MAX - *sum ? UINT64_MAX : *sum + n;
}

static void read_spaces(const struct hsperf *h, int generation, struct jvm *j)
{
	for (int space = 0; space < MAX_SPACES; space++) {
		char name[64];
		uint64_t n;

		snprintf(name, sizeof(name), "sun.gc.generation.%d.space.%d.used", generation,
			 space);
		if (hsperf_u64(h, name, &n))
			add_to(&j->heap_used, n);
		snprintf(name, sizeof(name), "sun.gc.generation.%d.space.%d.capacity", generation,
			 space);
		if (hsperf_u64(h, name, &n))
			add_to(&j->heap_capacity, n);
	}
}

/* Either generation of G1 and of the generational ZGC may become the whole heap and says so; the
 * older collectors divide it. G1 adds up to 24 bytes to each size so that none is 0 (JDK 17). */
static void read_heap(const struct hsperf *h, struct jvm *j)
{
	bool shared = strcmp(j->collector, "G1") == 0 || strcmp(j->collector, "ZGC") == 0;

	for (int i = 0; i < MAX_GENERATIONS; i++) {
		char name[64];
		uint64_t n;

		read_spaces(h, i, j);
		snprintf(name, sizeof(name), "sun.gc.generation.%d.maxCapacity", i);
		if (!hsperf_u64(h, name, &n))
			continue;
		if (!shared)
			add_to(&j->heap_max, n);
		else if (n > j->heap_max)
			j->heap_max = n;
	}
	j->heap_max &= ~PAGE_MASK;
	j->heap_capacity &= ~PAGE_MASK;
}

/* sun.rt.javaCommand is main class or jar and arguments, joined by blanks; a jar's path may hold
 * blanks itself, which only the command line can tell. */
static void read_main(const struct hsperf *h, struct jvm *j)
{
	char command[4096];
	size_t known = strlen(j->main);

	if (!hsperf_string(h, "sun.rt.javaCommand", command, sizeof(command)) || !command[0])
		return;
	if (known && strncmp(command, j->main, known) == 0 &&
	    (command[known] == ' ' || command[known] == '\0'))
		return;
	command[strcspn(command, " ")] = '\0';
	snprintf(j->main, sizeof(j->main), "%.*s", (int)sizeof(j->main) - 1, command);
}

/* The -D among the arguments may be secrets of the application. */
static void read_flags(const struct hsperf *h, struct jvm *j)
{
	char args[2048];

	if (!hsperf_string(h, "java.rt.vmArgs", args, sizeof(args)))
		return;
	jvm_args_flags(args, j->flags, sizeof(j->flags));
	explicit_bzero(args, sizeof(args));
}

static void read_hsperf(const struct buf *b, struct jvm *j, enum attach_flag *attach)
{
	char capabilities[80];
	struct hsperf h;

	if (!hsperf_parse(&h, buf_str(b), b->len))
		return;
	(void)hsperf_string(&h, "java.property.java.version", j->version, sizeof(j->version));
	(void)hsperf_string(&h, "java.property.java.vm.name", j->vm_name, sizeof(j->vm_name));
	read_main(&h, j);
	read_collector(&h, j);
	read_heap(&h, j);
	read_flags(&h, j);
	if (hsperf_string(&h, "sun.rt.jvmCapabilities", capabilities, sizeof(capabilities)))
		*attach = capabilities[0] == '0' ? ATTACH_DISABLED : ATTACH_ENABLED;
}

/* ---- what the command line and the environment say ---- */

struct strings {
	const struct procfs *proc;
	pid_t pid;
};

struct said {
	struct jvm_args args;
	enum attach_flag attach; /* by both */
};

/* As much as fits, or nothing: then less is known. */
static void read_strings(const struct strings *s, const char *file, struct buf *b)
{
	int r = proc_read_strings(s->proc, s->pid, file, b);

	if (r < 0 && r != -EFBIG)
		buf_reset(b);
}

static enum attach_flag env_flag(const struct buf *env, const char *name)
{
	const char *value = jvm_args_env(buf_str(env), env->len, name);

	return value ? jvm_args_attach_flag(value) : ATTACH_UNSAID;
}

/* In the order in which the JVM reads them: the last that says something counts. */
static enum attach_flag flag_by_options(const struct buf *env, const struct jvm_args *args)
{
	enum attach_flag flags[] = {
		env_flag(env, "JAVA_TOOL_OPTIONS"),
		env_flag(env, "JDK_JAVA_OPTIONS"),
		args->attach,
		env_flag(env, "_JAVA_OPTIONS"),
	};
	enum attach_flag last = ATTACH_UNSAID;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i] != ATTACH_UNSAID)
			last = flags[i];
	return last;
}

static int run_read(void *ctx, struct buf *answer, struct error *err)
{
	auto_buf struct buf cmdline = BUF_INIT(MAX_STRINGS), env = BUF_INIT(MAX_STRINGS);
	const struct strings *s = ctx;
	struct said ret = {.attach = ATTACH_UNSAID};

	(void)err;
	read_strings(s, "cmdline", &cmdline);
	jvm_args_cmdline(buf_str(&cmdline), cmdline.len, &ret.args);
	read_strings(s, "environ", &env);
	ret.attach = flag_by_options(&env, &ret.args);
	buf_add(answer, &ret, sizeof(ret));
	return 0;
}

/* They are read from the memory of the process, which a file server of the container may have to
 * bring: by a child. The environment, with the secrets of the application, ends with it. */
static void read_said(const struct procfs *p, pid_t pid, struct said *ret)
{
	auto_buf struct buf answer = BUF_INIT(sizeof(*ret));
	struct strings s = {p, pid};
	struct enter_request r = {
		.fds = {p->fd},
		.n_fds = 1,
		.run = run_read,
		.ctx = &s,
		.timeout_ms = READ_MS,
	};
	struct error unknown = {0};

	*ret = (struct said){.attach = ATTACH_UNSAID};
	if (enter_run(p, &r, &answer, &unknown) == 0 && answer.len == sizeof(*ret))
		memcpy(ret, answer.data, sizeof(*ret));
}

/* ---- can it be attached to? ---- */

/* To answer for the first time HotSpot starts a thread. Where the kernel refuses that, versions 8
 * to 25 end: "Error occurred during initialization of VM". */
static bool may_start_threads(const struct procfs *p, pid_t pid)
{
	return cgroup_tasks_left(p, pid, NULL) >= THREADS_TO_ANSWER &&
	       proc_tasks_left(p, pid) >= THREADS_TO_ANSWER;
}

static void judge(struct jvm *j, const struct procfs *p, const struct proc_status *st,
		  const struct peek *peek, enum attach_flag attach, const struct jvm_args *args)
{
	char *why = j->reason;
	size_t size = sizeof(j->reason);

	j->listening = peek->socket == PEEK_SOCKET;
	j->reduced_signals = !(st->sig_cgt & SIGNAL_BIT(SIGQUIT));
	if (j->kind == JVM_OPENJ9)
		snprintf(why, size, "it is an OpenJ9, which this release cannot attach to");
	else if (st->state == 'T' || st->state == 't')
		snprintf(why, size, "it is stopped, by a signal or a debugger");
	else if (peek->tmp_error == ELOOP)
		snprintf(why, size, "its /tmp is a symbolic link that cannot be followed");
	else if (peek->tmp_error)
		snprintf(why, size,
			 "cannot open its /tmp, where HotSpot keeps the attach socket: %s",
			 strerror(peek->tmp_error));
	else if (attach == ATTACH_DISABLED)
		snprintf(why, size, "it runs with -XX:+DisableAttachMechanism");
	else if (peek->socket == PEEK_FOREIGN_SOCKET)
		snprintf(why, size, "/tmp/.java_pid%d is not a socket of the JVM's user",
			 (int)j->ns_pid);
	else if (j->listening)
		j->attachable = true;
	else if (j->reduced_signals)
		snprintf(why, size,
			 args->reduced_signals
				 ? "it runs with -Xrs and its attach socket is gone"
				 : "it does not handle SIGQUIT and has no attach socket: it is "
				   "still starting, or runs with -Xrs");
	else if (st->sig_ign & SIGNAL_BIT(SIGQUIT))
		snprintf(why, size, "it ignores SIGQUIT");
	else if (proc_signal_blocked(p, j->pid, SIGQUIT) == 1)
		snprintf(why, size, "all its threads block SIGQUIT");
	else if (!may_start_threads(p, j->pid))
		snprintf(why, size,
			 "it can start no further thread (pids.max, or the limit of its user), and "
			 "would end, as it needs one to answer");
	else
		j->attachable = true;
}

/* ---- inspect ---- */

static int read_failed(struct error *err, pid_t pid, const char *what, int status)
{
	bool gone = status == -ENOENT || status == -ESRCH;

	if (gone)
		return error_set(err, ERR_TARGET, "process '%d' has ended", (int)pid);
	return error_sys(err, ERR_NODE, -status, "cannot read %s of process '%d'", what, (int)pid);
}

static int read_process(const struct procfs *p, pid_t pid, struct jvm *j, struct proc_status *st,
			struct error *err)
{
	struct kind_scan scan = {.kind = JVM_NONE};
	int r = proc_read_start_time(p, pid, &j->start_time);

	if (r < 0)
		return read_failed(err, pid, "the start", r);
	r = proc_read_status(p, pid, st);
	if (r < 0)
		return read_failed(err, pid, "the status", r);
	if (st->state == 'Z' || st->state == 'X')
		return error_set(err, ERR_TARGET, "process '%d' has ended (it is a zombie)",
				 (int)pid);
	r = scan_maps(p, pid, &scan);
	if (r < 0)
		return read_failed(err, pid, "the memory map", r);
	if (scan.kind == JVM_NONE)
		return error_set(err, ERR_TARGET, "process '%d' is not a JVM", (int)pid);
	r = keeper_container_of(p, pid, j->container);
	if (r < 0)
		return read_failed(err, pid, "the cgroup", r);
	r = proc_start_to_epoch(p, j->start_time, &j->started);
	if (r < 0)
		return error_sys(err, ERR_NODE, -r, "cannot read the node's boot time");
	j->kind = scan.kind;
	memcpy(j->libjvm, scan.libjvm, sizeof(j->libjvm));
	j->pid = pid;
	j->ns_pid = st->ns_pid;
	j->uid = st->euid;
	j->gid = st->egid;
	j->rss = st->rss;
	return 0;
}

/* What is in the container: everything that is not known stays empty. */
static void read_container(const struct procfs *p, const struct proc_status *st, struct jvm *j)
{
	auto_buf struct buf hsperf = BUF_INIT(MAX_HSPERF);
	struct peek_request r = {
		.pid = j->pid,
		.ns_pid = j->ns_pid,
		.uid = j->uid,
		.gid = j->gid,
		.started = j->started,
		.libjvm = j->libjvm,
	};
	enum attach_flag attach = ATTACH_UNSAID;
	struct error err = {0};
	struct said said;
	struct peek peek;

	read_said(p, j->pid, &said);
	memcpy(j->main, said.args.main, sizeof(said.args.main));
	if (jvm_peek(p, &r, &peek, &hsperf, &err) < 0) {
		snprintf(j->reason, sizeof(j->reason), "%.*s", (int)sizeof(j->reason) - 1, err.msg);
		return;
	}
	memcpy(j->version, peek.version, sizeof(peek.version));
	memcpy(j->modules, peek.modules, sizeof(peek.modules));
	read_hsperf(&hsperf, j, &attach);
	if (attach == ATTACH_UNSAID)
		attach = said.attach;
	judge(j, p, st, &peek, attach, &said.args);
}

int jvm_inspect(const struct procfs *p, pid_t pid, struct jvm *ret, struct error *err)
{
	struct jvm j = {.kind = JVM_NONE};
	struct proc_status st;
	uint64_t start_time;

	if (read_process(p, pid, &j, &st, err) < 0)
		return -1;
	read_container(p, &st, &j);
	/* All of it was read by pid: it counts only if it was one process all the time. */
	if (proc_read_start_time(p, pid, &start_time) < 0 || start_time != j.start_time)
		return error_set(err, ERR_TARGET, "process '%d' has ended", (int)pid);
	*ret = j;
	return 0;
}

void jvm_write_members(struct jsonw *w, const struct jvm *j)
{
	jsonw_u64(w, "pid", (uint64_t)j->pid);
	jsonw_u64(w, "ns_pid", (uint64_t)j->ns_pid);
	jsonw_u64(w, "start_time", j->start_time);
	jsonw_u64(w, "started", j->started);
	jsonw_string(w, "container", j->container);
	jsonw_u64(w, "uid", j->uid);
	jsonw_u64(w, "gid", j->gid);
	jsonw_string(w, "vm", j->kind == JVM_OPENJ9 ? "openj9" : "hotspot");
	jsonw_string(w, "version", j->version);
	jsonw_string(w, "main", j->main);
	jsonw_string(w, "libjvm", j->libjvm);
	jsonw_bool(w, "attachable", j->attachable);
	jsonw_string(w, "reason", j->reason);
	jsonw_bool(w, "listening", j->listening);
}

void jvm_write(struct jsonw *w, const char *name, const struct jvm *j)
{
	jsonw_open(w, name, '{');
	jvm_write_members(w, j);
	jsonw_close(w, '}');
}
