/*
 * Frames of remote/wire/PROTOCOL.md: encoding, and a decoder that is fed bytes as they come and
 * never allocates more than the largest body of the type that it is reading.
 */
#ifndef REMOTE_WIRE_FRAME_H
#define REMOTE_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1
#define WIRE_MAGIC_SIZE 16
#define WIRE_HEADER_SIZE 9
#define WIRE_DATA_OFFSET_SIZE 8
#define WIRE_MAX_REQUESTS 4

extern const unsigned char wire_magic[WIRE_MAGIC_SIZE];

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_REQUEST,
	FRAME_PROGRESS,
	FRAME_RESULT,
	FRAME_ERROR,
	FRAME_DATA,
	FRAME_END,
	FRAME_CANCEL,
	FRAME_PING,
};

enum wire_side { WIRE_CLIENT, WIRE_HELPER };

struct frame {
	enum frame_type type;
	uint32_t request;
	const char *body; /* borrowed from the reader, NUL-terminated; valid until its next call */
	size_t len;
};

/* "HELLO", "DATA" ...; "?" for what is not a type. */
const char *frame_type_name(unsigned int type);

/* Fill the 9 bytes of a header. len must be within the maximum of the type (asserted). */
void frame_header(unsigned char header[WIRE_HEADER_SIZE], enum frame_type type, uint32_t request,
		  size_t len);

/* Append a whole frame to out. */
void frame_add(struct buf *out, enum frame_type type, uint32_t request, const void *body,
	       size_t len);

void wire_put_u64(unsigned char dst[8], uint64_t v); /* big endian */
uint64_t wire_get_u64(const unsigned char src[8]);

struct frame_reader {
	enum wire_side side; /* who reads: decides which types are allowed */
	struct buf body;
	unsigned char header[WIRE_HEADER_SIZE];
	size_t have; /* bytes of header so far */
	size_t want; /* bytes of body */
	bool in_body;
	bool done; /* the body in hand was delivered */
};

void frame_reader_init(struct frame_reader *r, enum wire_side side);
void frame_reader_release(struct frame_reader *r);

/*
 * Take bytes from *data (advancing *data, reducing *len) until a frame is whole.
 * 1: *ret is a frame; call again with the rest. 0: all bytes taken, more needed.
 * -1: protocol error (ERR_FAILED); the reader is of no further use.
 */
int frame_reader_take(struct frame_reader *r, const char **data, size_t *len, struct frame *ret,
		      struct error *err) must_check;

#endif
