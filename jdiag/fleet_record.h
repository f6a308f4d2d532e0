/*
 * What a worker of a fleet tells its parent, on a pipe: records of a kind, the number of a target
 * and a body of bounded length. Not a format for anybody else: host byte order.
 */
#ifndef JDIAG_FLEET_RECORD_H
#define JDIAG_FLEET_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

enum fleet_kind {
	FLEET_CONNECTED = 1, /* of the node: the helper runs; a turn is waited for. No body */
	FLEET_REFUSED,	     /* of the node: there is no connection. Body: struct error as JSON */
	FLEET_RESULT,	     /* of a target: it is done. Body: what it wrote to stdout */
	FLEET_PART,	     /* of one that is going to fail: the same, what was done before */
	FLEET_FAILED,	     /* of a target. Body: struct error as JSON */
};

struct fleet_record {
	enum fleet_kind kind;
	uint32_t target;
	const char *body; /* in the buffer; NUL-terminated only by chance */
	size_t len;
	size_t size; /* of the whole record: drop so many bytes when it is done with */
};

/* Write one; 0 or -errno. */
int fleet_record_write(int fd, enum fleet_kind kind, uint32_t target, const void *body,
		       size_t len) must_check;
int fleet_record_write_error(int fd, enum fleet_kind kind, uint32_t target,
			     const struct error *why) must_check;

/* The first one in the buffer: 1; 0 when it is not whole yet; -1 for one that no worker writes. */
int fleet_record_read(const struct buf *in, struct fleet_record *ret) must_check;

/* The error in a body; ERR_FAILED for what is none. */
void fleet_record_error(const struct fleet_record *r, struct error *ret);

#endif
