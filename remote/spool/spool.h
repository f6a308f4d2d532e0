/*
 * Spool directories on the node: BASE/.jdiag-ID/ (remote/nodedir.h: root, 0700, `lock` held by the
 * capture process as long as it lives) with
 *	state	what is known (state.h)
 *	data.N	the parts of the artifact, in the artifact's own format
 *	spare	room for the state on a full disk, until the capture has ended
 *	raw.N	what did not fit into the buffer, as the JVM wrote it; gone when it is processed
 *	dump/	belongs to the JVM's user and is mounted into its container: FIFOs or the dump file
 *	read	how far the reader has come: u64 of this machine. Of a ring, the writer depends on
 *		it: written through a shared mapping and mapped by the writer; whoever is first
 *		makes it. Of a spool, it only tells the writer that the link is slow; the writer
 *		makes it.
 * BASE is a disk (nodedir_choose), or /run for a ring.
 *
 * Who reads an artifact holds a shared flock on the directory itself, so that its time to live does
 * not end in the middle (spool_expired).
 */
#ifndef REMOTE_SPOOL_SPOOL_H
#define REMOTE_SPOOL_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "remote/base/error.h"
#include "remote/nodedir.h"
#include "remote/spool/state.h"

#define SPOOL_READ_NAME "read"
#define SPOOL_RING_KEPT (16 * MiB) /* that a ring keeps behind its reader, for a rewind */

#define SPOOL_KEPT_FINISHED \
	"a finished capture: 'jdiag resume ID' fetches it, 'jdiag spool rm ID' removes it"
#define SPOOL_KEPT_FAILED "a failed capture whose reason nobody has read: it goes after 10 minutes"
#define SPOOL_KEPT_OTHER "a capture of another version of jdiag: 'jdiag spool rm ID' removes it"

bool spool_id_is(const char *id); /* 16 lower-case hexadecimal digits? */

/* The name of its directory. */
void spool_name(const char *id, char ret[JDIAG_NAME_SIZE]);

/* One that exists. */
struct spool {
	char id[SPOOL_ID_SIZE];
	char path[320];
	int dir;    /* owned */
	bool alive; /* its capture process lives: as of the last look */
};

#define SPOOL_INIT ((struct spool){.dir = -1})

void spool_close(struct spool *s);
#define auto_spool auto_cleanup(spool_close)

/* Look for it in every base. ERR_TARGET when it is not on this node. */
int spool_find(const char *id, struct spool *ret, struct error *err) must_check;

/* Look whether its capture process lives, into s->alive, which is returned. Look before loading the
 * state: a process that has ended in between has ended well, if the state says so. */
bool spool_alive(struct spool *s);

/* Does the directory still have its place? */
bool spool_exists(const struct spool *s);

/* Its state as of now. ERR_NODE; err->sys is ENOENT when there is none (yet, or any more). */
int spool_load(const struct spool *s, struct spool_state *ret, struct error *err) must_check;

/* Its phase; SPOOL_STARTING when the state cannot be read. */
enum spool_phase spool_phase(const struct spool *s);

/* Replace the state in an own directory (writer side). */
int spool_save(int dir, const struct spool_state *s, struct error *err) must_check;

/* Keep some room for it, which is used when the disk is full: a dump that has cost a pause must not
 * be lost because of its last state. Without that room it may be lost, that is all. */
void spool_reserve(int dir);
void spool_unreserve(int dir);

/* Each spool of this node; fn's non-zero return ends it. state is NULL and e says why when it
 * cannot be read (another version, a capture that was killed before its first state). */
int spool_each(int (*fn)(void *ctx, const struct spool *s, const struct spool_state *state,
			 const struct error *e),
	       void *ctx);

/* A finished one whose time to live has passed by the node's clock, and that nobody reads. */
bool spool_expired(int dir, const struct spool_state *state);

/* May a sweep remove it? NULL: yes. Else why not: alive, or complete and not expired (a finished
 * dump is no leftover: it has cost a pause). While a process keeps it, that decides when its time
 * has passed. */
const char *spool_keep_reason(const struct spool *s);

/* Remove the directories that dead captures left, and what has expired; with finished, what is
 * complete or failed as well, whether it is kept by a process or not. For each, fn is told the path
 * and why it is kept (NULL: it was removed, or would be if dry). */
void spool_sweep(bool dry, bool finished, void (*fn)(void *ctx, const char *path, const char *kept),
		 void *ctx);

/* Ask a capture process that lives to stop and undo everything (SIGTERM, by the pid that holds the
 * lock, checked by pidfd); nothing when it has ended, or has not noted its pid yet: ask again.
 * Poll with spool_alive. */
int spool_stop(const struct spool *s, struct error *err) must_check;

/* Remove the directory with everything in it. The process that keeps it notices and ends. Not while
 * a capture is under way (or a live process keeps a state that cannot be read): ERR_REFUSED. */
int spool_remove(struct spool *s, struct error *err) must_check;

/* ---- giving one up, without waiting ---- */

struct spool_ending {
	struct spool spool;
	bool finished_too; /* remove also what is complete; else ERR_FAILED then */
	uint64_t asked, deadline;
};

int spool_ending_start(struct spool_ending *e, const char *id, bool finished_too,
		       struct error *err) must_check;

/* 1: it is gone; 0: not yet, call again after some 50 ms; -1: failed. */
int spool_ending_step(struct spool_ending *e, struct error *err) must_check;
void spool_ending_release(struct spool_ending *e);

/* ---- following one ---- */

struct spool_follow {
	struct spool spool;
	struct spool_state state; /* as of the last look */
	struct timespec changed;  /* of the file that state was read from, */
	uint64_t inode;		  /* and which one it was */
	uint64_t loaded;	  /* now_ms() */
};

int spool_follow_start(struct spool_follow *f, const char *id, struct error *err) must_check;

/* Look again; cheap when nothing has changed. 1: there is a new state; 0: as before; -1: the
 * capture failed (its own error), its process was killed (ERR_CAPTURE), it was removed. Right after
 * the start there may be no state yet: phase `starting`. */
int spool_follow_look(struct spool_follow *f, struct error *err) must_check;
void spool_follow_release(struct spool_follow *f);

/* ---- reading an artifact, while it grows and afterwards ---- */

struct spool_reader;

struct spool_reader *spool_reader_new(const struct spool *s, struct error *err) must_check;
void spool_reader_free(struct spool_reader *r); /* NULL is fine */

/* Bytes of the artifact at an offset; 0: none now. state: as just loaded. Of a ring, the bytes
 * before the offset count as delivered, and a reader that asks for some more than SPOOL_RING_KEPT
 * before the furthest one gets ERR_UPLOAD. */
int spool_reader_read(struct spool_reader *r, const struct spool_state *state, uint64_t offset,
		      void *buf, size_t len, size_t *ret_len, struct error *err) must_check;

/* The reader's position of a ring: mapped, made when it is not there. NULL on failure. */
_Atomic uint64_t *spool_position_map(int dir, struct error *err) must_check;
void spool_position_unmap(_Atomic uint64_t *position); /* NULL is fine */

#endif
