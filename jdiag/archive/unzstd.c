#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "jdiag/archive/internal.h"

struct unzstd {
	ZSTD_DCtx *context;
	bool inside; /* of a frame */
};

struct unzstd *unzstd_new(void)
{
	struct unzstd *z = xcalloc(1, sizeof(*z));

	z->context = ZSTD_createDCtx();
	if (!z->context)
		die_oom();
	(void)ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, ARTIFACT_WINDOW_LOG);
	return z;
}

void unzstd_free(struct unzstd *z)
{
	if (!z)
		return;
	ZSTD_freeDCtx(z->context);
	free(z);
}

static int decode_error(const struct stored *s, size_t r, struct error *err)
{
	switch (ZSTD_getErrorCode(r)) {
	case ZSTD_error_memory_allocation:
		die_oom();
	case ZSTD_error_frameParameter_windowTooLarge:
		error_set(err, ERR_CAPTURE, "'%s' needs a window of more than %lu MiB to unpack",
			  s->source.name, (1ul << ARTIFACT_WINDOW_LOG) / MiB);
		return error_hint(err, "if it is to be trusted: unpack it with zstd -d --long=31");
	case ZSTD_error_prefix_unknown:
		return stored_corrupt(s, "something else lies where a zstd frame should begin",
				      err);
	default:
		return stored_corrupt(s, ZSTD_getErrorName(r), err);
	}
}

/* Whole frames at once where they fit into both buffers, which is what libzstd is fastest at. */
static int decode_some(struct unzstd *z, struct stored *s, void *buf, size_t len, size_t *ret_len,
		       struct error *err)
{
	ZSTD_inBuffer in = {.src = stored_bytes(s), .size = stored_left(s)};
	ZSTD_outBuffer out = {.dst = buf, .size = len};
	size_t r = ZSTD_decompressStream(z->context, &out, &in);

	stored_take(s, in.pos);
	*ret_len = out.pos;
	if (ZSTD_isError(r))
		return decode_error(s, r, err);
	z->inside = r != 0;
	if (z->inside && !out.pos && !stored_left(s) && s->end)
		return stored_cut(s, err);
	return 0;
}

int unzstd_read(struct unzstd *z, struct stored *s, void *buf, size_t len, size_t *ret_len,
		struct error *err)
{
	size_t n = 0;

	while (!n) {
		if (stored_need(s, z->inside ? 1 : STORED_BLOCK, err) < 0)
			return -1;
		if (!z->inside && !stored_left(s))
			break;
		if (decode_some(z, s, buf, len, &n, err) < 0)
			return -1;
	}
	*ret_len = n;
	return 0;
}
