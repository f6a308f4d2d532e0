#include "jdiag/progress.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/output.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define EVERY_MS 200
#define JSON_EVERY_MS 1000
#define WINDOW 16	/* samples for the rate, one per EVERY_MS: about three seconds */
#define MIN_RATE_MS 400 /* a rate over less says nothing */
#define MAX_LINE 512
#define CLEAR_LINE "\r\033[K"

struct sample {
	uint64_t at, bytes;
};

struct progress {
	enum { SILENT, TERMINAL, PLAIN, JSON } way;
	char phase[64];
	uint64_t started, phase_started, drawn; /* now_ms() */
	uint64_t bytes, total;
	uint64_t raw, stored; /* of a capture */
	struct {
		size_t total, done, failed, running;
	} targets;		       /* of a fleet; total 0: there is none */
	struct sample samples[WINDOW]; /* a ring; the oldest one is overwritten */
	unsigned int taken;
};

struct progress *progress_new(enum progress_mode mode, bool quiet)
{
	struct progress *p = xcalloc(1, sizeof(*p));
	const char *term = getenv("TERM");

	p->started = p->phase_started = now_ms();
	if (quiet || mode == PROGRESS_NONE)
		p->way = SILENT;
	else if (mode == PROGRESS_JSON)
		p->way = JSON;
	else if (mode == PROGRESS_AUTO && isatty(STDERR_FILENO) && term &&
		 strcmp(term, "dumb") != 0)
		p->way = TERMINAL;
	else
		p->way = PLAIN;
	return p;
}

/* Bytes per second over the last seconds; 0: not known yet. */
static uint64_t rate_of(const struct progress *p, uint64_t now)
{
	const struct sample *oldest = &p->samples[p->taken > WINDOW ? p->taken % WINDOW : 0];
	uint64_t ms = now - oldest->at;

	if (p->taken == 0 || ms < MIN_RATE_MS || p->bytes < oldest->bytes)
		return 0;
	return (uint64_t)((double)(p->bytes - oldest->bytes) * 1000 / (double)ms);
}

static void take_sample(struct progress *p, uint64_t now)
{
	p->samples[p->taken % WINDOW] = (struct sample){now, p->bytes};
	p->taken++;
}

static void add_seconds(struct buf *b, uint64_t seconds)
{
	char time[16];

	if (seconds < 60)
		buf_addf(b, "  %us left", (unsigned int)seconds);
	else
		buf_addf(b, "  %s left", str_format_ms(time, seconds * 1000));
}

/* "transfer  1.2 GiB of 4.0 GiB  30%  85 MiB/s  33s left", or "attach  4s"; of a capture also
 * "pause  4s  ..." and "spool  4.0 GiB raw, 1.1 GiB stored  600 MiB ...". */
static void describe(const struct progress *p, uint64_t now, struct buf *b)
{
	char size[16], of[16], rate_text[16];
	uint64_t rate = rate_of(p, now);

	if (p->targets.total) {
		buf_addf(b, "%zu of %zu done, %zu running", p->targets.done, p->targets.total,
			 p->targets.running);
		if (p->targets.failed)
			buf_addf(b, ", %zu failed", p->targets.failed);
		return;
	}
	buf_adds(b, p->phase);
	if ((p->bytes == 0 && p->total == 0) || strcmp(p->phase, "pause") == 0)
		buf_addf(b, "  %us", (unsigned int)((now - p->phase_started) / 1000));
	if (p->raw && strcmp(p->phase, "spool") == 0)
		buf_addf(b, "  %s raw, %s stored", str_format_size(size, p->raw),
			 str_format_size(of, p->stored));
	if (p->bytes == 0 && p->total == 0)
		return;
	buf_addf(b, "  %s", str_format_size(size, p->bytes));
	/* more than expected: the estimate was wrong, say no more of it */
	if (p->total && p->bytes <= p->total)
		buf_addf(b, " of %s  %u%%", str_format_size(of, p->total),
			 (unsigned int)((double)p->bytes * 100 / (double)p->total));
	if (rate)
		buf_addf(b, "  %s/s", str_format_size(rate_text, rate));
	if (rate && p->total > p->bytes)
		add_seconds(b, (p->total - p->bytes) / rate + 1);
}

static size_t terminal_width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80;
}

static void draw_terminal(const struct progress *p, uint64_t now)
{
	auto_buf struct buf b = BUF_INIT(MAX_LINE);
	auto_free char *line = NULL;

	buf_adds(&b, "jdiag: ");
	describe(p, now, &b);
	line = output_escape(buf_str(&b));
	/* the last column stays free: some terminals wrap when it is written */
	fprintf(stderr, "%.*s\033[K\r", (int)terminal_width() - 1, line);
}

static void draw_plain(const struct progress *p, uint64_t now)
{
	auto_buf struct buf b = BUF_INIT(MAX_LINE);
	auto_free char *line = NULL;

	describe(p, now, &b);
	line = output_escape(buf_str(&b));
	fprintf(stderr, "jdiag: %s\n", line);
}

/* One line of JSON mode; takes the reference. */
static void write_json(json_t *message)
{
	auto_json json_t *owned = message;
	auto_free char *line = owned ? json_dumps(owned, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (!line)
		die_oom();
	fprintf(stderr, "%s\n", line);
}

static void draw_targets(const struct progress *p)
{
	write_json(json_pack("{s:s, s:I, s:I, s:I, s:I}", "message_type", "targets", "total",
			     (json_int_t)p->targets.total, "done", (json_int_t)p->targets.done,
			     "failed", (json_int_t)p->targets.failed, "running",
			     (json_int_t)p->targets.running));
}

static void draw_json(const struct progress *p, uint64_t now)
{
	uint64_t rate = rate_of(p, now);
	json_t *m = json_pack("{s:s, s:s, s:I}", "message_type", "progress", "phase", p->phase,
			      "bytes", (json_int_t)p->bytes);

	if (p->total)
		json_object_set_new(m, "total", json_integer((json_int_t)p->total));
	json_object_set_new(m, "rate", json_integer((json_int_t)rate));
	if (rate && p->total >= p->bytes)
		json_object_set_new(m, "seconds_left",
				    json_integer((json_int_t)((p->total - p->bytes) / rate)));
	if (p->raw) {
		json_object_set_new(m, "raw", json_integer((json_int_t)p->raw));
		json_object_set_new(m, "stored", json_integer((json_int_t)p->stored));
	}
	write_json(m);
}

static void draw(struct progress *p, uint64_t now)
{
	p->drawn = now;
	if (p->way == TERMINAL)
		draw_terminal(p, now);
	else if (p->way == JSON && p->targets.total)
		draw_targets(p);
	else if (p->way == JSON)
		draw_json(p, now);
	else if (p->way == PLAIN)
		draw_plain(p, now);
}

void progress_phase(struct progress *p, const char *phase)
{
	uint64_t now = now_ms();

	if (strcmp(p->phase, phase) == 0)
		return;
	str_escape(p->phase, sizeof(p->phase), phase, strlen(phase), "");
	p->bytes = p->total = 0;
	p->taken = 0;
	p->phase_started = p->drawn = now;
	if (p->way == PLAIN)
		fprintf(stderr, "jdiag: %s\n", p->phase);
	else
		draw(p, now);
}

void progress_bytes(struct progress *p, uint64_t bytes, uint64_t total)
{
	uint64_t now = now_ms();
	uint64_t every = p->way == JSON ? JSON_EVERY_MS : EVERY_MS;

	p->bytes = bytes;
	p->total = total;
	if (p->taken == 0 || now - p->samples[(p->taken - 1) % WINDOW].at >= EVERY_MS)
		take_sample(p, now);
	if (!p->phase[0])
		return;
	if (progress_requested() || (p->way != PLAIN && now - p->drawn >= every))
		draw(p, now);
}

void progress_waiting(struct progress *p)
{
	progress_bytes(p, p->bytes, p->total);
}

void progress_capture(struct progress *p, uint64_t raw, uint64_t stored)
{
	p->raw = raw;
	p->stored = stored;
}

void progress_targets(struct progress *p, size_t total, size_t done, size_t failed, size_t running)
{
	uint64_t now = now_ms(), every = p->way == JSON ? JSON_EVERY_MS : EVERY_MS;

	p->targets.total = total;
	p->targets.done = done;
	p->targets.failed = failed;
	p->targets.running = running;
	str_escape(p->phase, sizeof(p->phase), "targets", strlen("targets"), "");
	if (progress_requested() || (p->way != PLAIN && now - p->drawn >= every))
		draw(p, now);
}

/* The phases of many targets are too many for a terminal. */
static void relay_phase(struct progress *p, const char *label, const char *phase, char before[64])
{
	if (strcmp(phase, before) == 0)
		return;
	str_escape(before, 64, phase, strlen(phase), "");
	if (p->way == PLAIN)
		progress_note(p, "%s: %s", label, before);
}

void progress_relay(struct progress *p, const char *label, json_t *message, char phase[64])
{
	const char *type = json_str_at(message, "message_type", "");

	if (strcmp(type, "summary") == 0)
		return; /* there is one, for all */
	if (p->way == JSON) {
		json_set_text(message, "target", label);
		write_json(json_incref(message));
	} else if (strcmp(type, "progress") == 0) {
		relay_phase(p, label, json_str_at(message, "phase", ""), phase);
	} else {
		progress_note(p, "%s: %s", label, json_str_at(message, "message", ""));
	}
}

bool progress_target_error(struct progress *p, const char *label, const struct error *err)
{
	json_t *m;

	if (p->way != JSON)
		return false;
	m = json_pack("{s:s, s:i, s:s}", "message_type", "target_error", "code", (int)err->code,
		      "reason", err_code_name(err->code));
	json_set_text(m, "target", label);
	json_set_text(m, "message", err->msg);
	json_set_text(m, "hint", err->hint);
	write_json(m);
	return true;
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	char raw[1024];
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	text = output_escape(raw);
	if (p->way == JSON)
		write_json(json_pack("{s:s, s:s}", "message_type", "notice", "message", text));
	else if (p->way != SILENT)
		fprintf(stderr, "%sjdiag: %s\n", p->way == TERMINAL ? CLEAR_LINE : "", text);
	if (p->way == TERMINAL && p->phase[0])
		draw(p, now_ms());
}

void progress_clear(struct progress *p)
{
	if (p->way == TERMINAL && p->phase[0])
		fputs(CLEAR_LINE, stderr);
	p->phase[0] = '\0';
}

void progress_hide(struct progress *p)
{
	if (p->way == TERMINAL && p->phase[0])
		fputs(CLEAR_LINE, stderr);
	p->drawn = 0;
}

void progress_end(struct progress *p, const struct error *err)
{
	if (!p)
		return;
	progress_clear(p);
	if (p->way == JSON && !err)
		write_json(json_pack("{s:s, s:f}", "message_type", "summary", "seconds",
				     (double)(now_ms() - p->started) / 1000));
	free(p);
}

void progress_exit_error(const struct error *err)
{
	write_json(json_pack("{s:s, s:i, s:s, s:s, s:s}", "message_type", "exit_error", "code",
			     (int)err->code, "reason", err_code_name(err->code), "message",
			     err->msg, "hint", err->hint));
}
