/*
 * The record chain of an HPROF dump, checked while it streams by: header, then records {u1 tag, u4
 * time, u4 length, body} up to the end. Constant memory; bodies are skipped, lengths never
 * allocated from. Source: the format as HotSpot's heapDumper.cpp writes it (8 to 26).
 *
 * A dump is complete when the chain stops exactly at the end of a record and
 *  - that record is HEAP_DUMP_END (0x2c), or
 *  - it is a HEAP_DUMP (0x0c): the unsegmented form of the format, one record and no end mark. What
 *    was run (8u504 to 26) ends with HEAP_DUMP_END always; older updates of 8 have both forms in
 *    their source (VM_HeapDumper::end_of_dump).
 */
#ifndef REMOTE_HPROF_CHAIN_H
#define REMOTE_HPROF_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct hprof_chain {
	uint64_t offset;    /* bytes taken so far */
	uint64_t body_left; /* of the record in hand */
	uint64_t records;
	uint64_t heap_bytes; /* bodies of HEAP_DUMP and HEAP_DUMP_SEGMENT records */
	unsigned char head[32];
	unsigned int head_len;
	unsigned int id_size; /* 4 or 8, once the header is complete */
	unsigned char last_tag;
	bool header_done;
};

void hprof_chain_init(struct hprof_chain *c);

/* The next bytes of the dump. ERR_CAPTURE with the offset when they cannot be part of one. */
int hprof_chain_add(struct hprof_chain *c, const void *data, size_t len,
		    struct error *err) must_check;

/* All bytes were given: is it whole? ERR_CAPTURE when it is cut or lacks its heap. */
int hprof_chain_finish(const struct hprof_chain *c, struct error *err) must_check;

#endif
