/*
 * The chunks of the drain's buffer, in one mapping that was touched beforehand. Free ones lie on a
 * lock-free stack: a thread of SCHED_IDLE that loses its CPU anywhere in here keeps nobody out.
 */
#ifndef REMOTE_DRAIN_POOL_H
#define REMOTE_DRAIN_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/compiler.h"
#include "remote/base/error.h"

#define NO_CHUNK UINT32_MAX

struct chunk {
	_Atomic uint32_t below; /* on the stack of free ones */
	_Atomic bool plain;	/* holds bytes that must not outlive a redacted capture */
	uint32_t raw;		/* bytes of the dump */
	uint32_t stored;	/* when encoded: bytes in its place */
	uint64_t seq;		/* in its part */
	struct chunk *next;	/* waiting for its turn (part.c) */
};

struct pool {
	unsigned char *base; /* owned */
	size_t mapped;
	struct chunk *chunks; /* owned */
	uint32_t n;
	_Atomic uint64_t top;	/* index of the topmost and, above it, a count of changes */
	_Atomic uint32_t free;	/* not promised to anyone */
	_Atomic uint32_t given; /* chunks that came back, ever: what a waiter sleeps on */
	_Atomic uint32_t waiters;
};

/* Map n chunks and touch them with some threads. lock: keep them out of swap; *ret_locked says
 * whether that worked. */
int pool_init(struct pool *p, uint32_t n, bool lock, bool *ret_locked,
	      struct error *err) must_check;

/* A free chunk, when more than `reserve` are free. */
bool pool_take(struct pool *p, uint32_t reserve, uint32_t *ret) must_check;
void pool_put(struct pool *p, uint32_t index);

/* Sleep until a chunk came back after pool_given was asked, or for some time. */
uint32_t pool_given(struct pool *p);
void pool_wait(struct pool *p, uint32_t given);

unsigned char *pool_data(const struct pool *p, uint32_t index);

/* Overwrite what was never redacted. */
void pool_wipe(struct pool *p);

#endif
