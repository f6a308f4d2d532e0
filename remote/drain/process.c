/* The drain process: sets itself up, reports, and ends. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"

#define RESERVE 2	/* chunks for what is read back from disk */
#define CLASS_RESERVE 4 /* chunks for the streams that must go on before the others can */

/* ---- what it says ---- */

static void say(struct inside *d, const struct message *m)
{
	(void)send(d->socket, m, sizeof(*m), MSG_NOSIGNAL); /* nobody there: nobody to tell */
}

void inside_fail(struct inside *d, const struct error *e)
{
	if (atomic_exchange(&d->failing, true))
		return;
	d->error = *e;
	atomic_store(&d->failed, true);
	eventfd_write(d->report_fd, 1);
}

/* The streams are closed first: the JVM gets EPIPE and goes on. Intake waits for no idle thread,
 * so it can be waited for; the others end with the process. */
_Noreturn static void give_up(struct inside *d)
{
	struct message m = {.type = MESSAGE_FAILED, .error = d->error};

	eventfd_write(d->stop_fd, 1);
	for (unsigned int i = 0; i < d->n_streams; i++)
		pthread_join(d->streams[i].thread, NULL);
	if (d->o.redact != HPROF_REDACT_NONE)
		pool_wipe(&d->pool);
	for (unsigned int i = 0; i < d->n_streams; i++)
		explicit_bzero(d->streams[i].tail, sizeof(d->streams[i].tail));
	say(d, &m);
	_exit(1);
}

_Noreturn static void fail_early(struct inside *d, const struct error *e)
{
	struct message m = {.type = MESSAGE_FAILED, .error = *e};

	say(d, &m);
	_exit(1);
}

/* ---- set up ---- */

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* All but 0 to 2 and what was asked for: a descriptor of the caller may be what its peer waits for
 * the end of. */
static void close_others(const struct drain_options *o, const struct drain_stream *streams,
			 unsigned int n_streams, int socket)
{
	int kept[2 * SPOOL_MAX_PARTS + 4];
	unsigned int n = 0;
	int from = STDERR_FILENO + 1;

	kept[n++] = socket;
	kept[n++] = o->dir;
	kept[n++] = o->dump_dir;
	for (unsigned int i = 0; i < n_streams; i++) {
		kept[n++] = streams[i].fd;
		kept[n++] = streams[i].hold;
	}
	qsort(kept, n, sizeof(kept[0]), compare_fds);
	for (unsigned int i = 0; i < n; i++) {
		if (kept[i] > from)
			close_range((unsigned int)from, (unsigned int)kept[i] - 1, 0);
		if (kept[i] >= from)
			from = kept[i] + 1;
	}
	close_range((unsigned int)from, ~0u, 0);
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
	return d->o.ring ? ring_open(d, err) : 0;
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
	for (unsigned int i = 0; i < d->n_workers + 1; i++)
		while (sem_wait(&d->started) < 0 && errno == EINTR)
			;
	for (unsigned int i = 0; i < d->n_streams; i++) {
		struct stream *s = &d->streams[i];

		if (start_thread(&s->thread, s->in.file ? file_main : intake_main, s, err) < 0)
			return -1;
	}
	return 0;
}

static int set_up(struct inside *d, const struct drain_stream *streams, struct error *err)
{
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

/* ---- the end ---- */

static void begin_to_finish(struct inside *d)
{
	atomic_store(&d->stopping, true);
	eventfd_write(d->stop_fd, 1);
	/* The JVM goes on, and a person waits. */
	for (unsigned int i = 0; i < d->n_workers; i++)
		idle_end(d->workers[i].tid);
	idle_end(d->hasher.tid);
	idle_hurry(d);
}

/* The end record of a segmented dump is the only block of the last part. */
static int append_end_record(struct inside *d, struct error *err)
{
	struct codec_encoder *encoder = codec_encoder_new(d->o.codec);
	auto_free unsigned char *out = xmalloc(codec_bound(d->o.codec));
	size_t len = codec_encode(encoder, false, d->streams[0].tail, END_RECORD, out);

	codec_encoder_free(encoder);
	return part_append(&d->parts[d->n_parts - 1], out, len, END_RECORD, err);
}

static int append_trailer(struct inside *d, struct error *err)
{
	auto_buf struct buf trailer = BUF_INIT((size_t)16 * MAX_SPOOL_BLOCKS);
	auto_free struct codec_sizes *all = NULL;
	size_t n = 0, at = 0;

	for (unsigned int i = 0; i < d->n_parts; i++)
		n += d->parts[i].n_sizes;
	all = xcalloc(n + 1, sizeof(*all));
	for (unsigned int i = 0; i < d->n_parts; i++) {
		const struct part *p = &d->parts[i];

		for (size_t k = 0; k < p->n_sizes; k++)
			all[at++] = p->sizes[k];
	}
	codec_trailer(d->o.codec, all, n, &trailer);
	if (trailer.overflow)
		return error_set(err, ERR_CAPTURE, "the dump has too many blocks");
	return trailer.len
		       ? part_append(&d->parts[d->n_parts - 1], trailer.data, trailer.len, 0, err)
		       : 0;
}

static void fill_result(struct inside *d, struct drain_result *r)
{
	struct drain_progress *p = d->progress;

	*r = (struct drain_result){
		.raw = atomic_load(&p->raw),
		.overflow = atomic_load(&p->overflow),
		.stalled_ms = atomic_load(&p->stalled_ns) / 1000000,
		.written_ms = (atomic_load(&p->last_ns) - atomic_load(&p->first_ns)) / 1000000,
		.crc32c = d->hasher.crc32c,
	};
	for (unsigned int i = 0; i < d->n_parts; i++)
		r->stored += d->parts[i].stored;
	for (unsigned int i = 0; i < d->n_streams; i++)
		r->records += d->streams[i].summary.records;
	sha256_hex(d->hasher.sha256, r->sha256);
	memcpy(r->notice, d->notice, sizeof(r->notice));
}

_Noreturn static void complete(struct inside *d)
{
	struct message m = {.type = MESSAGE_DONE};
	struct error e = {0};

	if ((d->segmented && append_end_record(d, &e) < 0) || append_trailer(d, &e) < 0)
		inside_fail(d, &e);
	else
		part_final(&d->parts[d->n_parts - 1]);
	if (!atomic_load(&d->failed))
		pthread_join(d->hasher.thread, NULL);
	if (atomic_load(&d->failed))
		give_up(d);
	fill_result(d, &m.result);
	say(d, &m);
	_exit(0);
}

static void listen_to_parent(struct inside *d)
{
	char c;
	ssize_t n = recv(d->socket, &c, 1, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		_exit(1);
	if (n == 1 && !atomic_load(&d->stopping))
		begin_to_finish(d);
}

_Noreturn void inside_run(const struct drain_options *o, const struct drain_stream *streams,
			  unsigned int n_streams, int socket, struct drain_progress *progress)
{
	struct inside *d = xcalloc(1, sizeof(*d));
	struct message ready = {.type = MESSAGE_READY};
	struct error e = {0};

	*d = (struct inside){
		.o = *o, .progress = progress, .socket = socket, .n_streams = n_streams};
	secure();
	close_others(o, streams, n_streams, socket);
	if (set_up(d, streams, &e) < 0)
		fail_early(d, &e);
	say(d, &ready);
	for (;;) {
		struct pollfd p[2] = {{.fd = socket, .events = POLLIN},
				      {.fd = d->report_fd, .events = POLLIN}};
		eventfd_t n;

		(void)poll(p, 2, -1);
		(void)eventfd_read(d->report_fd, &n);
		if (atomic_load(&d->failed))
			give_up(d);
		if (p[0].revents)
			listen_to_parent(d);
		if (atomic_load(&d->stopping) && atomic_load(&d->parts_done) == d->n_streams)
			complete(d);
	}
}
