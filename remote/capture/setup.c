/* What a capture begins with, before its JVM is touched: the lock, the plan, the directory. */
#include <stdio.h>
#include <time.h>

#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/capture/holder.h"
#include "remote/capture/inside.h"

struct crowd {
	unsigned int all, under_way;
};

static int count(void *ctx, const struct spool *s, const struct spool_state *state,
		 const struct error *e)
{
	struct crowd *c = ctx;

	(void)e;
	c->all++;
	c->under_way += s->alive && state && state->phase < SPOOL_COMPLETE;
	return 0;
}

int process_check_crowd(struct error *err)
{
	struct crowd c = {0};

	(void)spool_each(count, &c);
	if (c.under_way > MAX_CAPTURES) {
		error_set(err, ERR_REFUSED, "%d captures are under way on this node already",
			  MAX_CAPTURES);
		return error_hint(err, "wait until one of them has ended");
	}
	if (c.all < MAX_SPOOLS)
		return 0;
	error_set(err, ERR_REFUSED, "there are %d spools on this node already", MAX_SPOOLS - 1);
	return error_hint(err, "'jdiag spool list' shows them, 'jdiag spool rm' removes them");
}

/* A dump is hardly larger than what the JVM has of memory. */
static int plan(struct process *p, struct error *err)
{
	const struct capture_request *r = p->request;
	struct budget_request q = {
		.expected = r->expected ? r->expected : p->capture.target.jvm.rss,
		.buffer = r->buffer,
		.percent = r->percent,
		.ring = !r->spool,
	};

	snprintf(q.dir, sizeof(q.dir), "%s", r->dir);
	return budget_plan(&p->proc, p->capture.target.ref.pid, &q, &p->budget, err);
}

static void describe(struct process *p)
{
	const struct capture_request *r = p->request;
	const struct target *t = &p->capture.target;
	struct spool_state *s = &p->state;

	s->version = SPOOL_VERSION;
	snprintf(s->program, sizeof(s->program), "jdiag-helper " JDIAG_VERSION);
	snprintf(s->id, sizeof(s->id), "%s", r->id);
	snprintf(s->owner, sizeof(s->owner), "%s", r->owner);
	snprintf(s->container, sizeof(s->container), "%.79s", t->jvm.container);
	snprintf(s->format, sizeof(s->format), "%s", codec_format(r->codec));
	snprintf(s->redact, sizeof(s->redact), "%s", hprof_redact_name(r->redact));
	s->label = r->label;
	s->ring = !r->spool;
	s->pid = t->ref.pid;
	s->start_time = t->ref.start_time;
	s->created = time(NULL);
	s->expected = r->expected;
}

static void ignore(void *ctx, const char *what, const char *kept)
{
	(void)ctx;
	if (kept)
		log_at(LOG_STEP, "%s is kept: %s", what, kept);
}

/* The lock, the directory, the first state. */
int process_set_up(struct process *p, const struct jsonr *params, struct error *err)
{
	struct capture *c = &p->capture;
	struct nodedir_base base = {0};
	char name[JDIAG_NAME_SIZE];

	if (target_open(&c->target, &p->proc, params, err) < 0 || capture_lock(&c->target, err) < 0)
		return -1;
	spool_sweep(false, false, ignore, NULL);
	if (plan(p, err) < 0)
		return -1;
	snprintf(base.path, sizeof(base.path), "%s", p->budget.base);
	spool_name(p->request->id, name);
	if (nodedir_create(&p->node, &base, name, c->target.jvm.uid, c->target.jvm.gid, err) < 0 ||
	    nodedir_note_pid(&p->node, &p->proc, err) < 0)
		return -1;
	c->node = &p->node;
	c->ring = !p->request->spool;
	c->live = p->request->live;
	c->parallel = p->request->parallel	? p->request->parallel
		      : p->budget.jvm_cpus > 4	? 4
		      : p->budget.jvm_cpus == 0 ? 1
						: p->budget.jvm_cpus;
	describe(p);
	if (process_save(p, err) < 0)
		return -1;
	spool_reserve(p->node.dir);
	return process_check_crowd(err);
}
