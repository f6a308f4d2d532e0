/* survey: what an agent would meet in a JVM. Nothing is signalled, nothing attached. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/cgroup.h"
#include "remote/enter.h"
#include "remote/jvm_args.h"
#include "remote/local_ports.h"
#include "remote/netns.h"
#include "remote/ops.h"
#include "remote/port_probe.h"
#include "remote/proc_limits.h"
#include "remote/proc_net.h"
#include "remote/target.h"

#define SURVEY_MS 10000
/* Beyond these the answer might not fit into a frame: a path may take six bytes for each of its
 * own. */
#define FULL_JARS (700 * KiB)
#define FULL_AGENTS (900 * KiB)

struct held {
	uint64_t inode;
	uint16_t port;
	bool own;
};

/* What is asked for besides. */
struct wish {
	uint16_t port;	   /* 0: none */
	int ns;		   /* network namespace, or -1 */
	char variable[64]; /* "": none */
};

struct look {
	const struct procfs *proc;
	pid_t pid;
	const struct wish *wish;
	struct jsonw w;
	struct held *held; /* owned; sorted once all are there */
	size_t n_held, n_jars, n_files;
	char root[PATH_MAX]; /* its root directory as the node sees it; "" when that is "/" */
	bool security_manager, shut, crowded, truncated, variable;
};

static void look_release(struct look *l)
{
	free(l->held);
}

/* ---- in the child: a container can make the kernel wait when its memory is asked for ---- */

static int take_listening(void *ctx, const struct net_socket *s)
{
	struct look *l = ctx;

	if (l->n_held == MAX_LISTENING)
		return 1;
	l->held[l->n_held++] = (struct held){.inode = s->inode, .port = s->port};
	jsonw_open(&l->w, NULL, '{');
	jsonw_string(&l->w, "address", s->address);
	jsonw_u64(&l->w, "port", s->port);
	jsonw_u64(&l->w, "inode", s->inode);
	jsonw_close(&l->w, '}');
	return 0;
}

static int tell_listening(struct look *l, struct error *err)
{
	static const char *const files[] = {"tcp", "tcp6"};

	jsonw_open(&l->w, "listening", '[');
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int rc = proc_each_listening(l->proc, l->pid, files[i], take_listening, l);

		if (rc < 0 && rc != -EFBIG)
			return error_sys(err, rc == -ENOENT || rc == -ESRCH ? ERR_TARGET : ERR_NODE,
					 -rc, "cannot read the sockets of process %d", (int)l->pid);
		l->crowded |= rc != 0;
	}
	jsonw_close(&l->w, ']');
	jsonw_bool(&l->w, "crowded", l->crowded);
	l->truncated |= l->crowded;
	return 0;
}

static int compare_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct held *)a)->inode, y = ((const struct held *)b)->inode;

	return x < y ? -1 : x > y;
}

/* As the JVM sees it: of a process in a chroot the path begins with that. */
static const char *below_root(const struct look *l, const char *path)
{
	size_t n = strlen(l->root);

	return n && strncmp(path, l->root, n) == 0 && path[n] == '/' ? path + n : path;
}

static void tell_jar(struct look *l, const char *link)
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", below_root(l, link));
	if (str_ends(path, deleted))
		path[strlen(path) - strlen(deleted)] = '\0';
	if (*path != '/' || !str_ends(path, ".jar"))
		return;
	if (l->n_jars == MAX_SURVEY_JARS || l->w.b->len > FULL_JARS) {
		l->truncated = true;
		return;
	}
	l->n_jars++;
	jsonw_string(&l->w, NULL, path);
}

static int take_descriptor(void *ctx, const char *link)
{
	struct look *l = ctx;
	struct held key = {0}, *found = NULL;

	l->n_files++;
	if (proc_fd_socket(link, &key.inode)) {
		if (l->n_held)
			found = bsearch(&key, l->held, l->n_held, sizeof(key), compare_inode);
		if (found)
			found->own = true;
	} else {
		tell_jar(l, link);
	}
	return 0;
}

static void read_root(struct look *l)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "%d/root", (int)l->pid);
	len = readlinkat(l->proc->fd, link, l->root, sizeof(l->root) - 1);
	l->root[len > 1 ? len : 0] = '\0';
}

static int tell_descriptors(struct look *l, struct error *err)
{
	int rc;

	if (l->n_held)
		qsort(l->held, l->n_held, sizeof(*l->held), compare_inode);
	read_root(l);
	jsonw_open(&l->w, "jars", '[');
	rc = proc_each_fd(l->proc, l->pid, take_descriptor, l);
	jsonw_close(&l->w, ']');
	if (rc < 0 && rc != -EFBIG)
		return error_sys(err, rc == -ENOENT || rc == -ESRCH ? ERR_TARGET : ERR_NODE, -rc,
				 "cannot read the descriptors of process %d", (int)l->pid);
	l->truncated |= rc != 0;
	jsonw_open(&l->w, "own", '[');
	for (size_t i = 0; i < l->n_held; i++)
		if (l->held[i].own)
			jsonw_u64(&l->w, NULL, l->held[i].port);
	jsonw_close(&l->w, ']');
	return 0;
}

static void take_option(void *ctx, const char *arg)
{
	static const char manager[] = "-Djava.security.manager";
	struct look *l = ctx;
	char path[PATH_MAX];

	if (str_starts(arg, "-javaagent:") || str_starts(arg, "-agentpath:")) {
		const char *start = strchr(arg, ':') + 1;

		/* its options may hold a password */
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(start, "="), start);
		if (l->w.b->len > FULL_AGENTS)
			l->truncated = true;
		else
			jsonw_string(&l->w, NULL, path);
	} else if (strcmp(arg, "-XX:-EnableDynamicAgentLoading") == 0 ||
		   strcmp(arg, "-XX:+EnableDynamicAgentLoading") == 0) {
		l->shut = arg[strlen("-XX:")] == '-';
	} else if (strcmp(arg, manager) == 0) {
		l->security_manager = true;
	} else if (str_starts(arg, manager) && arg[strlen(manager)] == '=') {
		const char *value = arg + strlen(manager) + 1;

		/* Java 12 (JDK-8191053): no more than the permission to set one, or not */
		l->security_manager = strcmp(value, "allow") != 0 && strcmp(value, "disallow") != 0;
	}
}

/* What cannot be read any more, because it was overwritten or is larger than we read, is not told.
 */
static void tell_options(struct look *l)
{
	static const char *const names[] = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS",
					    "_JAVA_OPTIONS"};
	auto_buf struct buf cmdline = BUF_INIT(MAX_PROC_FILE), env = BUF_INIT(MAX_PROC_FILE);

	jsonw_open(&l->w, "agents", '[');
	if (proc_read_strings(l->proc, l->pid, "environ", &env) < 0)
		l->truncated = true;
	if (proc_read_strings(l->proc, l->pid, "cmdline", &cmdline) < 0)
		l->truncated = true;
	l->variable = *l->wish->variable &&
		      jvm_args_env(buf_str(&env), env.len, l->wish->variable) != NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = jvm_args_env(buf_str(&env), env.len, names[i]);

		/* the last of them counts, and that is after the command line */
		if (i == ARRAY_SIZE(names) - 1)
			jvm_args_each(buf_str(&cmdline), cmdline.len, take_option, l);
		if (value)
			jvm_args_each_word(value, take_option, l);
	}
	jsonw_close(&l->w, ']');
	jsonw_bool(&l->w, "security_manager", l->security_manager);
	jsonw_bool(&l->w, "shut", l->shut);
	jsonw_bool(&l->w, "variable", l->variable);
}

static void tell_memory(struct look *l)
{
	uint64_t limit = 0, usage = 0, left = cgroup_memory_left(l->proc, l->pid, NULL);

	cgroup_read_memory(l->proc, l->pid, NULL, &limit, &usage);
	jsonw_open(&l->w, "memory", '{');
	jsonw_u64(&l->w, "limit", limit);
	jsonw_u64(&l->w, "usage", usage);
	if (limit)
		jsonw_u64(&l->w, "left", left);
	jsonw_close(&l->w, '}');
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Descriptors and threads. */
static void tell_room(struct look *l)
{
	uint64_t files = proc_files_limit(l->proc, l->pid);
	uint64_t tasks =
		smaller(cgroup_tasks_left(l->proc, l->pid, NULL), proc_tasks_left(l->proc, l->pid));

	if (files != UINT64_MAX)
		jsonw_u64(&l->w, "files_left", files - smaller(l->n_files, files));
	if (tasks != UINT64_MAX)
		jsonw_u64(&l->w, "tasks_left", tasks);
}

/* The last: nothing can be read afterwards. */
static int tell_port(struct look *l, const struct target *t, struct error *err)
{
	const struct port_probe p = {l->wish->ns, t->jvm.uid, t->jvm.gid, l->wish->port};
	int sys = 0;

	if (!p.port)
		return 0;
	if (port_probe_here(&p, &sys, err) < 0)
		return -1;
	jsonw_u64(&l->w, "bind", (uint64_t)sys);
	jsonw_u64(&l->w, "next", local_ports_next_here(l->proc->fd, p.port));
	return 0;
}

struct work {
	struct target target;
	struct wish wish;
	struct enter_child child;
};

static int look_run(void *ctx, struct buf *answer, struct error *err)
{
	const struct work *k = ctx;
	auto_cleanup(look_release) struct look l = {
		.proc = k->target.proc,
		.pid = k->target.ref.pid,
		.wish = &k->wish,
		.w = {.b = answer},
		.held = xcalloc(MAX_LISTENING, sizeof(*l.held)),
	};

	jsonw_open(&l.w, NULL, '{');
	if (tell_listening(&l, err) < 0 || tell_descriptors(&l, err) < 0)
		return -1;
	tell_options(&l);
	tell_memory(&l);
	tell_room(&l);
	jsonw_string(&l.w, "modules", k->target.jvm.modules);
	jsonw_bool(&l.w, "truncated", l.truncated);
	if (tell_port(&l, &k->target, err) < 0)
		return -1;
	jsonw_close(&l.w, '}');
	return 0;
}

/* ---- in the helper ---- */

static int take_wish(struct work *k, const struct jsonr *params, struct error *err)
{
	uint64_t port = 0;

	if (jsonr_u64(params, "port", &port, err) < 0 ||
	    jsonr_string(params, "variable", k->wish.variable, sizeof(k->wish.variable), err) < 0)
		return -1;
	if (port > UINT16_MAX)
		return error_set(err, ERR_FAILED, "'port' is no port");
	k->wish.port = (uint16_t)port;
	if (!port)
		return 0;
	k->wish.ns = netns_open(k->target.proc, &k->target.ref, err);
	return k->wish.ns < 0 ? -1 : 0;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));
	struct enter_request e = {
		.fds = {h->proc.fd},
		.n_fds = 1,
		.run = look_run,
		.ctx = k,
		.timeout_ms = SURVEY_MS,
	};

	*k = (struct work){.target = TARGET_INIT, .wish = {.ns = -1}, .child = ENTER_CHILD_INIT};
	r->state = k;
	if (target_open(&k->target, &h->proc, &r->params, err) < 0 ||
	    take_wish(k, &r->params, err) < 0)
		return -1;
	if (k->wish.ns >= 0)
		e.fds[e.n_fds++] = k->wish.ns;
	return enter_start(&h->proc, &e, MAX_FRAME_JSON, &k->child, err);
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	int rc = enter_collect(&k->child, &b, err);

	if (rc < 0)
		return error_prefix(err, "cannot look at process %d", (int)k->target.ref.pid);
	if (rc == 0)
		return 0;
	/* It was read by pid: it counts only if that was the same process all the time. */
	if (!procref_alive(k->target.proc, &k->target.ref))
		return error_set(err, ERR_TARGET, "process %d has ended", (int)k->target.ref.pid);
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;

	(void)interval_ms;
	if (!max || k->child.fd < 0)
		return 0;
	fds[0] = (struct pollfd){.fd = k->child.fd, .events = POLLIN};
	return 1;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	(void)h;
	enter_stop(&k->child);
	fd_close(&k->wish.ns);
	target_close(&k->target);
	free(k);
	r->state = NULL;
}

const struct op op_survey = {
	.name = "survey",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
