/*
 * Encoding on all CPUs: blocks go in and come out in the same order, encoded by a few threads in
 * between. One thread fills and takes:
 *
 *	while ((room = encoders_room(e)) == NULL)	all blocks are at work
 *		encoders_take(e, &block), use it, encoders_done(e)
 *	fill room, encoders_give(e, len)
 *	at the end: take until nothing is left
 */
#ifndef JDIAG_ENCODERS_H
#define JDIAG_ENCODERS_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/codec/codec.h"

struct encoders;

/* One thread a CPU, at most 8, and two blocks for each. */
struct encoders *encoders_new(enum codec c) must_check;
void encoders_free(struct encoders *e); /* waits for what is at work; NULL is fine */

/* CODEC_BLOCK bytes to be filled; NULL when every block is at work. The same until it is given. */
unsigned char *encoders_room(struct encoders *e) must_check;
void encoders_give(struct encoders *e, size_t len);

/* The oldest block, when it is encoded. False: none is at work. It stays until encoders_done. */
struct encoded {
	const void *data;
	struct codec_sizes sizes;
};
bool encoders_take(struct encoders *e, struct encoded *ret) must_check;
void encoders_done(struct encoders *e);

#endif
