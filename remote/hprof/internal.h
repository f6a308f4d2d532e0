/*
 * Inside of the parser. It is a machine of stages: each needs a number of bytes in one piece (a
 * "head": a record header, the fixed part of a sub-record, one field of a class), which it gets
 * from the portion itself, or from `carry` when they lie across two portions; between two heads
 * there may be content of any length, which is skipped, zeroed or collected as it passes. fast.c
 * does the same for whole sub-records that lie in one portion, which is nearly all of them.
 */
#ifndef REMOTE_HPROF_INTERNAL_H
#define REMOTE_HPROF_INTERNAL_H

#include <endian.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/hprof/classes.h"
#include "remote/hprof/parser.h"

#define RECORD_HEADER 9
#define RECORD_UTF8 0x01
#define RECORD_LOAD_CLASS 0x02
#define RECORD_HEAP_DUMP 0x0c
#define RECORD_HEAP_DUMP_SEGMENT 0x1c
#define RECORD_HEAP_DUMP_END 0x2c

#define SUB_CLASS_DUMP 0x20
#define SUB_INSTANCE 0x21
#define SUB_OBJECT_ARRAY 0x22
#define SUB_PRIMITIVE_ARRAY 0x23

/* The longest head: that of a CLASS_DUMP, seven identifiers and 10 bytes. */
#define MAX_HEAD 72

enum stage {
	STAGE_HEADER,
	STAGE_RECORD,
	STAGE_UTF8,
	STAGE_LOAD_CLASS,
	STAGE_SUB, /* the tag of a sub-record */
	STAGE_ROOT,
	STAGE_CLASS,
	STAGE_CONSTANT,
	STAGE_N_STATICS,
	STAGE_STATIC,
	STAGE_N_FIELDS,
	STAGE_FIELD,
	STAGE_INSTANCE,
	STAGE_OBJECT_ARRAY,
	STAGE_PRIMITIVE_ARRAY,
};

enum content {
	CONTENT_SKIP,
	CONTENT_ZERO,
	CONTENT_FIELDS, /* of an instance: zero the ranges of its class */
	CONTENT_TEXT,	/* of a UTF8 record, for the visitor */
};

struct hprof_parser {
	struct hprof_parser_options o;
	struct hprof_visitor v; /* all NULL without one */
	struct hprof_summary sum;
	struct error failed; /* once it has, for good */
	bool layouts;	     /* fields are redacted */
	bool learning;	     /* o.writes_classes */
	bool unpatched;	     /* the last record is a segment of length 0 */
	unsigned int id_size;
	unsigned char record; /* tag of the record in hand, or of the last one */

	enum stage stage;
	size_t need;	    /* bytes of the head */
	uint64_t body_left; /* of the record in hand, without what is expected already */
	uint64_t offset;    /* in the stream, of the head in hand */
	uint64_t sub_at;    /* of the sub-record in hand */

	enum content content;
	uint64_t content_left;
	uint32_t list;	     /* CONTENT_FIELDS: ranges of the class, the next one, */
	uint32_t next_range; /* how far in the instance */
	uint32_t field_at;
	uint64_t text_id;
	char *text; /* owned; NULL when nobody asks for it */
	size_t text_len;

	unsigned int left; /* constants, statics or fields of the class in hand */

	unsigned char carry[MAX_HEAD];
	size_t carried;

	uint64_t last_class; /* of an instance; last is NULL when it is not good */
	const struct class_layout *last;
};

static inline uint16_t get_u16(const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t get_u32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t get_id(const unsigned char *p, unsigned int id_size)
{
	uint64_t v;

	if (id_size == 4)
		return get_u32(p);
	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Is that what char[] and byte[] are made of? */
static inline bool type_is_text(unsigned int type)
{
	return type == HPROF_CHAR || type == HPROF_BYTE;
}

static inline bool zeroes_array(const struct hprof_parser *p, unsigned int type)
{
	return p->o.redact == HPROF_REDACT_PRIMITIVES ||
	       (p->o.redact == HPROF_REDACT_STRINGS && type_is_text(type));
}

/* The layout of an instance's class, whose fields have so many bytes; NULL: not known, or of
 * another size. */
const struct class_layout *parser_layout(struct hprof_parser *p, uint64_t class_id, uint32_t size);

/* The heads of a heap record (heap.c): -1 when it cannot be. */
int parser_begin_sub(struct hprof_parser *p, const unsigned char *head,
		     struct error *err) must_check;
int parser_sub_head(struct hprof_parser *p, const unsigned char *head,
		    struct error *err) must_check;

/* What a stage wants next (parser.c): a head of so many bytes, content of so many, or nothing more
 * of this sub-record. ERR_CAPTURE when the record has not so many left. */
int parser_expect(struct hprof_parser *p, enum stage stage, size_t need,
		  struct error *err) must_check;
int parser_content(struct hprof_parser *p, enum content what, uint64_t len,
		   struct error *err) must_check;
void parser_next_sub(struct hprof_parser *p);

/* As many whole sub-records as there are in avail bytes (of one record): how many bytes that is.
 * Never fails: it stops before whatever is wrong, cut or seldom. */
size_t parser_fast(struct hprof_parser *p, unsigned char *data, size_t avail);

/* Zero the ranges of a whole instance. */
static inline void zero_fields(const struct hprof_parser *p, const struct class_layout *k,
			       unsigned char *fields)
{
	uint32_t n;
	const struct class_range *r = classes_ranges(p->o.classes, k->full, &n);

	for (uint32_t i = 0; i < n; i++)
		memset(fields + r[i].start, 0, r[i].len);
}

#endif
