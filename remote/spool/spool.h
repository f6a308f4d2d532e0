/*
 * Spool directories on the node: BASE/.jdiag-ID/ (remote/nodedir.h: root, 0700, `lock` held by the
 * capture process as long as it lives) with
 *	state	what is known (state.h)
 *	data.N	the parts of the artifact, in the artifact's own format
 *	raw.N	what did not fit into the buffer, as the JVM wrote it; gone when it is processed
 *	dump/	belongs to the JVM's user and is mounted into its container: FIFOs or the dump file
 *	read	(ring only) how far the reader has come: u64, written by it, mapped by the writer
 * BASE is a disk (nodedir_choose), or /run for a ring.
 */
#ifndef REMOTE_SPOOL_SPOOL_H
#define REMOTE_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"
#include "remote/spool/state.h"

#define SPOOL_RING_KEPT (16 * MiB) /* that a ring keeps behind its reader, for a rewind */

bool spool_id_is(const char *id); /* 16 lower-case hexadecimal digits? */

/* One that exists. */
struct spool {
	char id[SPOOL_ID_SIZE];
	char path[320];
	int dir;    /* owned */
	bool alive; /* its capture process lives */
};

#define SPOOL_INIT ((struct spool){.dir = -1})

void spool_close(struct spool *s);
#define auto_spool auto_cleanup(spool_close)

/* Look for it in every base. ERR_TARGET when it is not on this node. */
int spool_find(const char *id, struct spool *ret, struct error *err) must_check;

/* Its state as of now. */
int spool_load(const struct spool *s, struct spool_state *ret, struct error *err) must_check;

/* Replace the state in an own directory (writer side). */
int spool_save(int dir, const struct spool_state *s, struct error *err) must_check;

/* Each spool of this node; fn's non-zero return ends it. state is NULL and e says why when it
 * cannot be read (another version, a capture that was killed before its first state). */
int spool_each(int (*fn)(void *ctx, const struct spool *s, const struct spool_state *state,
			 const struct error *e),
	       void *ctx);

/* May a sweep remove it? NULL: yes. Else why not: alive, or complete and not expired (a finished
 * dump is no leftover: it has cost a pause). */
const char *spool_keep_reason(const struct spool *s);

/* Ask a capture process that lives to stop and undo everything (SIGTERM, by the pid that holds the
 * lock, checked by pidfd); nothing when it has ended. Poll with spool_find or its alive. */
int spool_stop(const struct spool *s, struct error *err) must_check;

/* Remove the directory with everything in it. The process that keeps it notices and ends. Not while
 * a capture is under way: ERR_REFUSED. */
int spool_remove(struct spool *s, struct error *err) must_check;

/* ---- reading an artifact, while it grows and afterwards ---- */

struct spool_reader;

struct spool_reader *spool_reader_new(const struct spool *s, struct error *err) must_check;
void spool_reader_free(struct spool_reader *r); /* NULL is fine */

/* Bytes of the artifact at an offset; 0: none now. state: as just loaded. A ring gives bytes only
 * once read_offset has not passed them by more than SPOOL_RING_KEPT: ERR_UPLOAD. */
int spool_reader_read(struct spool_reader *r, const struct spool_state *state, uint64_t offset,
		      void *buf, size_t len, size_t *ret_len, struct error *err) must_check;

#endif
