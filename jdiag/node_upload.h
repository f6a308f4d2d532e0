/*
 * --upload-from node: the artifact goes from the node to its bucket, by the node's own curl. The
 * node gets the address of one resumable session, which is good for this one object, and no other
 * credential; what has arrived is asked of the bucket from here.
 */
#ifndef JDIAG_NODE_UPLOAD_H
#define JDIAG_NODE_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/error.h"

struct helper;
struct progress;
struct sink;

struct node_upload {
	const char *id; /* of the capture, which is complete */
	uint64_t size;	/* of the artifact */
	uint32_t crc32c;
	bool again;	 /* a connection broke in the middle: first ask the bucket what it has */
	uint64_t offset; /* set: where the bucket wants the next byte, as it said last */
};

/* 0: the bucket has the artifact, size and CRC32C agree. 1: the node cannot (it has no curl; *why
 * says so): upload from here. -1: ERR_UPLOAD, or the connection to the node is lost (ERR_SSH). */
int upload_from_node(struct helper *h, struct sink *sink, struct node_upload *u,
		     struct progress *progress, struct error *why, struct error *err) must_check;

#endif
