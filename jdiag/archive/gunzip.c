#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "jdiag/archive/internal.h"

#define WINDOW_BITS (15 + 16) /* gzip, with its CRC and length checked */
#define BLOCK_COMMENT "HPROF BLOCKSIZE="

/*
 * zlib reads any gzip. libdeflate is twice as fast but takes whole members only: what is laid out
 * as the JDK's -gz and ours says so in its first comment, and then each member is tried by
 * libdeflate first. One that it does not like (larger than it claims, cut, damaged) is left to
 * zlib, from its beginning.
 */
struct gunzip {
	z_stream zlib;
	struct libdeflate_decompressor *whole; /* owned; NULL: not laid out so */
	bool inside;			       /* of a member, by zlib */
};

static bool has_block_comment(const unsigned char *head, size_t len)
{
	static const size_t fixed = 10, comment = sizeof(BLOCK_COMMENT) - 1;

	return len > fixed + comment && head[3] == 0x10 &&
	       memcmp(head + fixed, BLOCK_COMMENT, comment) == 0;
}

struct gunzip *gunzip_new(const unsigned char *beginning, size_t len)
{
	struct gunzip *g = xcalloc(1, sizeof(*g));

	if (inflateInit2(&g->zlib, WINDOW_BITS) != Z_OK)
		die_oom();
	if (!has_block_comment(beginning, len))
		return g;
	g->whole = libdeflate_alloc_decompressor();
	if (!g->whole)
		die_oom();
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->zlib);
	libdeflate_free_decompressor(g->whole);
	free(g);
}

static bool read_whole_member(struct gunzip *g, struct stored *s, void *buf, size_t len,
			      size_t *ret_len)
{
	size_t taken, made;

	if (!g->whole || len < CODEC_BLOCK ||
	    libdeflate_gzip_decompress_ex(g->whole, stored_bytes(s), stored_left(s), buf, len,
					  &taken, &made) != LIBDEFLATE_SUCCESS)
		return false;
	stored_take(s, taken);
	*ret_len = made;
	return true;
}

/* Some of a member, up to its end: *ret_len may be 0. */
static int inflate_some(struct gunzip *g, struct stored *s, void *buf, size_t len, size_t *ret_len,
			struct error *err)
{
	z_stream *z = &g->zlib;
	size_t left = stored_left(s);
	int r;

	z->next_in = (unsigned char *)stored_bytes(s);
	z->avail_in = (unsigned int)left;
	z->next_out = buf;
	z->avail_out = len < CODEC_BLOCK ? (unsigned int)len : CODEC_BLOCK;
	*ret_len = z->avail_out;
	r = inflate(z, Z_NO_FLUSH);
	*ret_len -= z->avail_out;
	stored_take(s, left - z->avail_in);
	g->inside = r != Z_STREAM_END;
	if (r == Z_STREAM_END || r == Z_OK)
		return 0;
	if (r == Z_MEM_ERROR)
		die_oom();
	if (r == Z_BUF_ERROR)
		return s->end ? stored_cut(s, err) : 0;
	return stored_corrupt(s, z->msg ? z->msg : "not gzip", err);
}

/* At the end of a member: is there another one? 1, 0 at the end of all. */
static int next_member(struct gunzip *g, struct stored *s, struct error *err)
{
	if (stored_need(s, STORED_BLOCK, err) < 0)
		return -1;
	if (!stored_left(s))
		return 0;
	if (stored_bytes(s)[0] != 0x1f)
		return stored_corrupt(s, "something else lies behind the gzip data", err);
	inflateReset(&g->zlib);
	return 1;
}

int gunzip_read(struct gunzip *g, struct stored *s, void *buf, size_t len, size_t *ret_len,
		struct error *err)
{
	size_t n = 0;

	while (!n) {
		int more = 1;

		if (!g->inside) {
			more = next_member(g, s, err);
			if (more < 0)
				return -1;
			if (!more)
				break;
			if (read_whole_member(g, s, buf, len, &n))
				continue;
		}
		if (stored_need(s, 1, err) < 0 || inflate_some(g, s, buf, len, &n, err) < 0)
			return -1;
	}
	*ret_len = n;
	return 0;
}
