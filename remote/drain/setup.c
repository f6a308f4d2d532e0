/* The drain process before it is ready: everything that takes time, or may fail. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "remote/drain/inside.h"
#include "remote/enter.h"

#define RESERVE 2	/* chunks for what is read back from disk */
#define CLASS_RESERVE 4 /* chunks for the streams that must go on before the others can */

/* All but 0 to 2 and what was asked for: a descriptor of the caller may be what its peer waits for
 * the end of. */
static int close_others(const struct inside *d, const struct drain_stream *streams,
			struct error *err)
{
	int kept[2 * SPOOL_MAX_PARTS + 3] = {d->socket, d->o.dir, d->o.dump_dir};
	unsigned int n = 3;

	for (unsigned int i = 0; i < d->n_streams; i++) {
		kept[n++] = streams[i].fd;
		if (streams[i].hold >= 0)
			kept[n++] = streams[i].hold;
	}
	return enter_keep_only(kept, n, err);
}

/* What the dump holds must not get into a core file, and nobody may look in. */
static void secure(void)
{
	const struct rlimit none = {0};
	sigset_t empty;

	prctl(PR_SET_NAME, "jdiag-drain");
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
}

static unsigned int count_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned int)CPU_COUNT(&set) : 1;
}

static unsigned int count_workers(unsigned int asked)
{
	unsigned int n = asked ? asked : count_cpus();

	return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : n;
}

static int set_up_pool(struct inside *d, struct error *err)
{
	uint64_t n = d->o.buffer / DRAIN_CHUNK, least = DRAIN_MIN_BUFFER / DRAIN_CHUNK;
	bool redact = d->o.redact != HPROF_REDACT_NONE, locked;

	/* One being filled and one on its way for each stream, one in each worker. */
	if (least < 2 * d->n_streams + d->n_workers + RESERVE + CLASS_RESERVE)
		least = 2 * d->n_streams + d->n_workers + RESERVE + CLASS_RESERVE;
	if (n < least)
		n = least;
	if (n >= NO_CHUNK / 2)
		return error_set(err, ERR_USAGE, "a buffer of %llu bytes is too large",
				 (unsigned long long)d->o.buffer);
	if (pool_init(&d->pool, (uint32_t)n, redact, &locked, err) < 0)
		return -1;
	if (redact && !locked)
		snprintf(
			d->notice, sizeof(d->notice),
			"the buffer could not be locked in memory: where this node swaps, what was "
			"redacted may be in its swap space");
	return 0;
}

static void set_up_stream(struct inside *d, unsigned int i, const struct drain_stream *in)
{
	struct stream *s = &d->streams[i];
	struct hprof_parser_options o = {.segment = in->segment,
					 .id_size = in->segment ? d->o.id_size : 0,
					 .redact = d->o.redact,
					 .classes = d->classes,
					 .writes_classes = i == (d->segmented ? 1 : 0)};
	uint32_t size = 1;

	while (size < d->pool.n)
		size *= 2;
	*s = (struct stream){.d = d,
			     .index = i,
			     .in = *in,
			     .has_end = d->segmented && i == 0,
			     .may_overflow =
				     !in->file && d->o.redact == HPROF_REDACT_NONE && !d->o.ring,
			     .reserve = RESERVE,
			     .chunk = NO_CHUNK,
			     .mask = size - 1,
			     .raw = -1};
	if (d->classes && i > 1)
		s->reserve += CLASS_RESERVE;
	/* Now: to allocate is to take a lock that an idle thread may hold. */
	if (s->may_overflow)
		s->bounce = xmalloc(BOUNCE);
	s->queue = xcalloc(size, sizeof(*s->queue));
	s->parser = hprof_parser_new(&o);
}

static int set_up_parts(struct inside *d, struct error *err)
{
	d->n_parts = d->n_streams + d->segmented;
	atomic_store(&d->progress->n_parts, d->n_parts);
	for (unsigned int i = 0; i < d->n_parts; i++)
		if (part_open(&d->parts[i], d, i, err) < 0)
			return -1;
	return d->o.ring ? ring_open(d, err) : lag_open(d, err);
}

static int start_thread(pthread_t *thread, void *(*run)(void *), void *arg, struct error *err)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	r = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return r ? error_sys(err, ERR_NODE, r, "cannot start a thread") : 0;
}

/* The idle ones first, and they have begun when this returns: on a busy node they would not. */
static int start_threads(struct inside *d, struct error *err)
{
	unsigned int n_idle = idle_count(d, count_cpus());

	d->hasher = (struct hasher){.d = d, .sha256 = sha256_new()};
	if (start_thread(&d->hasher.thread, hasher_main, &d->hasher, err) < 0)
		return -1;
	for (unsigned int i = 0; i < d->n_workers; i++) {
		struct worker *w = &d->workers[i];

		*w = (struct worker){
			.d = d, .held = i >= n_idle, .encoder = codec_encoder_new(d->o.codec)};
		w->out = xmalloc(codec_bound(d->o.codec));
		if (start_thread(&w->thread, work_main, w, err) < 0)
			return -1;
	}
	idle_begin(d);
	for (unsigned int i = 0; i < d->n_streams; i++) {
		struct stream *s = &d->streams[i];

		if (start_thread(&s->thread, s->in.file ? file_main : intake_main, s, err) < 0)
			return -1;
	}
	return 0;
}

int inside_set_up(struct inside *d, const struct drain_stream *streams, struct error *err)
{
	secure();
	if (close_others(d, streams, err) < 0)
		return -1;
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	d->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->stop_fd < 0 || d->report_fd < 0)
		return error_sys(err, ERR_NODE, errno, "cannot make an eventfd");
	sem_init(&d->started, 0, 0);
	sem_init(&d->more, 0, 0);
	sem_init(&d->work, 0, 0);
	sem_init(&d->hash, 0, 0);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->turn, NULL);
	for (unsigned int i = 0; i < d->n_streams; i++)
		d->segmented |= streams[i].segment;
	d->n_workers = count_workers(d->o.workers);
	if (d->o.ring && d->n_streams > 1)
		return error_set(err, ERR_USAGE, "a ring can take one stream only");
	if (set_up_pool(d, err) < 0 || set_up_parts(d, err) < 0)
		return -1;
	if (d->o.redact == HPROF_REDACT_PRIMITIVES)
		d->classes = hprof_classes_new();
	for (unsigned int i = 0; i < d->n_streams; i++)
		set_up_stream(d, i, &streams[i]);
	if (start_threads(d, err) < 0)
		return -1;
	if (d->o.ring) /* its pace is the reader's */
		idle_hurry(d);
	return 0;
}
