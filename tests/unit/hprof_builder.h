/*
 * Small heap dumps for tests. Beside each byte it notes what kind of content it is, so that what a
 * redaction must make of it is known without the code under test.
 *
 * Types are written as in the JVM's descriptors, one letter each: Z C F D B S I J, and L for any
 * reference. Contents are never zero.
 */
#ifndef TESTS_UNIT_HPROF_BUILDER_H
#define TESTS_UNIT_HPROF_BUILDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/hprof/parser.h"

enum hb_kind { HB_STAYS, HB_TEXT, HB_PRIMITIVE };

struct hprof_builder {
	struct buf dump, kinds;
	unsigned int id_size;
	size_t record; /* where the one in hand begins */
};

static inline void hb_init(struct hprof_builder *b, unsigned int id_size)
{
	*b = (struct hprof_builder){
		.dump = BUF_INIT(64 << 20), .kinds = BUF_INIT(64 << 20), .id_size = id_size};
}

static inline void hb_release(struct hprof_builder *b)
{
	buf_release(&b->dump);
	buf_release(&b->kinds);
}

static inline void hb_add(struct hprof_builder *b, const void *data, size_t len, enum hb_kind kind)
{
	char *kinds;

	buf_add(&b->dump, data, len);
	kinds = buf_reserve(&b->kinds, len);
	if (!kinds)
		abort();
	memset(kinds, kind, len);
	b->kinds.len += len;
}

static inline void hb_number(struct hprof_builder *b, uint64_t v, unsigned int size)
{
	unsigned char bytes[8];

	for (unsigned int i = 0; i < size; i++)
		bytes[i] = (unsigned char)(v >> (8 * (size - 1 - i)));
	hb_add(b, bytes, size, HB_STAYS);
}

static inline void hb_id(struct hprof_builder *b, uint64_t id)
{
	hb_number(b, id, b->id_size);
}

/* Content that differs from byte to byte. */
static inline void hb_content(struct hprof_builder *b, size_t len, enum hb_kind kind)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)(1 + b->dump.len % 251);

		hb_add(b, &c, 1, kind);
	}
}

static inline unsigned int hb_type(char letter)
{
	static const char letters[] = "ZCFDBSIJ";

	return letter == 'L' ? 2 : (unsigned int)(strchr(letters, letter) - letters) + 4;
}

static inline unsigned int hb_size(const struct hprof_builder *b, char letter)
{
	return letter == 'L'			? b->id_size
	       : letter == 'Z' || letter == 'B' ? 1
	       : letter == 'C' || letter == 'S' ? 2
	       : letter == 'F' || letter == 'I' ? 4
						: 8;
}

static inline void hb_value(struct hprof_builder *b, char letter)
{
	hb_content(b, hb_size(b, letter), letter == 'L' ? HB_STAYS : HB_PRIMITIVE);
}

/* ---- records ---- */

static inline void hb_header(struct hprof_builder *b)
{
	hb_add(b, "JAVA PROFILE 1.0.2", 19, HB_STAYS);
	hb_number(b, b->id_size, 4);
	hb_number(b, 0x19283746, 8);
}

static inline void hb_open(struct hprof_builder *b, unsigned int tag)
{
	b->record = b->dump.len;
	hb_number(b, tag, 1);
	hb_number(b, 0, 8);
}

static inline void hb_patch(struct hprof_builder *b, size_t record, uint32_t len)
{
	for (unsigned int i = 0; i < 4; i++)
		b->dump.data[record + 5 + i] = (char)(len >> (24 - 8 * i));
}

static inline void hb_close(struct hprof_builder *b)
{
	hb_patch(b, b->record, (uint32_t)(b->dump.len - b->record - 9));
}

static inline void hb_utf8(struct hprof_builder *b, uint64_t id, const char *text)
{
	hb_open(b, 0x01);
	hb_id(b, id);
	hb_add(b, text, strlen(text), HB_STAYS);
	hb_close(b);
}

static inline void hb_load_class(struct hprof_builder *b, uint64_t class_id, uint64_t name_id)
{
	hb_open(b, 0x02);
	hb_number(b, 1, 4);
	hb_id(b, class_id);
	hb_number(b, 0, 4);
	hb_id(b, name_id);
	hb_close(b);
}

static inline void hb_end(struct hprof_builder *b)
{
	hb_open(b, 0x2c);
}

/* ---- sub-records, between hb_open(b, 0x1c) and hb_close ---- */

/* Of any root tag; extra: bytes behind the object's identifier. */
static inline void hb_root(struct hprof_builder *b, unsigned int tag, uint64_t id)
{
	unsigned int extra = tag == 0x01				 ? b->id_size
			     : tag == 0x04 || tag == 0x06		 ? 4
			     : tag == 0x02 || tag == 0x03 || tag == 0x08 ? 8
									 : 0;

	hb_number(b, tag, 1);
	hb_id(b, id);
	hb_content(b, extra, HB_STAYS);
}

static inline void hb_class(struct hprof_builder *b, uint64_t id, uint64_t super_id,
			    const char *constants, const char *statics, const char *fields)
{
	hb_number(b, 0x20, 1);
	hb_id(b, id);
	hb_number(b, 0, 4);
	hb_id(b, super_id);
	hb_content(b, 5 * b->id_size, HB_STAYS);
	hb_number(b, 0, 4);
	hb_number(b, strlen(constants), 2);
	for (const char *c = constants; *c; c++) {
		hb_number(b, 1, 2);
		hb_number(b, hb_type(*c), 1);
		hb_value(b, *c);
	}
	hb_number(b, strlen(statics), 2);
	for (const char *s = statics; *s; s++) {
		hb_id(b, 0x5000 + (uint64_t)(s - statics));
		hb_number(b, hb_type(*s), 1);
		hb_value(b, *s);
	}
	hb_number(b, strlen(fields), 2);
	for (const char *f = fields; *f; f++) {
		hb_id(b, 0x6000 + (uint64_t)(f - fields));
		hb_number(b, hb_type(*f), 1);
	}
}

/* fields: those of the class, then those of its super class, and so on. */
static inline void hb_instance(struct hprof_builder *b, uint64_t id, uint64_t class_id,
			       const char *fields)
{
	uint32_t size = 0;

	for (const char *f = fields; *f; f++)
		size += hb_size(b, *f);
	hb_number(b, 0x21, 1);
	hb_id(b, id);
	hb_number(b, 0, 4);
	hb_id(b, class_id);
	hb_number(b, size, 4);
	for (const char *f = fields; *f; f++)
		hb_value(b, *f);
}

static inline void hb_object_array(struct hprof_builder *b, uint64_t id, uint64_t class_id,
				   uint32_t length)
{
	hb_number(b, 0x22, 1);
	hb_id(b, id);
	hb_number(b, 0, 4);
	hb_number(b, length, 4);
	hb_id(b, class_id);
	hb_content(b, (size_t)length * b->id_size, HB_STAYS);
}

static inline void hb_primitive_array(struct hprof_builder *b, uint64_t id, char type,
				      uint32_t length)
{
	hb_number(b, 0x23, 1);
	hb_id(b, id);
	hb_number(b, 0, 4);
	hb_number(b, length, 4);
	hb_number(b, hb_type(type), 1);
	hb_content(b, (size_t)length * hb_size(b, type),
		   type == 'C' || type == 'B' ? HB_TEXT : HB_PRIMITIVE);
}

/* ---- what must come out ---- */

/* The dump as it must be after a redaction; free with free(). */
static inline char *hb_redacted(const struct hprof_builder *b, enum hprof_redact redact)
{
	char *copy = malloc(b->dump.len + 1);

	if (!copy)
		abort();
	for (size_t i = 0; i < b->dump.len; i++) {
		bool zero = redact == HPROF_REDACT_PRIMITIVES ? b->kinds.data[i] != HB_STAYS
			    : redact == HPROF_REDACT_STRINGS  ? b->kinds.data[i] == HB_TEXT
							      : false;

		copy[i] = zero ? 0 : b->dump.data[i];
	}
	return copy;
}

/* Everything that may be in a heap segment, a class hierarchy of three included: the super class
 * behind its sub class. */
static inline void hb_one_of_each(struct hprof_builder *b)
{
	static const unsigned char roots[] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};

	hb_class(b, 0x1010, 0x1020, "", "LIJ", "IBL");
	hb_class(b, 0x1000, 0, "", "", "");
	hb_class(b, 0x1020, 0x1000, "ZL", "ZCFDBSIJL", "LDZS");
	hb_class(b, 0x1030, 0x1000, "", "", "");
	for (size_t i = 0; i < sizeof(roots); i++)
		hb_root(b, roots[i], 0x2000);
	hb_instance(b, 0x2000, 0x1010, "IBLLDZS");
	hb_instance(b, 0x2008, 0x1000, "");
	hb_instance(b, 0x2010, 0x1020, "LDZS");
	hb_object_array(b, 0x2020, 0x1030, 3);
	hb_object_array(b, 0x2030, 0x1030, 0);
	for (const char *t = "ZCFDBSIJ"; *t; t++)
		hb_primitive_array(b, 0x3000, *t, 5);
	hb_primitive_array(b, 0x3010, 'B', 0);
	hb_instance(b, 0x2018, 0x1010, "IBLLDZS");
}

/* A whole dump with two segments. */
static inline void hb_small_dump(struct hprof_builder *b)
{
	hb_header(b);
	hb_utf8(b, 0x100, "java/lang/Object");
	hb_utf8(b, 0x101, "Order");
	hb_load_class(b, 0x1000, 0x100);
	hb_load_class(b, 0x1010, 0x101);
	hb_open(b, 0x1c);
	hb_one_of_each(b);
	hb_close(b);
	hb_open(b, 0x1c);
	hb_instance(b, 0x2080, 0x1020, "LDZS");
	hb_close(b);
	hb_end(b);
}

#endif
