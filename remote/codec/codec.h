/*
 * The formats of an artifact: `hprof` as it is, `hprof.gz`, `hprof.zst`. Both compressed ones are
 * independent blocks of at most CODEC_BLOCK raw bytes, which can be made side by side and
 * concatenate: gzip members (RFC 1952) laid out as the JDK's own -gz does (jvm.md 4.2: the first
 * has the comment "HPROF BLOCKSIZE=1048576", mtime 0), by libdeflate; or zstd frames (RFC 8878)
 * with a seek table (a skippable frame) behind the last, by libzstd. Shared by both programs.
 */
#ifndef REMOTE_CODEC_CODEC_H
#define REMOTE_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/base/limits.h"

#define CODEC_BLOCK (1 * MiB)

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD };

/* "hprof", "hprof.gz", "hprof.zst": the format's name is also the suffix of a file. */
const char *codec_format(enum codec c);
/* False when it is none of these. */
bool codec_from_format(const char *format, enum codec *ret);
/* By the ending of a file's name or URL (".hprof.gz", ".gz", ".zst", ".hprof" ...); false: unknown.
 */
bool codec_from_name(const char *name, enum codec *ret);

/* One thread's compressor; about 2 MiB of memory. */
struct codec_encoder;
struct codec_encoder *codec_encoder_new(enum codec c) must_check;
void codec_encoder_free(struct codec_encoder *e);

/* From the next block on: a tenth smaller in twice the time, for a link that is slower than we are;
 * or, as at the start, fast. The format is the same. */
void codec_encoder_dense(struct codec_encoder *e, bool dense);

/* Room that a block may need at most. */
size_t codec_bound(enum codec c);

/* Encode one block (len <= CODEC_BLOCK, > 0); first: of the whole artifact. Returns the length in
 * out, which has codec_bound bytes. Cannot fail. CODEC_NONE copies. */
size_t codec_encode(struct codec_encoder *e, bool first, const void *in, size_t len, void *out);

/* What comes behind the last block: zstd's seek table, from the sizes of all blocks in the order of
 * the artifact. Nothing for the others. */
struct codec_sizes {
	uint32_t stored, raw;
};
void codec_trailer(enum codec c, const struct codec_sizes *blocks, size_t n, struct buf *out);

#endif
