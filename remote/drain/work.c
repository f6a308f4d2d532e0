/* The idle threads: check and redact, encode, append. */
#include <errno.h>
#include <string.h>

#include "remote/drain/inside.h"

static bool queued(struct stream *s)
{
	return atomic_load(&s->queue_in) != atomic_load(&s->queue_out);
}

static bool overflowed(struct stream *s)
{
	return atomic_load(&s->raw_in) != atomic_load(&s->raw_out);
}

/* Fields cannot be redacted before the classes are known. */
static bool must_wait(struct stream *s)
{
	return s->d->classes && s->index > 1 && !hprof_classes_complete(s->d->classes);
}

/* Is there anything that could be done now? */
static bool ready(struct stream *s)
{
	bool ended = atomic_load(&s->ended);

	if (atomic_load(&s->scanned) || must_wait(s))
		return false;
	if (queued(s) || (overflowed(s) && atomic_load(&s->d->pool.free)))
		return true;
	return ended && !queued(s) && !overflowed(s);
}

/* ---- in the order of the stream ---- */

/* The next chunk; the caller has `scanning`. What was in the file was read first: whatever is put
 * into the queue after that comes behind it, what was put there before is seen below. */
static uint32_t next_chunk(struct stream *s)
{
	struct pool *p = &s->d->pool;
	bool raw = overflowed(s);
	uint32_t index;

	if (queued(s)) {
		uint32_t out = atomic_load(&s->queue_out);

		index = s->queue[out & s->mask];
		atomic_store(&s->queue_out, out + 1);
		return index;
	}
	if (!raw || !pool_take(p, 0, &index))
		return NO_CHUNK;
	p->chunks[index].raw = (uint32_t)overflow_read(s, pool_data(p, index), DRAIN_CHUNK);
	if (p->chunks[index].raw)
		return index;
	pool_put(p, index);
	return NO_CHUNK;
}

static void wake_all(struct inside *d)
{
	for (unsigned int i = 0; i < d->n_workers; i++)
		sem_post(&d->work);
}

static int scan(struct stream *s, void *data, size_t len, struct error *err)
{
	struct hprof_classes *classes = s->d->classes;
	bool known = !classes || hprof_classes_complete(classes);

	if (hprof_parser_add(s->parser, data, len, err) < 0)
		return -1;
	if (!known && hprof_classes_complete(classes))
		wake_all(s->d);
	return 0;
}

/* A segment that was never opened has nothing to check. */
static int scan_end(struct stream *s, struct error *err)
{
	if (s->has_end && hprof_parser_add(s->parser, s->tail, s->n_tail, err) < 0)
		return -1;
	if (hprof_parser_finish(s->parser, s->has_end, &s->summary, err) < 0)
		return -1;
	overflow_remove(s);
	return 0;
}

static void end_stream(struct stream *s)
{
	struct error e = {0};

	if (atomic_load(&s->d->failed))
		return;
	if (scan_end(s, &e) < 0) {
		inside_fail(s->d, &e);
		return;
	}
	atomic_store(&s->scanned, true);
	if (s->d->classes)
		wake_all(s->d);
	part_ends(&s->d->parts[s->index], atomic_load(&s->seq));
}

static bool at_end(struct stream *s)
{
	return atomic_load(&s->ended) && !queued(s) && !overflowed(s) && !atomic_load(&s->scanned);
}

/* The next chunk, checked and redacted; NO_CHUNK: nothing to encode. */
static uint32_t scan_next(struct stream *s)
{
	struct pool *p = &s->d->pool;
	uint32_t index = next_chunk(s);
	struct error e = {0};

	if (index == NO_CHUNK) {
		if (at_end(s))
			end_stream(s);
		return NO_CHUNK;
	}
	if (scan(s, pool_data(p, index), p->chunks[index].raw, &e) < 0) {
		inside_fail(s->d, &e);
		return NO_CHUNK;
	}
	atomic_store(&p->chunks[index].plain, false);
	p->chunks[index].seq = atomic_fetch_add(&s->seq, 1);
	return index;
}

/* ---- side by side ---- */

static void encode(struct worker *w, struct stream *s, uint32_t index)
{
	struct inside *d = w->d;
	struct chunk *c = &d->pool.chunks[index];
	unsigned char *data = pool_data(&d->pool, index);
	size_t len = c->raw;

	if (d->o.codec != CODEC_NONE) {
		bool first = s->index == 0 && c->seq == 0;

		codec_encoder_dense(w->encoder, lag_is_large(d));
		len = codec_encode(w->encoder, first, data, len, w->out);
		data = w->out;
	}
	part_deliver(&d->parts[s->index], index, data, len);
}

static bool step(struct worker *w, struct stream *s)
{
	uint32_t index;

	if (!ready(s) || atomic_flag_test_and_set(&s->scanning))
		return false;
	index = ready(s) ? scan_next(s) : NO_CHUNK;
	atomic_flag_clear(&s->scanning);
	/* One who came meanwhile went away again: call him back. */
	if (!atomic_load(&w->d->failed) && ready(s))
		sem_post(&w->d->work);
	if (index == NO_CHUNK)
		return false;
	encode(w, s, index);
	return true;
}

static void work(struct worker *w)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned int i = 0; i < w->d->n_streams; i++)
			if (!atomic_load(&w->d->failed))
				more |= step(w, &w->d->streams[i]);
	}
}

void *work_main(void *worker)
{
	struct worker *w = worker;

	idle_join(w->d, &w->tid);
	while (w->held && sem_wait(&w->d->more) < 0 && errno == EINTR)
		;
	while (!atomic_load(&w->d->failed)) {
		while (sem_wait(&w->d->work) < 0 && errno == EINTR)
			;
		work(w);
	}
	return NULL;
}
