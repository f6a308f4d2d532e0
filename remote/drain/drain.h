/*
 * The drain: a process of its own (forked, threads) that takes what the JVM writes and turns it
 * into the parts of a spool. Three stages that do not wait for each other (design.md, "Drain,
 * spool, forward"; facts of the pause in jvm.md 4.3):
 *
 *   intake	one thread a stream, normal priority: FIFO -> chunks of 1 MiB of memory that was
 *		touched before the JVM is asked. Nothing else stands between the JVM and memory. No
 *		free chunk: raw to disk (raw.N), or, where that must not be (redaction, ring), it
 *		waits.
 *   work	SCHED_IDLE threads: check and redact (hprof/parser.h, in the order of each stream),
 *		encode (codec/codec.h, chunks side by side), append to data.N (in order)
 *   report	counters in shared memory, read by the capture process, which writes the state
 *
 * Intake never takes a lock that an idle thread may hold: such a thread may not run for the whole
 * pause (priority inversion). Chunks go to it and come back through atomics.
 *
 * The capture process must not hold a FIFO open: when the drain is killed, the JVM has to get
 * EPIPE. The drain dies with its parent.
 */
#ifndef REMOTE_DRAIN_DRAIN_H
#define REMOTE_DRAIN_DRAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"
#include "remote/base/sha256.h"
#include "remote/codec/codec.h"
#include "remote/hprof/parser.h"
#include "remote/spool/state.h"

#define DRAIN_CHUNK CODEC_BLOCK
#define DRAIN_MIN_BUFFER (8 * MiB) /* without a larger one; with many streams 2 MiB for each */

struct drain_stream {
	int fd;	    /* a FIFO, O_RDONLY|O_NONBLOCK (drain_start takes it over), or a plain file */
	bool file;  /* a plain file: read to its size at drain_finish (or, with `grows`, before) */
	bool grows; /* it is only appended to: readable before the end */
	bool segment; /* records without a header (JDK 22+); the others begin with one */
	/* FIFO of a segment: the write end that keeps it from ending before the JVM has opened it.
	 * On the first byte the name is replaced by a plain empty file (the JVM's merge then does
	 * not open a FIFO) and hold is closed: from then on the end of the stream is the JVM's
	 * close. -1: none. */
	int hold;
	char name[64]; /* below dump_dir */
};

struct drain_options {
	int dir;      /* the spool directory: data.N and raw.N are made here */
	int dump_dir; /* its dump/ */
	enum codec codec;
	enum hprof_redact redact;
	uint64_t buffer;    /* bytes to touch beforehand; 0: DRAIN_MIN_BUFFER only */
	uint64_t max_bytes; /* on disk, data and raw together; 0: no bound. More: ENOSPC */
	uint64_t ring; /* 0, or (one stream only): data.0 holds so many bytes behind the reader's
			* position, and the space of what was read is given back
			* (FALLOC_FL_PUNCH_HOLE) */
	unsigned int workers; /* 0: one a CPU, at most 8 */
	unsigned int id_size; /* of identifiers, for segments that come before the main header */
	const int *cancel; /* borrowed; one of these readable ends drain_start: ERR_INTERRUPTED */
	unsigned int n_cancel; /* at most 4 */
	uid_t uid;	       /* who owns the placeholder files in dump_dir */
	gid_t gid;
};

/* Shared memory; read with atomic loads. */
struct drain_progress {
	_Atomic uint64_t raw, overflow, stalled_ns;
	_Atomic uint64_t first_ns,
		last_ns; /* CLOCK_MONOTONIC of the first and last byte; 0: none */
	_Atomic uint64_t stored[SPOOL_MAX_PARTS];
	_Atomic bool final[SPOOL_MAX_PARTS];
	_Atomic unsigned int n_parts;
};

struct drain_result {
	uint64_t raw, stored, records, overflow, stalled_ms, written_ms;
	char sha256[SHA256_HEX_SIZE]; /* of the artifact: all parts in order */
	uint32_t crc32c;
	char notice[256];
};

struct drain {
	pid_t pid;
	int fd; /* readable: an answer, or the drain has ended; poll it, then drain_poll */
	struct drain_progress *progress; /* mapped */
};

#define DRAIN_INIT ((struct drain){.pid = -1, .fd = -1})

/* Fork it; comes back when the buffer is touched, the files are there and every intake thread
 * reads. Single-threaded callers only. n_streams <= SPOOL_MAX_PARTS - 1; streams[0] is the main
 * one; the parts are in the order of the streams, and with segments one more holds the end record
 * (what the main stream has as its last 9 bytes). The descriptors of the
 * streams are taken over, also on failure: closed here and -1 in streams. 0 to 2 stay open in the
 * drain, every other one of the caller does not. */
int drain_start(struct drain *d, const struct drain_options *o, struct drain_stream *streams,
		unsigned int n_streams, struct error *err) must_check;

/* The JVM has answered that the dump is written: take what is left (streams that have no end of
 * their own are read until they are empty) and finish. Does not wait. */
void drain_finish(struct drain *d);

/* 1: finished well, *ret is filled and every part is final; 0: not yet; -1: failed (ERR_CAPTURE:
 * not a valid dump, ENOSPC, killed, which is EOWNERDEAD in err->sys). It may fail at any time, also
 * before drain_finish: it then has closed all streams, so the JVM gets EPIPE. */
int drain_poll(struct drain *d, struct drain_result *ret, struct error *err) must_check;

/* Kill and reap it if it still runs; unmap. DRAIN_INIT is fine. */
void drain_stop(struct drain *d);

#endif
