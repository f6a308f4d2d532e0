#include "remote/codec/codec.h"

#include <stdlib.h>
#include <string.h>

#include "remote/base/str.h"
#include "remote/codec/internal.h"

struct codec_encoder {
	enum codec codec;
	struct gzip_encoder *gzip; /* owned */
	struct zstd_encoder *zstd; /* owned */
};

static const struct {
	const char *format, *suffix;
} codecs[] = {
	[CODEC_NONE] = {"hprof", ".hprof"},
	[CODEC_GZIP] = {"hprof.gz", ".gz"},
	[CODEC_ZSTD] = {"hprof.zst", ".zst"},
};

const char *codec_format(enum codec c)
{
	return codecs[c].format;
}

bool codec_from_format(const char *format, enum codec *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (strcmp(format, codecs[i].format) == 0) {
			*ret = (enum codec)i;
			return true;
		}
	return false;
}

bool codec_from_name(const char *name, enum codec *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (str_ends(name, codecs[i].suffix)) {
			*ret = (enum codec)i;
			return true;
		}
	return false;
}

struct codec_encoder *codec_encoder_new(enum codec c)
{
	struct codec_encoder *e = xcalloc(1, sizeof(*e));

	e->codec = c;
	if (c == CODEC_GZIP)
		e->gzip = gzip_encoder_new();
	else if (c == CODEC_ZSTD)
		e->zstd = zstd_encoder_new();
	return e;
}

void codec_encoder_free(struct codec_encoder *e)
{
	if (!e)
		return;
	gzip_encoder_free(e->gzip);
	zstd_encoder_free(e->zstd);
	free(e);
}

void codec_encoder_dense(struct codec_encoder *e, bool dense)
{
	if (e->codec == CODEC_GZIP)
		gzip_encoder_dense(e->gzip, dense);
	else if (e->codec == CODEC_ZSTD)
		zstd_encoder_dense(e->zstd, dense);
}

size_t codec_bound(enum codec c)
{
	switch (c) {
	case CODEC_GZIP:
		return gzip_bound();
	case CODEC_ZSTD:
		return zstd_bound();
	case CODEC_NONE:
		break;
	}
	return CODEC_BLOCK;
}

size_t codec_encode(struct codec_encoder *e, bool first, const void *in, size_t len, void *out)
{
	switch (e->codec) {
	case CODEC_GZIP:
		return gzip_encode(e->gzip, first, in, len, out);
	case CODEC_ZSTD:
		return zstd_encode(e->zstd, in, len, out);
	case CODEC_NONE:
		break;
	}
	memcpy(out, in, len);
	return len;
}

void codec_trailer(enum codec c, const struct codec_sizes *blocks, size_t n, struct buf *out)
{
	if (c == CODEC_ZSTD)
		zstd_seek_table(blocks, n, out);
}
