/* The drain process: what it hears, what it says, and its end. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/drain/inside.h"

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

/* ---- the end ---- */

static void begin_to_finish(struct inside *d)
{
	atomic_store(&d->stopping, true);
	eventfd_write(d->stop_fd, 1);
	/* The JVM goes on, and a person waits. */
	idle_end(d);
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
	uint64_t first = atomic_load(&p->first_ns), last = atomic_load(&p->last_ns);

	*r = (struct drain_result){
		.raw = atomic_load(&p->raw),
		.overflow = atomic_load(&p->overflow),
		.stalled_ms = atomic_load(&p->stalled_ns) / 1000000,
		/* Two streams may have begun at once, and noted it in the other order. */
		.written_ms = last > first ? (last - first) / 1000000 : 0,
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
	if (inside_set_up(d, streams, &e) < 0)
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
