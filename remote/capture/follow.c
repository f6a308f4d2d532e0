/* Waiting in the capture process: one poll for everything, and the state that others follow. */
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/capture/inside.h"

#define SAVE_MS 200
#define LOOK_MS 50

/* ---- the state ---- */

static void take_counters(struct process *p)
{
	struct spool_state *s = &p->state;
	const struct drain_progress *d = p->drain.progress;
	uint64_t first, last;

	if (!p->draining || !d)
		return;
	s->raw = atomic_load(&d->raw);
	s->overflow = atomic_load(&d->overflow);
	s->stalled_ms = atomic_load(&d->stalled_ns) / 1000000;
	first = atomic_load(&d->first_ns);
	last = atomic_load(&d->last_ns);
	s->written_ms = first && last > first ? (last - first) / 1000000 : 0;
	s->n_parts = atomic_load(&d->n_parts);
	if (s->n_parts > SPOOL_MAX_PARTS)
		s->n_parts = SPOOL_MAX_PARTS;
	s->stored = 0;
	for (unsigned int i = 0; i < s->n_parts; i++) {
		/* In this order: final means that the bytes are the last. */
		s->parts[i].final = atomic_load(&d->final[i]);
		s->parts[i].bytes = atomic_load(&d->stored[i]);
		s->stored += s->parts[i].bytes;
	}
}

/* It changes with everything that a follower wants to know soon. */
static uint64_t mark_of(const struct spool_state *s)
{
	uint64_t final = 0;

	for (unsigned int i = 0; i < s->n_parts; i++)
		final += s->parts[i].final;
	return s->raw + s->stored * 3 + s->n_parts + (final << 40) + ((uint64_t)s->phase << 56);
}

int process_save(struct process *p, struct error *err)
{
	take_counters(p);
	p->saved_at = now_ms();
	p->saved_mark = mark_of(&p->state);
	return spool_save(p->node.dir, &p->state, err);
}

/* On a full disk the data fail, and say so; the last state is saved when there is room again. */
static void try_save(struct process *p)
{
	struct error e = {0};

	if (process_save(p, &e) < 0)
		log_at(LOG_WARN, "%s", e.msg);
}

void process_phase(struct process *p, enum spool_phase phase)
{
	p->state.phase = phase;
	try_save(p);
}

static void keep_up(struct process *p)
{
	if (now_ms() - p->saved_at < SAVE_MS)
		return;
	take_counters(p);
	if (mark_of(&p->state) != p->saved_mark)
		try_save(p);
}

/* ---- waiting ---- */

static int check_stop(struct process *p, struct error *err)
{
	struct signalfd_siginfo info;
	struct pollfd line = {.fd = p->lifeline, .events = POLLIN};

	if (read(p->signals, &info, sizeof(info)) > 0)
		return error_set(err, ERR_INTERRUPTED, "the capture was stopped");
	if (p->lifeline >= 0 && poll(&line, 1, 0) > 0)
		return error_set(err, ERR_INTERRUPTED,
				 "the connection ended, and the capture was one without a spool");
	if (p->deadline && now_ms() >= p->deadline)
		return error_set(err, ERR_CAPTURE, "the JVM was not done with the dump in time");
	return 0;
}

static void wait_a_little(const struct process *p)
{
	struct pollfd fds[5];
	nfds_t n = 0;
	const int wanted[] = {p->signals, p->lifeline, p->attach.child.fd,
			      p->draining ? p->drain.fd : -1, p->capture.target.ref.pidfd};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (wanted[i] >= 0)
			fds[n++] = (struct pollfd){.fd = wanted[i], .events = POLLIN};
	(void)poll(fds, n, LOOK_MS);
}

int process_await(struct process *p, condition *met, struct error *err)
{
	for (;;) {
		int rc = met(p, err);

		if (rc)
			return rc;
		if (check_stop(p, err) < 0)
			return -1;
		keep_up(p);
		wait_a_little(p);
	}
}
