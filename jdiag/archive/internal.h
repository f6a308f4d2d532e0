/* The stored bytes of an artifact and the decoders behind input.h. Private to this folder. */
#ifndef JDIAG_ARCHIVE_INTERNAL_H
#define JDIAG_ARCHIVE_INTERNAL_H

#include <stdbool.h>

#include "jdiag/archive/input.h"

#define STORED_ROOM (4 * MiB)
/* What one encoded block of ours takes at most (codec_bound), and a bit. */
#define STORED_BLOCK (CODEC_BLOCK + CODEC_BLOCK / 16)

/* A window on the stored bytes. */
struct stored {
	struct artifact_source source; /* name is owned */
	unsigned char *room;	       /* owned, STORED_ROOM bytes */
	size_t at, len;		       /* room[at..len) is not decoded yet */
	uint64_t offset;	       /* of room[at] in the artifact */
	bool end;		       /* the source has no more */
};

/* At least n bytes in the window (at most STORED_ROOM), unless the end comes first. */
int stored_need(struct stored *s, size_t n, struct error *err) must_check;

static inline const unsigned char *stored_bytes(const struct stored *s)
{
	return s->room + s->at;
}

static inline size_t stored_left(const struct stored *s)
{
	return s->len - s->at;
}

static inline void stored_take(struct stored *s, size_t n)
{
	s->at += n;
	s->offset += n;
}

/* The errors that both decoders know. Return -1. */
int stored_cut(const struct stored *s, struct error *err);
int stored_corrupt(const struct stored *s, const char *why, struct error *err);

struct gunzip;
struct gunzip *gunzip_new(const unsigned char *beginning, size_t len) must_check;
void gunzip_free(struct gunzip *g); /* NULL is fine */
int gunzip_read(struct gunzip *g, struct stored *s, void *buf, size_t len, size_t *ret_len,
		struct error *err) must_check;

struct unzstd;
struct unzstd *unzstd_new(void) must_check;
void unzstd_free(struct unzstd *z); /* NULL is fine */
int unzstd_read(struct unzstd *z, struct stored *s, void *buf, size_t len, size_t *ret_len,
		struct error *err) must_check;

#endif
