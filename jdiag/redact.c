#include "jdiag/redact.h"

#include <stdlib.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/encoders.h"
#include "jdiag/interrupt.h"
#include "jdiag/progress.h"
#include "jdiag/sink/sink.h"
#include "remote/base/limits.h"

struct work {
	const struct redaction *r;
	struct hprof_parser *parser;
	struct encoders *encoders;
	struct sha256 *sha256;
	struct codec_sizes *blocks; /* owned: of all that was written */
	size_t n_blocks, room;
	uint64_t written;
	uint32_t crc32c;
};

static int write_out(struct work *w, const void *data, size_t len, struct error *err)
{
	uint64_t unused;

	sha256_add(w->sha256, data, len);
	w->crc32c = crc32c(w->crc32c, data, len);
	w->written += len;
	/* A sink that could ask for bytes again was refused: SINK_REWIND cannot come. */
	return sink_extent(w->r->out, w->written, false, err) < 0 ||
			       sink_write(w->r->out, data, len, &unused, err) != 0
		       ? -1
		       : 0;
}

static void remember(struct work *w, struct codec_sizes sizes)
{
	if (w->n_blocks == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		w->blocks = xrealloc(w->blocks, w->room * sizeof(*w->blocks));
	}
	w->blocks[w->n_blocks++] = sizes;
}

/* The oldest block out. 1, 0 when there was none, -1. */
static int drain_one(struct work *w, struct error *err)
{
	struct encoded block;

	if (!encoders_take(w->encoders, &block))
		return 0;
	remember(w, block.sizes);
	if (write_out(w, block.data, block.sizes.stored, err) < 0)
		return -1;
	encoders_done(w->encoders);
	return 1;
}

/* One block of redacted bytes. *ret_len is less than CODEC_BLOCK at the end only. */
static int fill(struct work *w, unsigned char *room, size_t *ret_len, struct error *err)
{
	size_t len = 0, n = 1;

	while (n && len < CODEC_BLOCK) {
		if (artifact_read(w->r->in, room + len, CODEC_BLOCK - len, &n, err) < 0)
			return -1;
		if (n && hprof_parser_add(w->parser, room + len, n, err) < 0)
			return -1;
		len += n;
	}
	*ret_len = len;
	return 0;
}

static int pump(struct work *w, struct error *err)
{
	size_t len = CODEC_BLOCK;
	int more;

	while (len == CODEC_BLOCK) {
		unsigned char *room = encoders_room(w->encoders);

		if (interrupt_check(err) < 0)
			return -1;
		progress_bytes(w->r->progress, artifact_stored_offset(w->r->in), w->r->size);
		if (!room) {
			if (drain_one(w, err) < 0)
				return -1;
			continue;
		}
		if (fill(w, room, &len, err) < 0)
			return -1;
		if (len)
			encoders_give(w->encoders, len);
	}
	do
		more = drain_one(w, err);
	while (more > 0);
	return more;
}

static int write_trailer(struct work *w, struct error *err)
{
	auto_buf struct buf trailer = BUF_INIT(MAX_SEEK_TABLE);

	codec_trailer(w->r->codec, w->blocks, w->n_blocks, &trailer);
	if (trailer.overflow) /* it is a help only: any decoder does without */
		return 0;
	return trailer.len ? write_out(w, trailer.data, trailer.len, err) : 0;
}

static int finish(struct work *w, struct redact_result *ret, struct error *err)
{
	struct redact_result result = {0};
	uint64_t unused;

	if (hprof_parser_finish(w->parser, false, &result.dump, err) < 0 ||
	    write_trailer(w, err) < 0 || sink_extent(w->r->out, w->written, true, err) < 0 ||
	    sink_finish(w->r->out, &unused, err) != 0)
		return -1;
	result.bytes = w->written;
	result.crc32c = w->crc32c;
	sha256_hex(w->sha256, result.sha256);
	*ret = result;
	return 0;
}

int redact_run(const struct redaction *r, struct redact_result *ret, struct error *err)
{
	struct hprof_classes *classes = hprof_classes_new();
	const struct hprof_parser_options options = {
		.redact = r->rule,
		.classes = classes,
		.writes_classes = true,
	};
	struct work w = {
		.r = r,
		.parser = hprof_parser_new(&options),
		.encoders = encoders_new(r->codec),
		.sha256 = sha256_new(),
	};
	int rc = pump(&w, err);

	if (rc == 0)
		rc = finish(&w, ret, err);
	encoders_free(w.encoders);
	hprof_parser_free(w.parser);
	hprof_classes_free(classes);
	sha256_free(w.sha256);
	free(w.blocks);
	return rc;
}
