/* inspect: everything that is to be known about a JVM before an action. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/attach/asking.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/budget.h"
#include "remote/capture/capture.h"
#include "remote/capture/holder.h"
#include "remote/ops.h"

#define REPLY_MS 15000

struct work {
	struct target target;
	char strategy[64];
	struct budget_request budget;
	bool attach;
	enum { ASK_HEAP, ASK_VERSION } subject;
	struct asking asking;
	uint64_t started, attach_ms;
	uint64_t used, capacity; /* from GC.heap_info */
};

static bool heap_told(const struct work *k)
{
	return k->used || k->capacity;
}

static uint64_t heap_used(const struct work *k)
{
	const struct jvm *j = &k->target.jvm;

	return heap_told(k) ? k->used : j->heap_used ? j->heap_used : j->rss;
}

static void tell_heap(struct jsonw *w, const struct work *k)
{
	const struct jvm *j = &k->target.jvm;
	bool attached = heap_told(k);

	jsonw_open(w, "heap", '{');
	jsonw_u64(w, "used", heap_used(k));
	jsonw_u64(w, "capacity", attached ? k->capacity : j->heap_capacity);
	jsonw_u64(w, "max", j->heap_max);
	jsonw_string(w, "source", attached ? "heap_info" : j->heap_used ? "hsperfdata" : "rss");
	jsonw_close(w, '}');
}

/* The chosen one is the one that was asked for if it can be used, or the first that can. */
static void tell_strategies(struct jsonw *w, const struct work *k)
{
	const struct strategy *s;
	const char *chosen = "";

	jsonw_open(w, "strategies", '[');
	for (size_t i = 0; (s = strategy_at(i)); i++) {
		struct strategy_info info = {0};

		s->probe(&k->target, k->budget.dir, &info);
		if (k->budget.ring && s->needs_spool && info.usable) {
			info.usable = false;
			snprintf(info.reason, sizeof(info.reason),
				 "it cannot be used without a spool");
		}
		jsonw_open(w, NULL, '{');
		jsonw_string(w, "name", s->name);
		jsonw_bool(w, "usable", info.usable);
		jsonw_string(w, "reason", info.reason);
		jsonw_string(w, "where", info.where);
		jsonw_u64(w, "free", info.free);
		jsonw_bool(w, "memory", info.memory);
		jsonw_close(w, '}');
		if (info.usable && !*chosen && (!*k->strategy || !strcmp(k->strategy, s->name)))
			chosen = s->name;
	}
	jsonw_close(w, ']');
	jsonw_string(w, "strategy", chosen);
}

/* What `begin` would take of the node. A node without a place for a spool is no reason to say
 * nothing else. */
static void tell_budget(struct jsonw *w, struct work *k)
{
	struct budget b = {0};
	struct error e = {0};

	if (!k->budget.expected)
		k->budget.expected = heap_used(k) + heap_used(k) / 2;
	if (budget_plan(k->target.proc, k->target.ref.pid, &k->budget, &b, &e) < 0)
		log_at(LOG_STEP, "no budget: %s", e.msg);
	jsonw_open(w, "budget", '{');
	jsonw_u64(w, "available", b.available);
	jsonw_u64(w, "buffer", b.buffer);
	jsonw_u64(w, "ring", b.ring);
	jsonw_string(w, "why", b.why);
	jsonw_string(w, "base", b.base);
	jsonw_u64(w, "disk_free", b.disk_free);
	jsonw_u64(w, "disk_size", b.disk_size);
	jsonw_u64(w, "max_bytes", b.max_bytes);
	jsonw_u64(w, "cpus", b.cpus);
	jsonw_u64(w, "jvm_cpus", b.jvm_cpus);
	jsonw_u64(w, "jvm_millicpus", b.jvm_millicpus);
	jsonw_string(w, "error", e.msg);
	jsonw_close(w, '}');
	jsonw_open(w, "rate", '{');
	jsonw_u64(w, "cpu_mbps", budget_cpu_mbps());
	jsonw_close(w, '}');
}

static int tell(struct helper_state *h, const struct op_request *r)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};
	uint64_t limit = 0, usage = 0;

	cgroup_read_memory(&h->proc, k->target.ref.pid, NULL, &limit, &usage);
	jsonw_open(&w, NULL, '{');
	jvm_write(&w, "jvm", &k->target.jvm);
	tell_heap(&w, k);
	jsonw_string(&w, "collector", k->target.jvm.collector);
	jsonw_string(&w, "flags", k->target.jvm.flags);
	jsonw_u64(&w, "attach_ms", k->attach_ms);
	jsonw_open(&w, "memory", '{');
	jsonw_u64(&w, "limit", limit);
	jsonw_u64(&w, "usage", usage);
	jsonw_close(&w, '}');
	tell_strategies(&w, k);
	tell_budget(&w, k);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

static int ask_jvm(struct work *k, struct error *err)
{
	const char *args[] = {k->subject == ASK_HEAP ? "GC.heap_info" : "VM.version"};
	struct question q = {
		.command = "jcmd",
		.args = args,
		.n_args = ARRAY_SIZE(args),
		.reply_ms = REPLY_MS,
	};

	return asking_start(&k->asking, &k->target, &q, err);
}

static int begin_attach(struct work *k, struct error *err)
{
	k->started = now_ms();
	return capture_lock(&k->target, err) < 0 ? -1 : ask_jvm(k, err);
}

static int unknown_strategy(const char *name, struct error *err)
{
	auto_buf struct buf names = BUF_INIT(500);
	const struct strategy *s;

	for (size_t i = 0; (s = strategy_at(i)); i++)
		buf_addf(&names, "%s%s", i ? ", " : "", s->name);
	error_set(err, ERR_USAGE, "unknown strategy '%s'", name);
	return error_hint(err, "valid: %s", buf_str(&names));
}

static int take_budget(struct budget_request *b, const struct jsonr *params, struct error *err)
{
	uint64_t percent = 0;
	bool spool = true;

	if (jsonr_string(params, "dir", b->dir, sizeof(b->dir), err) < 0 ||
	    jsonr_u64(params, "expected", &b->expected, err) < 0 ||
	    jsonr_u64(params, "buffer", &b->buffer, err) < 0 ||
	    jsonr_u64(params, "buffer_percent", &percent, err) < 0 ||
	    jsonr_bool(params, "spool", &spool, err) < 0)
		return -1;
	if (percent > 100)
		return error_set(err, ERR_USAGE, "'buffer_percent' is more than 100");
	b->percent = (unsigned int)percent;
	b->ring = !spool;
	return 0;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));

	*k = (struct work){.target = TARGET_INIT, .asking = ASKING_INIT};
	r->state = k;
	if (jsonr_string(&r->params, "strategy", k->strategy, sizeof(k->strategy), err) < 0 ||
	    take_budget(&k->budget, &r->params, err) < 0 ||
	    jsonr_bool(&r->params, "attach", &k->attach, err) < 0 ||
	    target_open(&k->target, &h->proc, &r->params, err) < 0)
		return -1;
	if (*k->strategy && !strategy_find(k->strategy))
		return unknown_strategy(k->strategy, err);
	return k->attach ? begin_attach(k, err) : tell(h, r);
}

/* A JVM that does not know what it was asked is attached all the same. */
static void take_answer(struct work *k, const char *text)
{
	struct jvm *j = &k->target.jvm;

	if (k->subject == ASK_VERSION) {
		if (!hotspot_parse_version(text, j->version, sizeof(j->version)))
			log_at(LOG_STEP, "the JVM does not tell its version");
		return;
	}
	(void)hotspot_parse_heap_info(text, &k->used, &k->capacity);
	/* Without hsperfdata; of this one people are warned. */
	if (!*j->collector && strstr(text, "Shenandoah"))
		snprintf(j->collector, sizeof(j->collector), "Shenandoah");
}

/* hsperfdata and the release file say nothing: the JVM itself does. */
static int ask_version(struct work *k, struct error *err)
{
	k->subject = ASK_VERSION;
	return ask_jvm(k, err);
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	struct hotspot_reply reply;
	int rc = asking_step(&k->asking, &reply, err);

	if (rc <= 0)
		return rc;
	k->target.jvm.listening = k->asking.cover < 0;
	take_answer(k, reply.text);
	if (k->subject == ASK_HEAP && !*k->target.jvm.version)
		return ask_version(k, err);
	k->attach_ms = now_ms() - k->started;
	k->attach_ms += k->attach_ms == 0; /* 0 would mean: not attached */
	asking_end(&k->asking);		   /* the strategies look at the real /tmp */
	return tell(h, r);
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;

	(void)interval_ms;
	if (!max || asking_fd(&k->asking) < 0)
		return 0;
	fds[0] = (struct pollfd){.fd = asking_fd(&k->asking), .events = POLLIN};
	return 1;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	(void)h;
	asking_release(&k->asking);
	target_close(&k->target);
	free(k);
	r->state = NULL;
}

const struct op op_inspect = {
	.name = "inspect",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
