/*
 * A heap dump, parsed whole while it streams by: header, the records up to the end, and every
 * sub-record of the heap segments. In any portions, in place, constant memory but for the class
 * layouts; nothing is allocated from a length in the dump. What it finds wrong is ERR_CAPTURE with
 * the offset. Source: the format as HotSpot's heapDumper.cpp writes it (8 to 26), identifiers of 4
 * and 8 bytes, all its tags. The tags that only Android's runtime writes are refused as unknown.
 *
 * A dump is complete when it stops exactly at the end of a record and
 *  - that record is HEAP_DUMP_END (0x2c), or
 *  - it is a HEAP_DUMP (0x0c): the unsegmented form, one record and no end mark. What was run
 *    (8u504 to 26) ends with HEAP_DUMP_END always; older updates of 8 have both forms in their
 *    source (VM_HeapDumper::end_of_dump).
 * A HEAP_DUMP of length 0 is what 8 has in the file until it patches the length: refused.
 *
 * It redacts on the way, before the bytes are handed on: lengths, classes, counts and references
 * stay, contents become zero. What stays as well are the UTF8 records. They hold the names of
 * classes, fields, methods and files, and with them every symbol of the JVM, so also the string
 * literals of the loaded classes' code. The strings that a program makes or reads are arrays.
 */
#ifndef REMOTE_HPROF_PARSER_H
#define REMOTE_HPROF_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

enum hprof_redact {
	HPROF_REDACT_NONE,
	HPROF_REDACT_STRINGS,	 /* the contents of every char[] and byte[] */
	HPROF_REDACT_PRIMITIVES, /* all primitive arrays, fields, statics and class constants */
};

const char *hprof_redact_name(enum hprof_redact r); /* "none", "strings", "primitives" */
bool hprof_redact_from_name(const char *name, enum hprof_redact *ret);

/* The layouts of the instances of every class, learnt from CLASS_DUMP sub-records; needed to redact
 * fields. Shared by the streams of one dump: one stream writes (the one that carries the classes),
 * the others read only after hprof_classes_complete: before, an instance is an error to them.
 * The writer goes on learning when it is a whole dump; a segment stream must not bring another
 * class once others read. */
struct hprof_classes;
struct hprof_classes *hprof_classes_new(void) must_check;
void hprof_classes_free(struct hprof_classes *c);
/* The writer has met something behind its CLASS_DUMPs, or has ended. Safe from any thread. */
bool hprof_classes_complete(const struct hprof_classes *c);

enum hprof_type {
	HPROF_OBJECT = 2,
	HPROF_BOOLEAN = 4,
	HPROF_CHAR,
	HPROF_FLOAT,
	HPROF_DOUBLE,
	HPROF_BYTE,
	HPROF_SHORT,
	HPROF_INT,
	HPROF_LONG,
};

/* Bytes of a value in the dump; 0: no such type. */
unsigned int hprof_type_size(unsigned int type, unsigned int id_size);

/* What a caller may want to see. Any member may be NULL. The parser calls them in the order of the
 * dump, when the fixed part of a record has been seen and its lengths fit; ids and lengths are as
 * the dump has them (hostile). */
struct hprof_visitor {
	void *ctx;
	/* Bytes of UTF-8 as the JVM has it, not terminated, cut at MAX_HPROF_TEXT. */
	void (*utf8)(void *ctx, uint64_t id, const char *text, size_t len);
	void (*load_class)(void *ctx, uint64_t class_id, uint64_t name_id);
	void (*class_dump)(void *ctx, uint64_t class_id, uint64_t super_id, uint32_t instance_size);
	/* An instance field of the class that was dumped last. */
	void (*field)(void *ctx, uint64_t name_id, unsigned int type);
	void (*instance)(void *ctx, uint64_t id, uint64_t class_id, uint32_t fields_size);
	void (*object_array)(void *ctx, uint64_t id, uint64_t class_id, uint32_t length);
	void (*primitive_array)(void *ctx, uint64_t id, unsigned int type, uint32_t length);
};

struct hprof_parser_options {
	bool segment;	      /* no header: whole records only, as a segment file of JDK 22+ */
	unsigned int id_size; /* with segment: 4 or 8. Else 0: the header says */
	enum hprof_redact redact;
	struct hprof_classes *classes;	     /* borrowed; needed for HPROF_REDACT_PRIMITIVES */
	bool writes_classes;		     /* this stream carries the CLASS_DUMPs */
	const struct hprof_visitor *visitor; /* borrowed; NULL: none */
};

struct hprof_summary {
	uint64_t bytes, records, heap_records;
	uint64_t classes, instances, object_arrays, primitive_arrays, roots;
	uint64_t instance_bytes, array_bytes; /* as in the dump */
	unsigned int id_size;
	bool ended; /* the last record is HEAP_DUMP_END */
};

struct hprof_parser;
struct hprof_parser *hprof_parser_new(const struct hprof_parser_options *o) must_check;
void hprof_parser_free(struct hprof_parser *p);

/* The next bytes; redacted in place when 0 comes back. -1: ERR_CAPTURE, and the bytes must not be
 * used. (Without redaction they are not written to.) */
int hprof_parser_add(struct hprof_parser *p, void *data, size_t len, struct error *err) must_check;

/* All bytes were given. ERR_CAPTURE when the dump stops inside a record; or, unless it is a
 * segment stream or (JDK 22+ main stream) `rest_elsewhere`, when it lacks its heap or its end. */
int hprof_parser_finish(struct hprof_parser *p, bool rest_elsewhere, struct hprof_summary *ret,
			struct error *err) must_check;

#endif
