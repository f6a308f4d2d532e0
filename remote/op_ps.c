/* ps: the JVMs of the node or of some containers, without signalling anything. Stepped, so that a
 * node with many processes does not keep the connection waiting. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/cgroup.h"
#include "remote/jvm.h"
#include "remote/ops.h"
#include "remote/runtime/runtime.h"

#define SLICE_MS 50
#define MAX_ASKED 1024
#define RESERVED (256 * KiB) /* of the answer, for the containers and the frame around */

struct asked {
	char id[CONTAINER_ID_SIZE];
	unsigned int processes;
};

struct ps {
	pid_t *pids;
	unsigned int n_pids, next;
	struct asked *asked;
	unsigned int n_asked;
	bool by_container;
	struct buf jvms; /* JSON array, without its brackets */
	unsigned int n_jvms;
	int root; /* of the node */
	struct runtime_search *names;
	bool truncated;
};

static int add_asked(void *ctx, const char *id, struct error *err)
{
	struct ps *ps = ctx;

	if (ps->n_asked == MAX_ASKED)
		return error_set(err, ERR_USAGE, "more than %d containers", MAX_ASKED);
	if (!*id || !str_copy(ps->asked[ps->n_asked].id, CONTAINER_ID_SIZE, id))
		return error_set(err, ERR_USAGE, "'%s' is not a container id", id);
	ps->n_asked++;
	return 0;
}

static int add_pid(void *ctx, pid_t pid)
{
	struct ps *ps = ctx;

	if (ps->n_pids == MAX_PROCESSES)
		return 1;
	ps->pids[ps->n_pids++] = pid;
	return 0;
}

static void ps_free(struct ps *ps)
{
	runtime_search_free(ps->names);
	fd_close(&ps->root);
	free(ps->pids);
	free(ps->asked);
	buf_release(&ps->jvms);
	free(ps);
}

/* What the runtime calls its container. A client that asks for containers knows. */
static void write_names(struct jsonw *w, const struct ps *ps, const struct jvm *j)
{
	struct runtime_names names;

	if (ps->by_container)
		return;
	runtime_names_of(ps->names, j->pid, j->container, &names);
	jsonw_string(w, "runtime", names.runtime);
	jsonw_string(w, "name", names.name);
	jsonw_string(w, "pod", names.pod);
	jsonw_string(w, "namespace", names.ns);
}

/* The object of one JVM, if there is room. */
static void add_jvm(struct ps *ps, const struct jvm *j)
{
	auto_buf struct buf b = BUF_INIT(ps->jvms.max - ps->jvms.len);
	struct jsonw w = {.b = &b, .comma = ps->n_jvms > 0};

	jsonw_open(&w, NULL, '{');
	jvm_write_members(&w, j);
	write_names(&w, ps, j);
	jsonw_close(&w, '}');
	if (b.overflow || ps->n_jvms == MAX_JVMS) {
		ps->truncated = true;
		return;
	}
	buf_add(&ps->jvms, buf_str(&b), b.len);
	ps->n_jvms++;
}

static void answer(struct helper_state *h, struct op_request *r, struct ps *ps)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};

	jsonw_open(&w, NULL, '{');
	jsonw_open(&w, "jvms", '[');
	buf_add(&b, buf_str(&ps->jvms), ps->jvms.len);
	jsonw_close(&w, ']');
	jsonw_bool(&w, "truncated", ps->truncated);
	jsonw_bool(&w, "unnamed", runtime_search_spent(ps->names));
	jsonw_open(&w, "containers", '[');
	for (unsigned int i = 0; i < ps->n_asked; i++) {
		jsonw_open(&w, NULL, '{');
		jsonw_string(&w, "id", ps->asked[i].id);
		jsonw_u64(&w, "processes", ps->asked[i].processes);
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, ']');
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
}

/* The asked container that the process is in; NULL when in none of them or gone. */
static const char *count_process(const struct procfs *p, struct ps *ps, pid_t pid)
{
	const char *id = NULL;
	char path[PATH_MAX];

	if (cgroup_read_path(p, pid, path, sizeof(path)) < 0)
		return NULL;
	for (unsigned int i = 0; i < ps->n_asked; i++) {
		if (!cgroup_path_has(path, ps->asked[i].id))
			continue;
		ps->asked[i].processes++;
		id = ps->asked[i].id;
	}
	return id;
}

/* Processes come and go while we look: what cannot be inspected is not listed. */
static void look_at(const struct procfs *p, struct ps *ps, pid_t pid)
{
	const char *id = ps->by_container ? count_process(p, ps, pid) : NULL;
	struct error err = {0};
	struct jvm j;

	if ((ps->by_container && !id) || jvm_kind_of(p, pid) == JVM_NONE ||
	    jvm_inspect(p, pid, &j, &err) < 0)
		return;
	/* A container inside the one that was asked for: the client knows the outer one. */
	if (id && !str_copy(j.container, sizeof(j.container), id))
		return;
	add_jvm(ps, &j);
}

static int ps_step(struct helper_state *h, struct op_request *r, struct error *err)
{
	uint64_t end = now_ms() + SLICE_MS;
	struct ps *ps = r->state;

	(void)err;
	while (ps->next < ps->n_pids) {
		look_at(&h->proc, ps, ps->pids[ps->next++]);
		if (now_ms() >= end)
			return 0;
	}
	answer(h, r, ps);
	return 1;
}

static int ps_one(struct helper_state *h, struct op_request *r, struct ps *ps, uint64_t pid,
		  struct error *err)
{
	struct jvm j;

	if (jvm_inspect(&h->proc, (pid_t)pid, &j, err) < 0)
		return -1;
	add_jvm(ps, &j);
	answer(h, r, ps);
	return 1;
}

static int ps_start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct ps *ps = xcalloc(1, sizeof(*ps));
	uint64_t pid = 0;
	int status;

	r->state = ps;
	ps->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ps->names = runtime_search_new(ps->root, &h->proc);
	ps->jvms = BUF_INIT(MAX_FRAME_JSON - RESERVED);
	ps->asked = xcalloc(MAX_ASKED, sizeof(*ps->asked));
	ps->by_container = jsonr_has(&r->params, "containers");
	if (jsonr_u64(&r->params, "pid", &pid, err) < 0 ||
	    jsonr_each_string(&r->params, "containers", add_asked, ps, err) != 0)
		return -1;
	if (pid > INT_MAX)
		return error_set(err, ERR_TARGET, "'%llu' is not a process id",
				 (unsigned long long)pid);
	if (jsonr_has(&r->params, "pid"))
		return ps_one(h, r, ps, pid, err);
	ps->pids = xcalloc(MAX_PROCESSES, sizeof(*ps->pids));
	status = procfs_each(&h->proc, add_pid, ps);
	if (status < 0)
		return error_sys(err, ERR_NODE, -status, "cannot list the processes");
	ps->truncated = status > 0 || ps->n_pids == MAX_PROCESSES;
	return ps_step(h, r, err);
}

static unsigned int ps_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			    int *interval_ms)
{
	(void)r;
	(void)fds;
	(void)max;
	*interval_ms = 0;
	return 0;
}

static void ps_end(struct helper_state *h, struct op_request *r)
{
	(void)h;
	if (r->state)
		ps_free(r->state);
	r->state = NULL;
}

const struct op op_ps = {
	.name = "ps",
	.start = ps_start,
	.step = ps_step,
	.poll = ps_poll,
	.end = ps_end,
};
