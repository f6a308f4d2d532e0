/* The JVM's part of a capture: from the first question to its answer that the dump is written. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/capture/inside.h"

#define QUESTION_MS 30000
/* A file or a FIFO is opened before any collection or safepoint (8 to 26). */
#define BEGIN_MS 30000
#define EXPLAIN_MS 2000
#define BROKEN "Broken pipe"
#define LAST_WORD_MS 200 /* its connection closes a moment before it is gone */

/* ---- the JVM ---- */

static bool is_gone(const struct process *p)
{
	const struct target *t = &p->capture.target;

	if (t->ref.pidfd >= 0)
		return io_wait(t->ref.pidfd, POLLIN, 0) > 0;
	return !procref_alive(&p->proc, &t->ref);
}

static void wait_for(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	(void)poll(&p, 1, ms);
}

static int has_ended(const struct process *p, struct error *err)
{
	if (!p->asked)
		return error_set(err, ERR_TARGET, "process %d has ended",
				 (int)p->capture.target.ref.pid);
	error_set(err, ERR_CAPTURE, "the JVM has ended in the middle of the dump%s",
		  oom_watch_killed(&p->oom) ? ": it was killed for memory (OOM)" : "");
	err->sys = ESRCH;
	return error_hint(err, "a probe that fails while the JVM stands still, or a limit of its "
			       "memory, may have killed it: see the events of its pod");
}

static int start(struct process *p, const char *operation, const char *const *args, size_t n,
		 uint64_t reply_ms, struct error *err)
{
	struct capture *c = &p->capture;
	struct hotspot_request q = {
		.proc = c->target.proc,
		.ref = &c->target.ref,
		.jvm = &c->target.jvm,
		.tmp = capture_tmp(c),
		.data = &p->question,
		.reply_ms = reply_ms,
	};

	buf_reset(&p->question);
	if (hotspot_encode(&p->question, c->target.jvm.version, operation, args, n, err) < 0)
		return -1;
	return hotspot_start(&p->attach, &q, err);
}

static int answered(struct process *p, struct error *err)
{
	struct error e = {0};
	int rc = hotspot_step(&p->attach, &e);

	if (rc <= 0 && is_gone(p))
		return has_ended(p, err);
	if (rc < 0)
		*err = e;
	return rc;
}

/* A diagnostic command's text, cut to size; it costs a millisecond. */
static int ask(struct process *p, const char *command, char *text, size_t size, struct error *err)
{
	struct hotspot_reply reply;
	int rc = start(p, "jcmd", &command, 1, QUESTION_MS, err);

	if (rc == 0)
		rc = process_await(p, answered, err) < 0 ? -1 : 0;
	if (rc == 0)
		rc = hotspot_parse_reply(&p->attach.raw, &reply, err);
	if (rc == 0)
		snprintf(text, size, "%s", reply.code ? "" : reply.text);
	hotspot_stop(&p->attach);
	return rc;
}

/* What it can do, and which it is if that is not known yet. */
static int ask_what_it_can(struct process *p, struct error *err)
{
	struct capture *c = &p->capture;
	struct jvm *j = &c->target.jvm;
	char text[512];

	if (ask(p, "help GC.heap_dump", c->help, sizeof(c->help), err) < 0)
		return -1;
	j->listening = c->cover < 0;
	if (*j->version)
		return 0;
	if (ask(p, "VM.version", text, sizeof(text), err) < 0)
		return -1;
	if (!hotspot_parse_version(text, j->version, sizeof(j->version)))
		j->version[0] = '\0';
	return 0;
}

/* ---- the drain ---- */

static int run_drain(struct process *p, struct drain_stream *streams, unsigned int n,
		     struct error *err)
{
	const struct capture *c = &p->capture;
	bool fifos = c->strategy->fifos;
	const int cancel[] = {p->signals, p->lifeline};
	struct drain_options o = {
		.dir = p->node.dir,
		.dump_dir = p->node.dump,
		.codec = p->request->codec,
		.redact = p->request->redact,
		.buffer = fifos ? p->budget.buffer : 0, /* nobody waits while a file is read */
		.max_bytes = p->budget.max_bytes,
		.ring = p->request->spool ? 0 : p->budget.ring,
		.id_size = 8,
		.uid = c->target.jvm.uid,
		.gid = c->target.jvm.gid,
		.cancel = cancel,
		.n_cancel = p->lifeline < 0 ? 1 : 2,
	};

	p->state.buffer = o.buffer;
	if (drain_start(&p->drain, &o, streams, n, err) < 0)
		return -1;
	p->draining = true;
	return 0;
}

/* The kernel that needs memory shall take the drain before anything else: the JVM then goes on. */
static void offer_to_oom_killer(const struct process *p)
{
	char path[48];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%d/oom_score_adj", (int)p->drain.pid);
	fd = openat(p->proc.fd, path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1000", 4);
}

/* Readers first: a JVM that opens a FIFO without one stands still until one comes. */
static int open_fifos(struct process *p, struct error *err)
{
	struct capture *c = &p->capture;
	struct drain_stream streams[FIFOS_MAX];

	if (guard_start(&p->guard, &p->proc, &c->fifos, &p->node, err) < 0 ||
	    fifos_open(&c->fifos, streams, err) < 0 || run_drain(p, streams, c->fifos.n, err) < 0)
		return -1;
	offer_to_oom_killer(p);
	for (unsigned int i = 0; i < c->fifos.n; i++)
		if (fifos_check(&c->fifos, i, err) < 0)
			return -1;
	return 0;
}

/* The file, when it is there. 1 open, 0 not yet, -1. */
static int open_file(struct process *p, struct error *err)
{
	const struct capture *c = &p->capture;
	struct drain_stream s = {
		.fd = -1,
		.hold = -1,
		.file = true,
		.grows = !hotspot_patches_dump(c->target.jvm.version),
		.name = CAPTURE_FILE,
	};
	int rc = capture_open_file(c, &s.fd, err);

	if (rc <= 0)
		return rc;
	return run_drain(p, &s, 1, err) < 0 ? -1 : 1;
}

/* ---- the dump ---- */

static int ask_dump(struct process *p, struct error *err)
{
	const struct capture *c = &p->capture;
	const char *file[] = {c->path, c->live ? "-live" : "-all"}, *command;
	char parallel[32] = "", text[640];

	if (c->fifos.n > 1)
		snprintf(parallel, sizeof(parallel), "-parallel=%u ", c->fifos.n - 1);
	snprintf(text, sizeof(text), "GC.heap_dump %s-overwrite %s%s", c->live ? "" : "-all ",
		 parallel, c->path);
	command = text;
	p->asked = true;
	p->asked_at = now_ms();
	p->look_at = p->asked_at + BEGIN_MS;
	process_phase(p, SPOOL_DUMP);
	return c->strategy->fifos ? start(p, "jcmd", &command, 1, 0, err)
				  : start(p, "dumpheap", file, ARRAY_SIZE(file), 0, err);
}

/* Nothing has come for long: has it opened what it was given at all? */
static int check_begun(struct process *p, struct error *err)
{
	const struct capture *c = &p->capture;

	if (now_ms() < p->look_at)
		return 0;
	p->look_at = now_ms() + BEGIN_MS;
	if (c->strategy->fifos ? atomic_load(&p->drain.progress->raw) ||
					 fifos_in_use(&c->fifos, &p->proc, c->target.ref.pid)
			       : p->draining)
		return 0;
	error_set(err, ERR_ATTACH, "the JVM did not begin the dump within %d s", BEGIN_MS / 1000);
	return error_hint(err, "another tool may hold its attach listener, or it is stuck in a "
			       "long pause");
}

static int step(struct process *p, struct error *err)
{
	struct drain_result early;
	int rc;

	if (p->draining && drain_poll(&p->drain, &early, err) < 0)
		return -1;
	if (p->capture.strategy->fifos)
		guard_renew(&p->guard, &p->proc, &p->capture.fifos, &p->node);
	rc = answered(p, err);
	if (rc)
		return rc;
	if (!p->capture.strategy->fifos && !p->draining && open_file(p, err) < 0)
		return -1;
	return check_begun(p, err);
}

/* What the JVM said, into the state. */
static int take_reply(struct process *p, struct error *err)
{
	struct hotspot_reply reply;

	if (hotspot_parse_reply(&p->attach.raw, &reply, err) < 0)
		return -1;
	snprintf(p->state.text, sizeof(p->state.text), "%s", reply.text);
	return hotspot_check_dump(&reply, &p->state.pause_ms, err);
}

/* A container may put what it likes into its own directory; it must not go unnoticed. */
static int check_streams(struct process *p, struct error *err)
{
	struct capture *c = &p->capture;

	if (!c->strategy->fifos) {
		int rc = p->draining ? 1 : open_file(p, err);

		return rc ? (rc < 0 ? -1 : 0)
			  : error_set(err, ERR_CAPTURE,
				      "the JVM says that it wrote a dump, but there is none");
	}
	if (fifos_check(&c->fifos, 0, err) < 0)
		return -1;
	for (unsigned int i = 1; i < c->fifos.n; i++)
		if (fifos_segment_is_file(&c->fifos, i))
			snprintf(p->state.notice, sizeof(p->state.notice),
				 "the JVM wrote the segment '%s' as a file of its own: it was "
				 "merged "
				 "into the dump",
				 c->fifos.one[i].name);
	return 0;
}

/* "Dumping heap to PATH ..." and no more: 25 sends that at once. */
static bool is_announced_only(const char *text)
{
	const char *p = strstr(text, "Dumping heap to ");

	p = p ? strchr(p, '\n') : NULL;
	return p && !p[strspn(p, " \r\n")];
}

/* A failure has several witnesses, and the first to speak is not the one who knows why: with the
 * JVM dead the drain sees a dump that stops; with the drain dead the JVM sees a broken pipe. */
static void explain(struct process *p, struct error *err)
{
	uint64_t end = now_ms() + EXPLAIN_MS;
	struct error e = {0};
	int rc = p->attach.raw.len ? 1 : 0;

	if (*p->state.text && !is_announced_only(p->state.text))
		end = now_ms();
	for (;;) {
		if (is_gone(p)) {
			has_ended(p, err);
			return;
		}
		if (now_ms() >= end)
			break;
		if (!rc && (rc = hotspot_step(&p->attach, &e)))
			end = now_ms() + LAST_WORD_MS;
		wait_for(p->capture.target.ref.pidfd, 20);
	}
	/* Without its reader the JVM says what it likes: writers of a segment (22 and later) name
	 * an errno that is another's. */
	if (rc > 0 && take_reply(p, &e) < 0 && !strstr(p->state.text, BROKEN) &&
	    !is_announced_only(p->state.text) && err->sys != EOWNERDEAD)
		*err = e;
}

/* Was the reader the first to fail? Why, it tells a moment later. */
static void blame_drain(struct process *p, struct error *err)
{
	uint64_t end = now_ms() + LAST_WORD_MS;
	struct drain_result ignored;
	struct error e = {0};
	int rc = 0;

	while (p->draining && rc == 0 && now_ms() < end) {
		wait_for(p->drain.fd, LAST_WORD_MS);
		rc = drain_poll(&p->drain, &ignored, &e);
	}
	if (rc < 0 && (strstr(p->state.text, BROKEN) || e.sys == EOWNERDEAD))
		*err = e;
}

static int dump(struct process *p, struct error *err)
{
	if (ask_dump(p, err) < 0 || process_await(p, step, err) < 0)
		return -1;
	p->state.elapsed_ms = now_ms() - p->asked_at;
	p->deadline = 0;
	if (take_reply(p, err) < 0) {
		blame_drain(p, err);
		return -1;
	}
	return check_streams(p, err);
}

/* What is not as good as it could be. */
static void note_ways(struct process *p)
{
	const struct capture *c = &p->capture;

	if (*c->notice)
		snprintf(p->state.notice, sizeof(p->state.notice), "%s", c->notice);
	else if (c->strategy->fifos && *p->budget.why)
		snprintf(p->state.notice, sizeof(p->state.notice),
			 "the dump may be larger than its buffer: %s", p->budget.why);
	else if (!c->strategy->fifos && p->request->redact != HPROF_REDACT_NONE)
		snprintf(p->state.notice, sizeof(p->state.notice),
			 "the JVM writes its dump into a file, not redacted, which was removed "
			 "after "
			 "it was read");
}

int process_dump(struct process *p, struct error *err)
{
	struct capture *c = &p->capture;
	int rc;

	process_phase(p, SPOOL_ATTACH);
	if (capture_make_place(c, err) < 0 || ask_what_it_can(p, err) < 0 ||
	    capture_prepare(c, p->request->strategy, err) < 0)
		return -1;
	snprintf(p->state.strategy, sizeof(p->state.strategy), "%s", c->strategy->name);
	note_ways(p);
	oom_watch_open(&p->oom, &p->proc, c->target.ref.pid, NULL);
	if (c->strategy->fifos && open_fifos(p, err) < 0)
		return -1;
	rc = dump(p, err);
	if (rc < 0) {
		guard_alarm(&p->guard); /* first: the drain may hang in a broken disk */
		drain_stop(&p->drain);
		p->draining = false;
		if (err->code != ERR_INTERRUPTED)
			explain(p, err);
		/* Whatever it was: the JVM has stood still for it. */
		if (p->asked && err->code == ERR_FAILED)
			err->code = ERR_CAPTURE;
	}
	hotspot_stop(&p->attach);
	return rc;
}
