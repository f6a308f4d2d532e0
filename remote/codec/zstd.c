#include <stdlib.h>
#include <zstd.h>

#include "remote/codec/internal.h"

/* A 440 MB dump, one core: level 1 460 MB/s at 0.432, -1 560 at 0.439 (on other dumps it is a third
 * larger), 3 235 at 0.440. Behind the buffer the bytes that travel cost more than the time here. */
#define FAST 1
#define DENSE                                                                                    \
	2 /* 152 to 200 MB/s at 0.351, where level 1 has 249 at 0.378, and 3 and 4 are no better \
	   */

/* The zstd seekable format, version 0.1.0: a skippable frame with the sizes of all frames. */
#define SKIPPABLE_MAGIC 0x184d2a5eu
#define SEEKABLE_MAGIC 0x8f92eab1u
#define ENTRY_LEN 8
#define FOOTER_LEN 9

struct zstd_encoder {
	ZSTD_CCtx *context;
};

struct zstd_encoder *zstd_encoder_new(void)
{
	struct zstd_encoder *e = xcalloc(1, sizeof(*e));

	e->context = ZSTD_createCCtx();
	if (!e->context)
		die_oom();
	/* The frame's header has the content size by itself: ZSTD_compress2 knows it. */
	(void)ZSTD_CCtx_setParameter(e->context, ZSTD_c_compressionLevel, FAST);
	(void)ZSTD_CCtx_setParameter(e->context, ZSTD_c_checksumFlag, 1);
	return e;
}

void zstd_encoder_free(struct zstd_encoder *e)
{
	if (!e)
		return;
	ZSTD_freeCCtx(e->context);
	free(e);
}

void zstd_encoder_dense(struct zstd_encoder *e, bool dense)
{
	(void)ZSTD_CCtx_setParameter(e->context, ZSTD_c_compressionLevel, dense ? DENSE : FAST);
}

size_t zstd_bound(void)
{
	return ZSTD_compressBound(CODEC_BLOCK);
}

size_t zstd_encode(struct zstd_encoder *e, const void *in, size_t len, void *out)
{
	size_t n = ZSTD_compress2(e->context, out, zstd_bound(), in, len);

	if (ZSTD_isError(n))
		die_oom(); /* the only way in which it can fail: its tables come with the first use
			    */
	return n;
}

static void add_u32(struct buf *out, uint32_t value)
{
	unsigned char bytes[4];

	put_u32(bytes, value);
	buf_add(out, bytes, sizeof(bytes));
}

void zstd_seek_table(const struct codec_sizes *blocks, size_t n, struct buf *out)
{
	static const unsigned char no_checksums = 0;

	add_u32(out, SKIPPABLE_MAGIC);
	add_u32(out, (uint32_t)(n * ENTRY_LEN + FOOTER_LEN));
	for (size_t i = 0; i < n; i++) {
		add_u32(out, blocks[i].stored);
		add_u32(out, blocks[i].raw);
	}
	add_u32(out, (uint32_t)n);
	buf_add(out, &no_checksums, 1);
	add_u32(out, SEEKABLE_MAGIC);
}
