/*
 * The connection to jdiag: frames in, frames out, keep-alives (remote/wire/PROTOCOL.md). Never
 * blocks. What goes out waits in a bounded queue of small frames and in one slot for a DATA frame,
 * which the operation fills in place, so that the bytes of a dump are copied once only, by read().
 */
#ifndef REMOTE_CONN_H
#define REMOTE_CONN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/wire/frame.h"

struct connection {
	int in, out;		 /* owned */
	int in_flags, out_flags; /* as they were, for conn_close */
	bool eof;		 /* the peer closed our input, or the connection broke */
	struct frame_reader reader;
	char *inbuf;
	const char *in_pos;
	size_t in_len;
	struct buf queue; /* whole frames, from queue_sent on unsent */
	size_t queue_sent;
	unsigned char *data; /* the slot: header, offset, payload */
	size_t data_len, data_sent;
	uint32_t data_request;
	uint64_t last_sent, last_received; /* now_ms() */
	bool large_pipe;		   /* out is a pipe with room for several DATA frames */
	uint64_t rest_until;		   /* now_ms(); out is not looked at before */
};

/* Take the descriptors, make them non-blocking, put the magic into the queue. */
int conn_open(struct connection *c, int in, int out, struct error *err) must_check;

/* Send what waits, for at most linger_ms, restore the descriptors' flags, close and free. */
void conn_close(struct connection *c, uint64_t linger_ms);

/* Send one frame of ours that has a JSON body. It is dropped when the connection is broken; a full
 * queue (a peer that sends requests and does not read) breaks it. */
void conn_send_json(struct connection *c, enum frame_type type, uint32_t request,
		    const struct buf *body);

/* An ERROR frame (PROTOCOL.md section 3), the last one of its request: DATA of it that still waits
 * whole is not sent any more. Request 0: it ends the connection. */
void conn_send_error(struct connection *c, uint32_t request, const struct error *e);

/* Is the slot for a DATA frame free? */
bool conn_can_send(const struct connection *c);

/* The free slot's payload: MAX_FRAME_DATA bytes to be filled; then conn_send_data with how many. */
void *conn_data_buffer(struct connection *c);
void conn_send_data(struct connection *c, uint32_t request, uint64_t offset, size_t len);

/* Few enough frames wait that progress may be added. */
bool conn_is_idle(const struct connection *c);

/* Write what can be written now. */
void conn_flush(struct connection *c);

/* Fill two pollfds (input; output with events 0 when nothing waits). */
void conn_poll(const struct connection *c, struct pollfd fds[2]);

/* Milliseconds until conn_tick or conn_flush have something to do. */
int conn_timeout(const struct connection *c);

/* Send a PING after a long silence of ours. -1: the peer was silent for too long. */
int conn_tick(struct connection *c, struct error *err) must_check;

/* Take in what has arrived; the end of input sets eof. */
void conn_fill(struct connection *c);

/* The next whole frame of it. 1: *ret; 0: none; -1: protocol error. */
int conn_next(struct connection *c, struct frame *ret, struct error *err) must_check;

#endif
