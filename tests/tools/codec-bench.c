/*
 * How fast the codecs are, and how small they make a dump:
 *
 *	codec-bench FILE [CODEC...]	CODEC: hprof, hprof.gz, hprof.zst (default: all)
 *
 * One thread, the file held in memory, one block after the other as the drain encodes it. A line
 * each: format, MB/s, ratio, seconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "remote/base/io.h"
#include "remote/codec/codec.h"

#define MAX_FILE (4096 * MiB)

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(enum codec c, const struct buf *file)
{
	struct codec_encoder *e = codec_encoder_new(c);
	auto_free void *out = xmalloc(codec_bound(c));
	size_t stored = 0;
	double begin = seconds(), took;

	for (size_t at = 0; at < file->len; at += CODEC_BLOCK) {
		size_t len = file->len - at < CODEC_BLOCK ? file->len - at : CODEC_BLOCK;

		stored += codec_encode(e, at == 0, file->data + at, len, out);
	}
	took = seconds() - begin;
	printf("%-10s %8.1f MB/s  %.3f  %.2f s\n", codec_format(c), (double)file->len / 1e6 / took,
	       (double)stored / (double)file->len, took);
	codec_encoder_free(e);
}

int main(int argc, char **argv)
{
	auto_buf struct buf file = BUF_INIT(MAX_FILE);
	enum codec c;

	if (argc < 2 || io_read_file(AT_FDCWD, argv[1], &file) < 0) {
		fprintf(stderr, "usage: codec-bench FILE [hprof|hprof.gz|hprof.zst]...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (codec_from_format(argv[i], &c))
			measure(c, &file);
	for (c = CODEC_NONE; argc == 2 && c <= CODEC_ZSTD; c++)
		measure(c, &file);
	return 0;
}
