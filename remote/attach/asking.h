/*
 * A question to a JVM (hotspot.h) with what is around it: its /tmp is opened, covered by a private
 * tmpfs while its user cannot write it, and uncovered afterwards. The caller holds the lock of the
 * JVM (capture/holder.h).
 */
#ifndef REMOTE_ATTACH_ASKING_H
#define REMOTE_ATTACH_ASKING_H

#include <poll.h>

#include "remote/attach/hotspot.h"
#include "remote/target.h"

struct question {
	const char *command; /* "jcmd", "load" ... */
	const char *const *args;
	size_t n_args;	   /* at most HOTSPOT_MAX_ARGS */
	uint64_t reply_ms; /* for the whole answer; 0: a day */
	size_t max_reply;  /* bytes; 0: MAX_ATTACH_REPLY */
};

struct asking {
	const struct target *target; /* borrowed */
	struct hotspot hotspot;
	struct buf request;
	int tmp, cover; /* O_PATH of /tmp; the private tmpfs over it, or -1 */
};

#define ASKING_INIT                                       \
	((struct asking){                                 \
		.hotspot = {.child = ENTER_CHILD_INIT},   \
		.request = BUF_INIT(HOTSPOT_MAX_REQUEST), \
		.tmp = -1,                                \
		.cover = -1,                              \
	})

/* Begin; again after an answer: the next question. Here and in asking_step err->sys says what
 * became of it: ENOTCONN or E2BIG (hotspot_encode): the JVM was sent nothing; ETIMEDOUT: no answer.
 */
int asking_start(struct asking *a, const struct target *t, const struct question *q,
		 struct error *err) must_check;

/* A descriptor to poll for reading before asking_step, or -1. */
int asking_fd(const struct asking *a);

/* 1: answered, *ret is good until the next question or asking_end; 0: not yet; -1: failed. */
int asking_step(struct asking *a, struct hotspot_reply *ret, struct error *err) must_check;

/* Wherever it is: stop it and uncover /tmp. The JVM goes on with what it was asked. What cannot be
 * undone is logged. */
void asking_end(struct asking *a);

/* asking_end, and free. ASKING_INIT is fine. */
void asking_release(struct asking *a);

#endif
