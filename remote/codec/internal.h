/* The codecs behind codec.h, one file each. Private to this folder. */
#ifndef REMOTE_CODEC_INTERNAL_H
#define REMOTE_CODEC_INTERNAL_H

#include "remote/codec/codec.h"

struct gzip_encoder;
struct gzip_encoder *gzip_encoder_new(void) must_check;
void gzip_encoder_free(struct gzip_encoder *e); /* NULL is fine */
void gzip_encoder_dense(struct gzip_encoder *e, bool dense);
size_t gzip_bound(void);
size_t gzip_encode(struct gzip_encoder *e, bool first, const void *in, size_t len, void *out);

struct zstd_encoder;
struct zstd_encoder *zstd_encoder_new(void) must_check;
void zstd_encoder_free(struct zstd_encoder *e); /* NULL is fine */
void zstd_encoder_dense(struct zstd_encoder *e, bool dense);
size_t zstd_bound(void);
size_t zstd_encode(struct zstd_encoder *e, const void *in, size_t len, void *out);
void zstd_seek_table(const struct codec_sizes *blocks, size_t n, struct buf *out);

/* Both formats are little-endian. */
static inline void put_u32(unsigned char *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(value >> 8 * i);
}

#endif
