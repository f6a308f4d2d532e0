#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "remote/codec/internal.h"

/* A 440 MB dump, one core: level 1 210 MB/s at 0.488, level 2 137 at 0.488. Another one of 370 MB:
 * level 1 227 MB/s at 0.395, 3 132 at 0.374, 5 97 at 0.352, 6 73 at 0.350, 9 8 at 0.347. */
#define FAST 1
#define DENSE 5

#define TRAILER_LEN 8 /* CRC-32 and length */

/* RFC 1952, in front of each block: deflate, no time, fastest, Unix. Nothing in it depends on when
 * or where it was made. */
static const unsigned char header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3};

/* The first block's, as HotSpot writes it (heapDumperCompression.cpp, 15 to 26), with FCOMMENT in
 * FLG. Eclipse MAT looks for the comment in the first member only; with it, it reads the dump at
 * random, and its buffers have just that size. */
static const unsigned char first_header[] = "\x1f\x8b\x08\x10\0\0\0\0\x04\x03"
					    "HPROF BLOCKSIZE=1048576";

_Static_assert(CODEC_BLOCK == 1048576, "the comment says so");

struct gzip_encoder {
	struct libdeflate_compressor *fast, *dense; /* owned */
	struct libdeflate_compressor *deflate;	    /* the one in use */
};

struct gzip_encoder *gzip_encoder_new(void)
{
	struct gzip_encoder *e = xcalloc(1, sizeof(*e));

	e->fast = libdeflate_alloc_compressor(FAST);
	e->dense = libdeflate_alloc_compressor(DENSE);
	if (!e->fast || !e->dense)
		die_oom();
	e->deflate = e->fast;
	return e;
}

void gzip_encoder_free(struct gzip_encoder *e)
{
	if (!e)
		return;
	libdeflate_free_compressor(e->fast);
	libdeflate_free_compressor(e->dense);
	free(e);
}

void gzip_encoder_dense(struct gzip_encoder *e, bool dense)
{
	e->deflate = dense ? e->dense : e->fast;
}

size_t gzip_bound(void)
{
	return sizeof(first_header) + libdeflate_deflate_compress_bound(NULL, CODEC_BLOCK) +
	       TRAILER_LEN;
}

size_t gzip_encode(struct gzip_encoder *e, bool first, const void *in, size_t len, void *out)
{
	unsigned char *at = out;
	size_t n = first ? sizeof(first_header) : sizeof(header);

	memcpy(at, first ? first_header : header, n);
	at += n;
	n = libdeflate_deflate_compress(e->deflate, in, len, at, gzip_bound() - n - TRAILER_LEN);
	if (!n)
		abort(); /* the library promises that its bound is enough */
	at += n;
	put_u32(at, libdeflate_crc32(0, in, len));
	put_u32(at + 4, (uint32_t)len);
	return (size_t)(at + TRAILER_LEN - (unsigned char *)out);
}
