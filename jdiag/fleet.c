#include "jdiag/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jdiag/fleet_record.h"
#include "jdiag/fleet_worker.h"
#include "jdiag/fold.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/kube/kube.h"
#include "jdiag/output.h"
#include "jdiag/progress.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define LOOK_MS 200
#define CHUNK (64 * KiB)

struct worker {
	pid_t pid;
	size_t node;
	enum { CONNECTING, WAITING, WORKING } state;
	int results, turn, talk; /* owned; non-blocking, but for turn */
	struct buf in, said;
	size_t target;	/* whose lines come on talk; SIZE_MAX: the node's */
	char phase[64]; /* which it said last */
};

struct fleet {
	const struct fleet_command *command;
	void *ctx;
	const struct options *o;
	const struct selection *s;
	struct progress *progress;
	struct worker *workers;
	size_t n_workers, next_node;
	enum { OPEN, DONE, FAILED } * outcomes; /* of each target */
	size_t done, failed;
	enum err_code code; /* of all failures so far; ERR_FAILED when they differ */
	struct fold *failures;
	unsigned int refusals; /* logins */
	bool anyone;	       /* has been connected to */
	bool stopped;	       /* nothing is begun any more */
	bool told;	       /* the workers know that it was interrupted */
	uint64_t start;
};

/* ---- what becomes of a target ---- */

static size_t count_state(const struct fleet *f, int state)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_workers; i++)
		n += (int)f->workers[i].state == state;
	return n;
}

static void tell_progress(struct fleet *f)
{
	progress_targets(f->progress, f->s->n, f->done, f->failed, count_state(f, WORKING));
}

static void print_failure(const struct selected *t, const struct selected_node *n,
			  const struct error *why)
{
	auto_json json_t *object =
		json_pack("{s:i, s:s}", "code", (int)why->code, "reason", err_code_name(why->code));

	json_set_text(object, "target", t->label);
	if (t->target.kind == TARGET_POD) {
		json_set_text(object, "namespace", t->target.ns);
		json_set_text(object, "pod", t->target.name);
	}
	if (n->target.kind == TARGET_NODE)
		json_set_text(object, "node", n->target.name);
	json_set_text(object, "message", why->msg);
	json_set_text(object, "hint", why->hint);
	output_json("Failure", object);
	fflush(stdout);
}

static void fail(struct fleet *f, size_t target, const struct error *why)
{
	const struct selected *t = &f->s->targets[target];
	auto_free char *text = xasprintf("%s\n%s", why->msg, why->hint);

	f->outcomes[target] = FAILED;
	f->code = f->failed == 0 || f->code == why->code ? why->code : ERR_FAILED;
	f->failed++;
	progress_hide(f->progress);
	if (f->o->output == OUTPUT_JSON)
		print_failure(t, &f->s->nodes[t->node], why);
	if (!progress_target_error(f->progress, t->label, why))
		fold_add(f->failures, t->label, text);
}

int fleet_fail_only(const struct options *o, const struct selection *s, struct error *err)
{
	const struct selected *t = &s->targets[0];

	if (o->output == OUTPUT_JSON)
		print_failure(t, &s->nodes[t->node], err);
	return error_prefix(err, "%s", t->label);
}

static void succeed(struct fleet *f, size_t target, const char *text, size_t len)
{
	f->outcomes[target] = DONE;
	f->done++;
	progress_hide(f->progress);
	if (f->command->result)
		f->command->result(f->ctx, &f->s->targets[target], text, len);
	else
		fwrite(text, 1, len, stdout); /* the worker has escaped it */
	fflush(stdout);
}

static void fail_node(struct fleet *f, size_t node, const struct error *why)
{
	for (size_t i = 0; i < f->s->n; i++)
		if (f->s->targets[i].node == node && f->outcomes[i] == OPEN)
			fail(f, i, why);
}

/* ---- workers: begin ---- */

static void close_all(const struct fleet *f)
{
	for (size_t i = 0; i < f->n_workers; i++) {
		close(f->workers[i].results);
		close(f->workers[i].turn);
		close(f->workers[i].talk);
	}
}

/* In the new process: the other workers' pipes are none of ours. */
static void become_worker(struct fleet *f, size_t node, pid_t parent, const int *ends)
{
	const struct fleet_worker w = {
		.command = f->command,
		.ctx = f->ctx,
		.o = f->o,
		.selection = f->s,
		.node = node,
		.parent = parent,
		.results = ends[1],
		.turn = ends[2],
		.talk = ends[5],
	};

	close_all(f);
	close(ends[0]);
	close(ends[3]);
	close(ends[4]);
	fleet_worker(&w);
}

/* Three pipes: results, turn, talk; [2n] is read from, [2n+1] written to. */
static int open_pipes(int ends[6], struct error *err)
{
	for (int i = 0; i < 6; i++)
		ends[i] = -1;
	for (int i = 0; i < 6; i += 2)
		if (pipe2(ends + i, O_CLOEXEC) < 0) {
			error_sys(err, ERR_FAILED, errno, "cannot begin a worker");
			for (int k = 0; k < 6; k++)
				fd_close(&ends[k]);
			return error_hint(err, "work on fewer nodes at the same time: "
					       "--connections");
		}
	return 0;
}

static pid_t fork_worker(struct fleet *f, size_t node, const int *ends)
{
	pid_t parent = getpid(), pid;
	sigset_t all, before;

	/* what is buffered is ours to write; a signal is for one of us */
	fflush(NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_worker(f, node, parent, ends);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int begin_worker(struct fleet *f, size_t node, struct error *err)
{
	struct worker w = {.node = node, .target = SIZE_MAX};
	int ends[6];

	if (open_pipes(ends, err) < 0)
		return -1;
	w.pid = fork_worker(f, node, ends);
	if (w.pid < 0)
		error_sys(err, ERR_FAILED, errno, "cannot begin a worker");
	fd_close(&ends[1]);
	fd_close(&ends[2]);
	fd_close(&ends[5]);
	w.results = ends[0];
	w.turn = ends[3];
	w.talk = ends[4];
	if (w.pid < 0 || io_set_nonblock(w.results) < 0 || io_set_nonblock(w.talk) < 0) {
		close(w.results);
		close(w.turn);
		close(w.talk);
		return -1;
	}
	w.in = BUF_INIT(MAX_FLEET_RECORD + 2 * CHUNK); /* a whole one with its header, and more */
	w.said = BUF_INIT(MAX_FLEET_LINE + CHUNK);
	f->workers[f->n_workers++] = w;
	return 0;
}

/* How many may be trying to log in. */
static size_t login_window(const struct fleet *f)
{
	if (f->anyone || now_ms() - f->start >= FLEET_RAMP_MS)
		return SIZE_MAX;
	return f->refusals < FLEET_REFUSALS ? FLEET_REFUSALS - f->refusals : 0;
}

static void begin_more(struct fleet *f)
{
	size_t most = f->o->connections ? f->o->connections : FLEET_CONNECTIONS;

	while (!f->stopped && f->next_node < f->s->n_nodes && f->n_workers < most &&
	       count_state(f, CONNECTING) < login_window(f)) {
		size_t node = f->next_node++;
		struct error err = f->s->nodes[node].error;

		if (err.code || begin_worker(f, node, &err) < 0)
			fail_node(f, node, &err);
	}
}

static void give_turns(struct fleet *f)
{
	size_t most = f->o->jobs ? f->o->jobs : FLEET_JOBS, working = count_state(f, WORKING);

	for (size_t i = 0; i < f->n_workers && working < most; i++) {
		struct worker *w = &f->workers[i];

		if (w->state != WAITING)
			continue;
		w->state = WORKING;
		working++;
		if (io_write_full(w->turn, "", 1) < 0)
			continue; /* it has ended: that comes to light by itself */
	}
}

/* ---- workers: what they say ---- */

static const char *label_now(const struct fleet *f, const struct worker *w, char dst[300])
{
	const struct target *t = &f->s->nodes[w->node].target;

	if (w->target < f->s->n)
		return f->s->targets[w->target].label;
	snprintf(dst, 300, "%s", t->kind == TARGET_SSH ? t->host : t->name);
	return dst;
}

static void take_line(struct fleet *f, struct worker *w, const char *line, size_t len)
{
	auto_json json_t *m = json_from_text(line, len, "line", ERR_FAILED, NULL);
	char label[300];

	if (strcmp(json_str_at(m, "message_type", ""), "fleet") == 0) {
		uint64_t target = json_u64_at(m, "target", SIZE_MAX);

		w->target = target < f->s->n && f->s->targets[target].node == w->node
				    ? (size_t)target
				    : SIZE_MAX;
		w->phase[0] = '\0';
	} else if (json_is_object(m)) {
		progress_relay(f->progress, label_now(f, w, label), m, w->phase);
	} else if (len) { /* of a program that it has started */
		progress_note(f->progress, "%s: %.*s", label_now(f, w, label), (int)len, line);
	}
}

static void take_lines(struct fleet *f, struct worker *w, bool ended)
{
	char *end;

	while (w->said.len && ((end = memchr(w->said.data, '\n', w->said.len)) || ended ||
			       w->said.len > MAX_FLEET_LINE)) {
		size_t len = end ? (size_t)(end - w->said.data) : w->said.len;

		take_line(f, w, w->said.data, len);
		buf_consume(&w->said, len + (end != NULL));
	}
}

static bool is_refusal(const struct error *e)
{
	return e->code == ERR_SSH && e->sys == EACCES;
}

static void refused(struct fleet *f, const struct worker *w, const struct error *why)
{
	if (w->state == CONNECTING && is_refusal(why) && ++f->refusals == FLEET_REFUSALS) {
		f->stopped = true;
		progress_note(f->progress,
			      "%d logins were refused: no other node is connected to, before an "
			      "account is locked",
			      FLEET_REFUSALS);
	}
	fail_node(f, w->node, why);
}

static bool is_its_own(const struct fleet *f, const struct worker *w, const struct fleet_record *r)
{
	return r->target < f->s->n && f->s->targets[r->target].node == w->node &&
	       f->outcomes[r->target] == OPEN;
}

/* -1: that was no record of a worker of ours. */
static int take_record(struct fleet *f, struct worker *w, const struct fleet_record *r)
{
	struct error why = {0};

	switch (r->kind) {
	case FLEET_CONNECTED:
		f->anyone = true;
		w->state = WAITING;
		return 0;
	case FLEET_REFUSED:
		fleet_record_error(r, &why);
		refused(f, w, &why);
		return 0;
	case FLEET_RESULT:
		if (!is_its_own(f, w, r))
			return -1;
		succeed(f, r->target, r->body, r->len);
		return 0;
	case FLEET_PART:
		if (!is_its_own(f, w, r) || !f->command->part)
			return -1;
		progress_hide(f->progress);
		f->command->part(f->ctx, &f->s->targets[r->target], r->body, r->len);
		return 0;
	case FLEET_FAILED:
		if (!is_its_own(f, w, r))
			return -1;
		fleet_record_error(r, &why);
		fail(f, r->target, &why);
		return 0;
	}
	return -1;
}

static int take_records(struct fleet *f, struct worker *w)
{
	struct fleet_record r;
	int rc;

	while ((rc = fleet_record_read(&w->in, &r)) > 0) {
		if (take_record(f, w, &r) < 0)
			return -1;
		buf_consume(&w->in, r.size);
	}
	return rc;
}

/* What there is, at most a chunk. False at the end. */
static bool fill(int fd, struct buf *b)
{
	char *room = buf_reserve(b, CHUNK);
	ssize_t n = room ? read(fd, room, CHUNK) : -1;

	if (n > 0)
		b->len += (size_t)n;
	return n > 0 || (n < 0 && room && (errno == EAGAIN || errno == EINTR));
}

/* ---- workers: the end ---- */

static void explain_end(int status, struct error *err)
{
	if (WIFSIGNALED(status))
		error_set(err, ERR_FAILED, "its worker was killed by signal %d (%s)",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == ERR_INTERRUPTED)
		error_set(err, ERR_INTERRUPTED, "interrupted");
	else
		error_set(err, ERR_FAILED, "its worker ended without a result (status %d)",
			  WEXITSTATUS(status));
}

/* Its pipe of results is at its end, so it has ended, or it is not to be believed. */
static void end_worker(struct fleet *f, size_t i)
{
	struct worker *w = &f->workers[i];
	struct error err = {0};
	int status = 0;

	kill(w->pid, SIGKILL); /* nobody listens to it any more */
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	/* what it has started may hold the other end yet */
	while (fill(w->talk, &w->said) && w->said.len && memchr(w->said.data, '\n', w->said.len))
		take_lines(f, w, false);
	take_lines(f, w, true);
	explain_end(status, &err);
	fail_node(f, w->node, &err);
	close(w->results);
	close(w->turn);
	close(w->talk);
	buf_release(&w->in);
	buf_release(&w->said);
	f->workers[i] = f->workers[--f->n_workers];
}

/* ---- all together ---- */

static void stop_all(struct fleet *f)
{
	f->stopped = true;
	if (f->told)
		return;
	f->told = true;
	for (size_t i = 0; i < f->n_workers; i++)
		kill(f->workers[i].pid, SIGTERM);
}

static void wait_for_news(struct fleet *f, struct pollfd *p)
{
	for (size_t i = 0; i < f->n_workers; i++) {
		p[2 * i] = (struct pollfd){.fd = f->workers[i].results, .events = POLLIN};
		p[2 * i + 1] = (struct pollfd){.fd = f->workers[i].talk, .events = POLLIN};
	}
	if (poll(p, 2 * f->n_workers, LOOK_MS) < 0)
		memset(p, 0, 2 * f->n_workers * sizeof(*p));
}

/* From the last to the first: one that ends is replaced by the last. */
static void take_news(struct fleet *f, const struct pollfd *p)
{
	for (size_t i = f->n_workers; i-- > 0;) {
		struct worker *w = &f->workers[i];
		bool ended = false;

		if (p[2 * i + 1].revents && !fill(w->talk, &w->said))
			take_lines(f, w, true);
		take_lines(f, w, false);
		if (p[2 * i].revents)
			ended = !fill(w->results, &w->in);
		if (take_records(f, w) < 0) {
			kill(w->pid, SIGKILL);
			ended = true;
		}
		if (ended)
			end_worker(f, i);
	}
}

static void loop(struct fleet *f)
{
	auto_free struct pollfd *p = xcalloc(2 * MAX_CONNECTIONS, sizeof(*p));

	for (;;) {
		if (interrupted())
			stop_all(f);
		begin_more(f);
		give_turns(f);
		if (f->n_workers == 0)
			return;
		tell_progress(f);
		wait_for_news(f, p);
		take_news(f, p);
	}
}

/* What was never begun has failed as well. */
static void fail_rest(struct fleet *f)
{
	struct error why = {0};

	if (interrupt_check(&why) < 0)
		error_set(&why, ERR_INTERRUPTED, "not begun");
	else
		error_set(&why, ERR_SSH, "not begun: %d logins were refused before",
			  FLEET_REFUSALS);
	for (size_t i = 0; i < f->s->n; i++)
		if (f->outcomes[i] == OPEN)
			fail(f, i, &why);
}

static void print_folded(void *ctx, const char *labels, const char *text)
{
	(void)ctx;
	output_error_of(labels, text);
}

static int sum_up(struct fleet *f, struct error *err)
{
	struct error end = {0};

	if (!f->failed) {
		progress_note(f->progress, "%zu done", f->done);
		return 0;
	}
	fold_each(f->failures, print_folded, NULL);
	if (interrupt_check(&end) < 0) {
		error_set(err, ERR_INTERRUPTED, "%s: %zu done, %zu not", end.msg, f->done,
			  f->failed);
		return error_hint(err, "%s", end.hint);
	}
	return error_set(err, f->code, "%zu done, %zu failed", f->done, f->failed);
}

int fleet_run(const struct fleet_command *c, void *ctx, const struct options *o,
	      const struct selection *s, struct error *err)
{
	struct fleet f = {.command = c, .ctx = ctx, .o = o, .s = s, .start = now_ms()};
	int rc;

	if (s->kube)
		kube_disconnect(s->kube);
	f.progress = progress_new(o->progress, o->quiet);
	f.workers = xcalloc(MAX_CONNECTIONS, sizeof(*f.workers));
	f.outcomes = xcalloc(s->n, sizeof(*f.outcomes));
	f.failures = fold_new();
	loop(&f);
	fail_rest(&f);
	progress_hide(f.progress);
	rc = sum_up(&f, err);
	progress_end(f.progress, rc < 0 ? err : NULL);
	fold_free(f.failures);
	free(f.outcomes);
	free(f.workers);
	return rc;
}
