/*
 * An artifact, read: the dump's own bytes out of a file that is plain, gzip or zstd; which of them,
 * its content says. Streamed: memory is bounded whatever the file claims (zstd: a window of at most
 * 128 MiB, ARTIFACT_WINDOW_LOG), the number of blocks is not. A stream that ends inside a block,
 * whose checksums do not agree or that has something else behind its last block is ERR_CAPTURE with
 * the offset in the file.
 *
 * By zlib, libdeflate and libzstd, not by libarchive: that of Debian 12 (3.6.2) checks no CRC of
 * gzip, takes a member whose header is cut for the end, and throws away what it had decoded when it
 * meets an error.
 */
#ifndef JDIAG_ARCHIVE_INPUT_H
#define JDIAG_ARCHIVE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/codec/codec.h"

#define ARTIFACT_WINDOW_LOG 27

struct artifact_input;

/* Where the stored bytes come from, when it is not a path. */
struct artifact_source {
	const char *name; /* for messages; copied */
	/* Up to len bytes, at least one; *ret_len 0: the end. */
	int (*read)(void *ctx, void *buf, size_t len, size_t *ret_len, struct error *err);
	void *ctx; /* borrowed */
};

/* A file as a source; the source's ctx is the struct itself, which must not be moved. */
struct artifact_file {
	struct artifact_source source;
	uint64_t size; /* UINT64_MAX: not known (a pipe) */
	int fd;	       /* owned */
};

/* A path, or "-" for standard input. ERR_USAGE when there is no such file, ERR_FAILED when it
 * cannot be read. path has to outlive it. */
int artifact_file_open(struct artifact_file *ret, const char *path, struct error *err) must_check;
void artifact_file_close(struct artifact_file *f); /* ARTIFACT_FILE_INIT is fine */

#define ARTIFACT_FILE_INIT ((struct artifact_file){.fd = -1})
#define auto_artifact_file auto_cleanup(artifact_file_close)

/* A path, or "-" for standard input. Reads the beginning. The errors of artifact_file_open, and
 * ERR_CAPTURE when it is empty. */
int artifact_open(struct artifact_input **ret, const char *path, struct error *err) must_check;
int artifact_open_source(struct artifact_input **ret, const struct artifact_source *source,
			 struct error *err) must_check;

enum codec artifact_codec(const struct artifact_input *in);

/* Up to len bytes of the dump, at least one; *ret_len 0: the end, and it is complete. Fastest with
 * a buffer of CODEC_BLOCK bytes. */
int artifact_read(struct artifact_input *in, void *buf, size_t len, size_t *ret_len,
		  struct error *err) must_check;

/* How many stored bytes were decoded so far. */
uint64_t artifact_stored_offset(const struct artifact_input *in);

void artifact_close(struct artifact_input *in); /* NULL is fine */

void artifact_cleanup(struct artifact_input **in);
#define auto_artifact auto_cleanup(artifact_cleanup)

#endif
