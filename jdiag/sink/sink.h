/*
 * Where an artifact goes: a file, standard output, a bucket. One vtable, one file each.
 *
 * The artifact is pushed: sink_extent says how much is known to exist (and whether that is all),
 * sink_write brings the bytes in order. A sink that lost bytes (a failed upload) asks for them
 * again: sink_write or sink_finish returns SINK_REWIND with *ret_offset, and the caller goes on
 * from there with bytes that the source still has.
 *
 * Until sink_finish has returned 0 nothing looks like a finished artifact; sink_abort leaves
 * nothing (file: removes the .partial; bucket: deletes the session).
 */
#ifndef JDIAG_SINK_SINK_H
#define JDIAG_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;
struct secret;
struct sink;

#define SINK_REWIND 1

struct sink_options {
	const char *to;	  /* gs://bucket/prefix/ or gs://bucket/object, file, directory, "-" */
	const char *name; /* the artifact's name, used when `to` is a directory or ends in "/" */
	const char *companion; /* suffix of the one that will follow (sink_companion); NULL: none */
	const char *content_type;
	const struct json_t *metadata; /* flat object of strings: the manifest's main fields */
	const char *token_command;     /* for gs://, or NULL */
	/* a .partial of a run that was killed may be written anew (one that is being written not),
	 * an object that is there already may turn out to be the same */
	bool take_over;
	/* called every 200 ms or so while the destination makes us wait; or NULL */
	int (*tick)(void *ctx, struct error *err);
	void *tick_ctx;
};

/* Check the destination and take hold of it: existing file or companion refused, directory
 * writable, bucket session opened. Before the JVM is touched. ERR_USAGE, ERR_FAILED (local),
 * ERR_UPLOAD (bucket). */
int sink_open(struct sink **ret, const struct sink_options *o, struct error *err) must_check;

/* Free bytes at the destination; UINT64_MAX when it is not known or not limited. */
uint64_t sink_free_bytes(const struct sink *s);

/* At least `available` bytes of the artifact exist; `final`: exactly that many. Bytes may be
 * written before their news comes; a sink that knows of more sends them in fewer, larger requests.
 */
int sink_extent(struct sink *s, uint64_t available, bool final, struct error *err) must_check;

/* 0, SINK_REWIND (*ret_offset: where to go on), or -1. */
int sink_write(struct sink *s, const void *data, size_t len, uint64_t *ret_offset,
	       struct error *err) must_check;

/* All bytes were written and the caller has verified them: make it the artifact. 0, SINK_REWIND or
 * -1. */
int sink_finish(struct sink *s, uint64_t *ret_offset, struct error *err) must_check;

/*
 * The bytes may also be sent by the node itself (gs:// only): it gets the address of the session (a
 * secret, good for this one object) and the headers of a PUT of all bytes from offset on (free
 * both). sink_check then asks the destination: 0 when the artifact is there with this size and
 * CRC32C (as sink_finish), SINK_REWIND with *ret_offset when bytes are missing (take the address
 * anew), or -1.
 */
bool sink_can_hand_off(const struct sink *s);
const struct secret *sink_session(const struct sink *s); /* borrowed */
void sink_headers(const struct sink *s, uint64_t offset, uint64_t size, uint32_t crc, char *ret[2]);
int sink_check(struct sink *s, uint64_t size, uint32_t crc, uint64_t *ret_offset,
	       struct error *err) must_check;

/* Write a small companion object beside the artifact (the manifest): NAME + suffix. After finish.
 * For "-" nothing is written. */
int sink_companion(struct sink *s, const char *suffix, const char *text, size_t len,
		   struct error *err) must_check;

/* The artifact's place: "gs://b/p/name", "/abs/path", "-". Borrowed. */
const char *sink_url(const struct sink *s);

void sink_abort(struct sink *s); /* frees; leaves nothing unless finished; NULL is fine */

#endif
