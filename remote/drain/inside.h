/*
 * What the threads of the drain process share (drain.h). Two kinds of them: those of normal
 * priority (intake.c, file.c, and the main thread in process.c), and the idle ones (work.c,
 * hasher.c), which alone use `lock`. What goes between the two kinds goes through atomics.
 */
#ifndef REMOTE_DRAIN_INSIDE_H
#define REMOTE_DRAIN_INSIDE_H

#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>

#include "remote/base/sha256.h"
#include "remote/drain/drain.h"
#include "remote/drain/pool.h"

#define END_RECORD 9		 /* bytes of HEAP_DUMP_END */
#define MAX_WORKERS 8		 /* each has about 2 MiB */
#define BOUNCE (256 * KiB)	 /* what goes raw to disk, at once */
#define PUNCH_STEP (8 * MiB)	 /* space is given back so often */
#define THREAD_STACK (512 * KiB) /* instead of 8 MiB */

struct inside;

/* What one stream is on its way. */
struct stream {
	struct inside *d;
	unsigned int index;
	struct drain_stream in;
	pthread_t thread;
	bool has_end;	   /* its last END_RECORD bytes are the end of the whole dump */
	bool may_overflow; /* to disk, as it is */
	uint32_t reserve;  /* chunks that it leaves to others */

	/* the intake thread's own */
	uint64_t bytes; /* so far */
	bool hung_up;	/* its writer has come and gone */
	uint32_t chunk; /* being filled; NO_CHUNK: `bounce` is, or nothing */
	unsigned char *data;
	size_t fill, size;
	unsigned char *bounce;		/* owned; when it may overflow */
	unsigned char tail[END_RECORD]; /* not handed on yet; the end when it has ended */
	size_t n_tail;

	/* from intake to the workers; everything in the queue comes before what is in the file */
	uint32_t *queue; /* owned; of chunks */
	uint32_t mask;
	_Atomic uint32_t queue_in, queue_out;
	int raw; /* owned; the file of what did not fit, -1 until there is one */
	_Atomic uint64_t raw_in, raw_out;
	_Atomic bool ended;

	/* the workers', one at a time: who has `scanning` */
	atomic_flag scanning;
	struct hprof_parser *parser; /* owned */
	_Atomic uint64_t seq;	     /* of the next chunk */
	uint64_t raw_punched;
	_Atomic bool scanned; /* to its end */
	struct hprof_summary summary;
};

/* One data.N. */
struct part {
	struct inside *d;
	unsigned int index;
	int fd; /* owned */

	/* under `lock` */
	uint64_t next; /* whose turn it is */
	uint64_t end;  /* the number of chunks, when that is known */
	bool appending;
	bool done;
	struct chunk *waiting; /* encoded in their places, ordered */

	/* of the one who appends */
	uint64_t stored, punched;
	struct codec_sizes *sizes; /* owned */
	size_t n_sizes, cap_sizes;
};

struct worker {
	struct inside *d;
	bool held; /* until `more` is posted */
	pthread_t thread;
	pid_t tid;		       /* once `started` was posted */
	struct codec_encoder *encoder; /* owned */
	unsigned char *out;	       /* owned; codec_bound */
};

struct hasher {
	struct inside *d;
	pthread_t thread;
	pid_t tid;
	struct sha256 *sha256; /* owned */
	uint32_t crc32c;
	_Atomic uint64_t bytes; /* so far */
};

struct inside {
	struct drain_options o;
	struct drain_progress *progress;
	int socket, stop_fd,
		report_fd; /* stop_fd stays readable from drain_finish or a failure on */
	struct pool pool;
	struct stream streams[SPOOL_MAX_PARTS];
	struct part parts[SPOOL_MAX_PARTS];
	struct worker workers[MAX_WORKERS];
	struct hasher hasher;
	unsigned int n_streams, n_parts, n_workers;
	bool segmented;
	struct hprof_classes *classes; /* owned; NULL when they are not needed */
	_Atomic uint64_t *read;	       /* of a ring: how far the reader is */
	int reader_fd;		       /* owned; the same of a spool, -1: it is not looked at */
	char notice[256];

	_Atomic uint64_t on_disk;
	_Atomic bool failing, failed, stopping, hurried, pressed, awaited;
	_Atomic unsigned int parts_done;
	struct error error; /* once failed */
	sem_t started, more, work, hash;
	pthread_mutex_t lock; /* of the idle threads */
	pthread_cond_t turn;
};

/* process.c: the child of drain_start. */
_Noreturn void inside_run(const struct drain_options *o, const struct drain_stream *streams,
			  unsigned int n_streams, int socket, struct drain_progress *progress);
/* setup.c: memory, files, threads; every intake reads when it comes back. */
int inside_set_up(struct inside *d, const struct drain_stream *streams,
		  struct error *err) must_check;
/* The first failure counts. Any thread; it goes on until it sees `failed`. */
void inside_fail(struct inside *d, const struct error *e);
/* What the drain says to its parent. */
enum { MESSAGE_READY, MESSAGE_DONE, MESSAGE_FAILED };
struct message {
	int type;
	struct drain_result result;
	struct error error;
};

/* intake.c, file.c: the thread of a stream. */
void *intake_main(void *stream);
void *file_main(void *stream);
/* A place for the next bytes in data, fill, size; false: it is over. */
bool intake_target(struct stream *s) must_check;
/* The JVM has written n more bytes. */
void intake_seen(struct stream *s, uint64_t n);
/* n bytes lie behind `fill`. */
void intake_took(struct stream *s, size_t n);
/* Hand on what was filled. */
void intake_commit(struct stream *s);
/* Nothing more comes. */
void intake_end(struct stream *s);

/* overflow.c: raw.N. The first is intake's, the others the workers'. */
void overflow_write(struct stream *s, const void *data, size_t len);
size_t overflow_read(struct stream *s, void *data, size_t len);
void overflow_remove(struct stream *s);
/* Account for bytes on disk; ENOSPC beyond the bound. */
int disk_claim(struct inside *d, uint64_t bytes, struct error *err) must_check;
void disk_release(struct inside *d, uint64_t bytes);

/* work.c */
void *work_main(void *worker);

/* part.c */
int part_open(struct part *p, struct inside *d, unsigned int index, struct error *err) must_check;
/* An encoded chunk, in any order. encoded: its bytes, in its own place or elsewhere. */
void part_deliver(struct part *p, uint32_t index, const unsigned char *encoded, size_t len);
/* There are n chunks in all. */
void part_ends(struct part *p, uint64_t n);
/* Behind everything else; raw 0: no block. */
int part_append(struct part *p, const void *data, size_t len, size_t raw,
		struct error *err) must_check;
void part_final(struct part *p);

/* lag.c: how far the reader of a spool is behind. */
int lag_open(struct inside *d, struct error *err) must_check;
/* Is the link what the artifact waits for? */
bool lag_is_large(const struct inside *d) must_check;

/* hasher.c: reads the parts in order, behind those who append. */
void *hasher_main(void *hasher);

/* ring.c */
int ring_open(struct inside *d, struct error *err) must_check;
/* Wait until there is room; false: failed meanwhile. */
bool ring_wait(struct part *p, size_t len) must_check;

/*
 * idle.c: SCHED_IDLE counts only among the threads of one control group, and the JVM is in another
 * one. So during the pause no more of them run than there are CPUs that the JVM's writers leave
 * free; the others, and the hasher, are held back. They are let go when the JVM is done; all of
 * them when it would have to wait for us, one of them when an eighth of the buffer is left. (Not
 * earlier: the buffer is as large as the dump, nearly always.)
 */
unsigned int idle_count(const struct inside *d, unsigned int cpus) must_check;
void idle_hurry(struct inside *d);
void idle_press(struct inside *d);
/* First thing in each of them. */
void idle_join(struct inside *d, pid_t *ret_tid);
/* All have joined, and become idle; from idle_end on, once they are awaited, they are not. */
void idle_begin(struct inside *d);
void idle_end(struct inside *d);

#endif
