/*
 * sink-probe [options] SIZE TO: push SIZE bytes of a pattern into a sink, as a capture would.
 *	-g STEP	   the source grows: so many bytes at a time become known (default: all at once)
 *	-n NAME	   the artifact's name (probe.hprof)
 *	-m	   write a companion NAME.manifest.json as well
 *	-a OFFSET  abort there; -w OFFSET: wait there for a signal
 *	-c COMMAND token command
 *	-v LEVEL   log level
 * sink-probe -p SIZE: the pattern on standard output. Ends with the error's code, like jdiag.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "jdiag/interrupt.h"
#include "jdiag/sink/sink.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define BLOCK (256 * KiB)

struct probe {
	uint64_t size, step, abort_at, wait_at;
	const char *to, *name, *command;
	bool manifest, print;
};

/* Any byte can be made from its offset alone, which is what a rewind needs. */
static void fill(unsigned char *dst, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++, offset++) {
		uint64_t word = (offset / 8 + 1) * 0x9e3779b97f4a7c15ull;

		dst[i] = (unsigned char)((word ^ word >> 29) >> 8 * (offset % 8));
	}
}

static int wait_for_signal(struct error *err)
{
	fprintf(stderr, "waiting\n");
	for (int i = 0; i < 300; i++) {
		if (interrupt_check(err) < 0)
			return -1;
		poll(NULL, 0, 100);
	}
	return error_set(err, ERR_FAILED, "no signal came");
}

/* Bytes from *offset on, until all are written or the sink wants others. */
static int push(struct sink *s, const struct probe *p, uint64_t *offset, struct error *err)
{
	static unsigned char block[BLOCK];

	while (*offset < p->size) {
		uint64_t known = p->step ? *offset + p->step : p->size, back;
		size_t n;
		int r;

		if (*offset >= p->wait_at && wait_for_signal(err) < 0)
			return -1;
		if (*offset >= p->abort_at)
			return error_set(err, ERR_FAILED, "aborted on demand");
		if (known > p->size)
			known = p->size;
		if (sink_extent(s, known, known == p->size && !p->step, err) < 0)
			return -1;
		while (*offset < known) {
			n = known - *offset < BLOCK ? (size_t)(known - *offset) : BLOCK;
			fill(block, *offset, n);
			r = sink_write(s, block, n, &back, err);
			if (r < 0)
				return -1;
			*offset = r == SINK_REWIND ? back : *offset + n;
			if (r == SINK_REWIND)
				fprintf(stderr, "rewind %llu\n", (unsigned long long)back);
			if (*offset >= p->abort_at || *offset >= p->wait_at)
				break;
		}
	}
	return sink_extent(s, p->size, true, err);
}

static int run(const struct probe *p, struct error *err)
{
	auto_cleanup(json_decrefp) json_t *metadata = json_pack("{s:s}", "jdiag-pod", "probe");
	const struct sink_options o = {.to = p->to,
				       .name = p->name,
				       .content_type = "application/x-hprof",
				       .metadata = metadata,
				       .token_command = p->command};
	struct sink *s = NULL;
	uint64_t offset = 0;
	int r = sink_open(&s, &o, err);

	while (r == 0) {
		r = push(s, p, &offset, err);
		if (r == 0)
			r = sink_finish(s, &offset, err);
		if (r != SINK_REWIND)
			break;
		fprintf(stderr, "rewind %llu\n", (unsigned long long)offset);
		r = 0;
	}
	if (r == 0 && p->manifest)
		r = sink_companion(s, ".manifest.json", "{\"kind\":\"probe\"}\n", 17, err);
	if (r == 0)
		printf("%s\n", sink_url(s));
	sink_abort(s);
	return r;
}

static int print_pattern(uint64_t size)
{
	static unsigned char block[BLOCK];

	for (uint64_t at = 0; at < size; at += BLOCK) {
		size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;

		fill(block, at, n);
		if (io_write_full(STDOUT_FILENO, block, n) < 0)
			return 1;
	}
	return 0;
}

static uint64_t number(const char *s)
{
	uint64_t n;

	if (!str_to_size(s, &n))
		exit(ERR_USAGE);
	return n;
}

int main(int argc, char **argv)
{
	struct probe p = {.abort_at = UINT64_MAX, .wait_at = UINT64_MAX, .name = "probe.hprof"};
	struct error err = {0};
	int opt;

	if (io_secure_stdio() < 0)
		return 1;
	interrupt_install();
	while ((opt = getopt(argc, argv, "g:n:ma:w:c:v:p")) != -1) {
		switch (opt) {
		case 'g':
			p.step = number(optarg);
			break;
		case 'n':
			p.name = optarg;
			break;
		case 'm':
			p.manifest = true;
			break;
		case 'a':
			p.abort_at = number(optarg);
			break;
		case 'w':
			p.wait_at = number(optarg);
			break;
		case 'c':
			p.command = optarg;
			break;
		case 'v':
			log_level = (int)number(optarg);
			break;
		case 'p':
			p.print = true;
			break;
		default:
			return ERR_USAGE;
		}
	}
	if (optind + (p.print ? 1 : 2) != argc)
		return ERR_USAGE;
	p.size = number(argv[optind]);
	if (p.print)
		return print_pattern(p.size);
	p.to = argv[optind + 1];
	if (run(&p, &err) == 0)
		return 0;
	fprintf(stderr, "jdiag: %s\n%s%s", err.msg, err.hint, *err.hint ? "\n" : "");
	return (int)err.code;
}
