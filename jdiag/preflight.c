#include "jdiag/preflight.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/jvmbuilds.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/codec/codec.h"

/*
 * A dump has identifiers of 8 bytes and a header for each object: where the heap has references of
 * 4 bytes (up to 32 GiB) it was 1.42 and 1.53 times as large as the objects in use, a mix with
 * strings and small objects alone; above, it is about as large.
 */
#define SIZE_PERCENT 155
#define SIZE_PERCENT_WIDE 120
#define SIZE_BYTES (16 * MiB) /* classes and strings of a small program */
#define WIDE_HEAP (32 * 1024 * MiB)

/* Of the dump, upper ones: 0.43 and 0.39 were measured. */
#define GZIP_PERCENT 55
#define ZSTD_PERCENT 50

/* What the kernel takes into memory before writers have to wait for the disk (vm.dirty_ratio), and
 * what is assumed of the disk then: small network disks give that. */
#define DIRTY_PERCENT 20
#define DISK_MBPS 100

/* One thread behind the JVM that redacts and compresses, MB/s (jvm.md 4.3: 182 and 234 compress).
 */
#define WORKER_MBPS 150

static const json_t *strategy_entry(const json_t *inspect, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_at(inspect, "strategies"), i, entry)
		if (strcmp(json_str_at(entry, "name", ""), name) == 0)
			return entry;
	return NULL;
}

/* chosen: the entry of the one that was asked for, if it is known. */
static int no_strategy(const json_t *inspect, const json_t *chosen, struct error *err)
{
	auto_buf struct buf why = BUF_INIT(900);
	const json_t *entry;
	bool other = false;
	size_t i;

	json_array_foreach (json_at(inspect, "strategies"), i, entry) {
		bool usable = json_bool_at(entry, "usable", false);

		other |= usable;
		buf_addf(&why, "%s%s: %.200s", i ? "\n" : "", json_str_at(entry, "name", "?"),
			 usable ? "works here" : json_str_at(entry, "reason", "?"));
	}
	if (chosen && other)
		error_set(err, ERR_CAPTURE, "the way '%s' does not work here: %s",
			  json_str_at(chosen, "name", "?"), json_str_at(chosen, "reason", "?"));
	else
		error_set(err, ERR_CAPTURE, "no way to capture a dump works here");
	return error_hint(err, "%s", buf_str(&why));
}

/* ---- sizes ---- */

/* Below the limit of the container's cgroup. */
static uint64_t memory_left(const json_t *inspect)
{
	uint64_t limit = json_u64_at(inspect, "memory.limit", 0);
	uint64_t usage = json_u64_at(inspect, "memory.usage", 0);

	if (!limit)
		return UINT64_MAX;
	return usage < limit ? limit - usage : 0;
}

static uint64_t percent_of(uint64_t n, unsigned int percent)
{
	return n / 100 * percent + n % 100 * percent / 100;
}

static uint64_t stored_size(const struct preflight *p)
{
	enum codec c;

	if (!p->format || !codec_from_format(p->format, &c) || c == CODEC_NONE)
		return p->size;
	return percent_of(p->size, c == CODEC_GZIP ? GZIP_PERCENT : ZSTD_PERCENT) + MiB;
}

static bool is_redacted(const struct preflight *p)
{
	return p->redact && strcmp(p->redact, "none") != 0;
}

static bool through_fifos(const struct preflight *p)
{
	return strcmp(p->strategy, "fifo") == 0 || strcmp(p->strategy, "segments") == 0;
}

/* What the JVM writes into a file: 22 and later write a segment of full size first and merge it
 * into the dump. 0 through a FIFO. */
static uint64_t file_size(const struct preflight *p)
{
	if (through_fifos(p))
		return 0;
	return jvm_release(p->version) >= 22 ? 2 * p->size : p->size;
}

static void estimate_sizes(struct preflight *p, const json_t *inspect)
{
	bool wide = json_u64_at(inspect, "heap.max", 0) >= WIDE_HEAP;
	uint64_t file;

	p->heap_used = json_u64_at(inspect, "heap.used", 0);
	p->heap_source = json_str_at(inspect, "heap.source", "");
	p->size = percent_of(p->heap_used, wide ? SIZE_PERCENT_WIDE : SIZE_PERCENT) + SIZE_BYTES;
	p->stored = stored_size(p);
	/* `begin` is told this size; when nothing bounded the buffer before, it gets what it needs.
	 */
	if (!*p->buffer_why && p->buffer < p->size)
		p->buffer = p->size;
	file = file_size(p);
	/* Redacted bytes and a ring's never go to the disk as they are: the JVM waits instead. */
	if (through_fifos(p) && !p->ring && !is_redacted(p) && p->size > p->buffer)
		p->overflow = p->size - p->buffer;
	if (strcmp(p->strategy, "container-file") == 0)
		p->pod_peak = file;
	else
		p->node_peak = file;
	p->node_peak += p->overflow + (p->ring ? 0 : p->stored);
}

/* ---- the pause ---- */

static uint64_t ms_at(uint64_t bytes, unsigned int mbps)
{
	return bytes / 1000 / mbps;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Bytes that go to a disk while the JVM stands still are taken by memory first, then at the disk's
 * own rate. */
static uint64_t disk_ms(const struct preflight *p, const json_t *inspect, uint64_t file)
{
	uint64_t bytes = file ? file : p->overflow;
	uint64_t memory = json_u64_at(inspect, "budget.available", 0);

	if (p->in_memory)
		return 0;
	if (p->pod_peak && p->memory_free < memory)
		memory = p->memory_free;
	memory = percent_of(memory, DIRTY_PERCENT);
	return bytes > memory ? ms_at(bytes - memory, DISK_MBPS) : 0;
}

/* A redacted dump that does not fit into the buffer waits for those who redact it: the CPUs that
 * the JVM leaves. */
static uint64_t redact_ms(const struct preflight *p, const json_t *inspect)
{
	uint64_t cpus = json_u64_at(inspect, "budget.cpus", 1);

	if (!through_fifos(p) || !is_redacted(p) || p->size <= p->buffer)
		return 0;
	cpus = cpus > 2 ? cpus - 1 : 1;
	return ms_at(p->size - p->buffer, (unsigned int)(cpus > 64 ? 64 : cpus) * WORKER_MBPS);
}

static void tell_in_source(struct preflight *p, const char *text)
{
	size_t used = strlen(p->rate_source);

	snprintf(p->rate_source + used, sizeof(p->rate_source) - used, "%s", text);
}

static void estimate_pause(struct preflight *p, const json_t *inspect)
{
	struct preflight_speed s = {
		.version = p->version,
		.serial = strcmp(p->collector, "Serial") == 0,
		.parallel = p->parallel,
		.jvm_cpus = (unsigned int)json_u64_at(inspect, "budget.jvm_cpus", 1),
		.millicpus = (unsigned int)json_u64_at(inspect, "budget.jvm_millicpus", 0),
		.cpu_mbps = (unsigned int)json_u64_at(inspect, "rate.cpu_mbps", 0),
	};
	uint64_t writer, disk = disk_ms(p, inspect, file_size(p));
	uint64_t redact = redact_ms(p, inspect);

	p->rate_mbps = preflight_rate(&s, p->rate_source, sizeof(p->rate_source));
	p->gc_ms = p->live ? preflight_gc_ms(&s, p->heap_used) : 0;
	writer = ms_at(p->size, p->rate_mbps);
	if (disk > writer)
		tell_in_source(p, "; the disk is slower, 100 MB/s assumed");
	if (redact > larger(disk, writer))
		tell_in_source(p, "; the redaction is slower, 150 MB/s a CPU");
	p->pause_ms = p->gc_ms + larger(writer, larger(disk, redact)) + 1;
}

/* ---- notes ---- */

static void note(struct preflight *p, const char *fmt, ...) printf_like(2, 3);

static void note(struct preflight *p, const char *fmt, ...)
{
	va_list ap;

	if (p->n_notes == PREFLIGHT_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(p->notes[p->n_notes++], sizeof(p->notes[0]), fmt, ap);
	va_end(ap);
}

static void note_build(void *ctx, const struct jvm_build *b)
{
	note(ctx, "known bad build of Java: %s (%s)", b->text, b->id);
}

static void note_buffer(struct preflight *p)
{
	char rest[16];

	if (!through_fifos(p) || p->size <= p->buffer)
		return;
	str_format_size(rest, p->size - p->buffer);
	if (is_redacted(p) || p->ring)
		note(p, "the memory for the dump may be %s too small: the JVM waits then (%s)",
		     rest, p->buffer_why);
	else if (p->buffer)
		note(p, "%s of the dump may go raw to the node's disk (%s)", rest, p->buffer_why);
	else
		note(p, "too little memory on the node: the dump goes raw to its disk (%s)",
		     p->buffer_why);
}

static void make_notes(struct preflight *p)
{
	p->n_notes = 0;
	jvm_builds_each(p->version, p->collector, note_build, p);
	if (p->ring)
		note(p, "--no-spool: the pause depends on the network, and a connection that "
			"breaks ends the capture");
	note_buffer(p);
}

/* ---- all of it ---- */

static void take_place(struct preflight *p, const json_t *inspect, const json_t *entry)
{
	p->where = json_str_at(entry, "where", "");
	p->pod_free = json_u64_at(entry, "free", 0);
	p->in_memory = json_bool_at(entry, "memory", false);
	p->memory_free = memory_left(inspect);
	p->node_base = json_str_at(inspect, "budget.base", "");
	p->node_free = json_u64_at(inspect, "budget.disk_free", 0);
	p->node_size = json_u64_at(inspect, "budget.disk_size", 0);
	p->node_max = json_u64_at(inspect, "budget.max_bytes", 0);
	p->buffer = json_u64_at(inspect, "budget.buffer", 0);
	p->buffer_why = json_str_at(inspect, "budget.why", "");
	p->version = json_str_at(inspect, "jvm.version", "");
	p->flags = json_str_at(inspect, "flags", "");
	p->collector = json_str_at(inspect, "collector", "");
	p->pod_peak = p->node_peak = p->overflow = 0;
}

int preflight_estimate(struct preflight *p, const json_t *inspect, struct error *err)
{
	const char *no_place = json_str_at(inspect, "budget.error", "");
	const json_t *entry;

	p->strategy = json_str_at(inspect, "strategy", "");
	entry = strategy_entry(inspect, p->strategy);
	if (!entry || !json_bool_at(entry, "usable", false))
		return no_strategy(inspect, entry, err);
	if (*no_place)
		return error_set(err, ERR_NODE, "%s", no_place);
	take_place(p, inspect, entry);
	estimate_sizes(p, inspect);
	estimate_pause(p, inspect);
	make_notes(p);
	return 0;
}

bool preflight_is_fallback(const struct preflight *p, const json_t *inspect, const char **ret_first,
			   const char **ret_reason)
{
	const json_t *first = json_array_get(json_at(inspect, "strategies"), 0);

	*ret_first = json_str_at(first, "name", "?");
	*ret_reason = json_str_at(first, "reason", "?");
	return strcmp(p->strategy, "segments") != 0 &&
	       strcmp(p->strategy, json_str_at(first, "name", "")) != 0;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *preflight_expected(const struct preflight *p)
{
	json_t *o = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:s}}",
			      "heapUsed", number(p->heap_used), "heapSource", p->heap_source,
			      "size", number(p->size), "stored", number(p->stored), "buffer",
			      number(p->buffer), "overflow", number(p->overflow), "nodePeak",
			      number(p->node_peak), "podPeak", number(p->pod_peak), "pauseMs",
			      number(p->pause_ms), "gcMs", number(p->gc_ms), "rate", "mbps",
			      (int)p->rate_mbps, "source", p->rate_source);

	if (!o)
		die_oom();
	return o;
}

json_t *preflight_notes(const struct preflight *p)
{
	json_t *notes = json_array();

	for (size_t i = 0; i < p->n_notes; i++)
		json_array_append_new(notes, json_string(p->notes[i]));
	return notes;
}
