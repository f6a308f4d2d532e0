/* remote: heap dumps, whole and in pieces, redacted or not. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/hprof/classes.h"
#include "remote/hprof/parser.h"
#include "tests/unit/hprof_builder.h"

static struct error err;
static struct hprof_summary sum;

/* Parse a copy, the first portion of `first` bytes, then portions of n. 0 good (and *ret, when
 * asked for, is the copy), -1 refused on the way, -2 at the end. */
static int parse(const struct hprof_builder *b, size_t len, size_t first, size_t n,
		 struct hprof_parser_options o, char **ret)
{
	char *copy = xmalloc(len + 1);
	struct hprof_parser *p;
	int rc = 0;

	o.classes = hprof_classes_new();
	o.writes_classes = true;
	p = hprof_parser_new(&o);
	memcpy(copy, b->dump.data, len);
	err = (struct error){0};
	for (size_t at = 0, step = first; at < len && !rc; at += step, step = n) {
		if (step > len - at)
			step = len - at;
		/* Its own allocation, so that the sanitizer sees a step beyond the portion. */
		char *portion = xmalloc(step ? step : 1);

		memcpy(portion, copy + at, step);
		rc = hprof_parser_add(p, portion, step, &err);
		memcpy(copy + at, portion, step);
		free(portion);
		if (!step && !n)
			break;
	}
	if (!rc && hprof_parser_finish(p, false, &sum, &err) < 0)
		rc = -2;
	hprof_parser_free(p);
	hprof_classes_free(o.classes);
	if (ret && !rc)
		*ret = copy;
	else
		free(copy);
	return rc;
}

static const enum hprof_redact modes[] = {HPROF_REDACT_NONE, HPROF_REDACT_STRINGS,
					  HPROF_REDACT_PRIMITIVES};

static void assert_redacted(const struct hprof_builder *b, size_t first, size_t n)
{
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		char *want = hb_redacted(b, modes[m]), *got = NULL;
		int rc = parse(b, b->dump.len, first, n,
			       (struct hprof_parser_options){.redact = modes[m]}, &got);

		if (rc)
			fail_msg("%s, portions of %zu and %zu: %s", hprof_redact_name(modes[m]),
				 first, n, err.msg);
		assert_memory_equal(got, want, b->dump.len);
		assert_int_equal(sum.bytes, b->dump.len);
		free(got);
		free(want);
	}
}

static void test_portions(void **state)
{
	(void)state;
	for (unsigned int id_size = 4; id_size <= 8; id_size += 4) {
		struct hprof_builder b;

		hb_init(&b, id_size);
		hb_small_dump(&b);
		for (size_t n = 1; n <= b.dump.len; n++)
			assert_redacted(&b, n, n);
		for (size_t n = 1; n < b.dump.len; n++)
			assert_redacted(&b, n, b.dump.len);
		hb_release(&b);
	}
}

static void test_summary(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 8);
	hb_small_dump(&b);
	assert_redacted(&b, 100, 100);
	assert_int_equal(sum.records, 7);
	assert_int_equal(sum.heap_records, 2);
	assert_int_equal(sum.classes, 4);
	assert_int_equal(sum.instances, 5);
	assert_int_equal(sum.object_arrays, 2);
	assert_int_equal(sum.primitive_arrays, 9);
	assert_int_equal(sum.roots, 9);
	assert_int_equal(sum.id_size, 8);
	assert_int_equal(sum.instance_bytes, 2 * (13 + 19) + 2 * 19);
	assert_int_equal(sum.array_bytes, 3 * 8 + 5 * (1 + 2 + 4 + 8 + 1 + 2 + 4 + 8));
	assert_true(sum.ended);
	hb_release(&b);
}

static void test_cut_anywhere(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 8);
	hb_small_dump(&b);
	for (size_t len = 0; len < b.dump.len; len++) {
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			struct hprof_parser_options o = {.redact = modes[m]};

			assert_int_equal(parse(&b, len, 7, 7, o, NULL), -2);
			assert_int_equal(err.code, ERR_CAPTURE);
			assert_int_equal(parse(&b, len, len, len, o, NULL), -2);
		}
	}
	hb_release(&b);
}

/* ---- what is refused ---- */

static void assert_refused(const struct hprof_builder *b, int want, const char *why)
{
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		struct hprof_parser_options o = {.redact = modes[m]};

		for (size_t n = 1; n <= b->dump.len; n = n < 40 ? n + 1 : n * 2) {
			assert_int_equal(parse(b, b->dump.len, n, n, o, NULL), want);
			assert_int_equal(err.code, ERR_CAPTURE);
			if (!strstr(err.msg, why))
				fail_msg("'%s' does not say '%s'", err.msg, why);
		}
		assert_int_equal(parse(b, b->dump.len, b->dump.len, b->dump.len, o, NULL), want);
	}
}

static void start(struct hprof_builder *b, unsigned int tag)
{
	hb_release(b);
	hb_init(b, 8);
	hb_header(b);
	hb_open(b, tag);
}

static void test_headers(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 8);
	hb_small_dump(&b);
	b.dump.data[3] = 'a';
	assert_refused(&b, -1, "not a heap dump");
	b.dump.data[3] = 'A';
	b.dump.data[17] = '3';
	assert_refused(&b, -1, "not a heap dump");
	b.dump.data[17] = '1';
	assert_redacted(&b, 1000, 1000);
	b.dump.data[22] = 2;
	assert_refused(&b, -1, "identifiers of 2 bytes");
	hb_release(&b);
}

static void test_tags(void **state)
{
	static const char all[] = {1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd, 0xe, 0x1c, 0x2c};
	static const char subs[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x20, 0x21, 0x22, 0x23, (char)0xff};
	struct hprof_builder b = {0};

	(void)state;
	for (int tag = 0; tag < 256; tag++) {
		if (!memchr(all, tag, sizeof(all))) {
			start(&b, (unsigned int)tag);
			hb_close(&b);
			assert_refused(&b, -1, "unknown record");
		}
		if (!memchr(subs, tag, sizeof(subs))) {
			start(&b, 0x1c);
			hb_instance(&b, 0x2000, 0x1000, "");
			hb_class(&b, 0x1000, 0, "", "", "");
			hb_number(&b, (unsigned int)tag, 1);
			hb_content(&b, 40, HB_STAYS);
			hb_close(&b);
			b.dump.data[31 + 9] =
				0x22; /* not an instance: its class is not there yet */
			assert_refused(&b, -1, "unknown sub-record");
		}
	}
	hb_release(&b);
}

/* Records outside the heap whose size is given by the format. */
static void test_record_sizes(void **state)
{
	static const struct {
		unsigned int tag, size;
	} fixed[] = {{0x02, 24}, {0x03, 4}, {0x04, 40}, {0x07, 24},
		     {0x0a, 40}, {0x0b, 4}, {0x0e, 6},	{0x2c, 0}};
	struct hprof_builder b = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		for (unsigned int size = 0; size < 48; size++) {
			start(&b, fixed[i].tag);
			hb_content(&b, size, HB_STAYS);
			hb_close(&b);
			if (size == fixed[i].size)
				assert_refused(&b, -2,
					       fixed[i].tag == 0x2c ? "no objects"
								    : "no HEAP_DUMP_END");
			else
				assert_refused(&b, -1, "bytes at byte 31");
		}
	}
	start(&b, 0x01);
	hb_content(&b, 7, HB_STAYS);
	hb_close(&b);
	assert_refused(&b, -1, "record 0x01 of 7 bytes");
	hb_release(&b);
}

static void test_ends(void **state)
{
	struct hprof_builder b = {0};
	size_t segment;

	(void)state;
	/* Old updates of 8: one record, no end mark. */
	start(&b, 0x0c);
	hb_one_of_each(&b);
	hb_close(&b);
	assert_redacted(&b, 100, 100);
	assert_false(sum.ended);
	/* 8 while it writes: no length yet. */
	hb_patch(&b, b.record, 0);
	assert_refused(&b, -1, "record 0x0c of 0 bytes");
	/* Something else is last. */
	hb_close(&b);
	hb_utf8(&b, 1, "x");
	assert_refused(&b, -2, "no HEAP_DUMP_END, last record is 0x01");

	start(&b, 0x1c);
	hb_one_of_each(&b);
	hb_close(&b);
	assert_refused(&b, -2, "no HEAP_DUMP_END, last record is 0x1c");
	hb_end(&b);
	assert_redacted(&b, 100, 100);
	assert_true(sum.ended);
	hb_end(&b);
	assert_refused(&b, -1, "behind HEAP_DUMP_END");

	/* Empty segments are fine, unless something else follows. */
	start(&b, 0x1c);
	segment = b.record;
	hb_open(&b, 0x1c);
	hb_one_of_each(&b);
	hb_close(&b);
	hb_open(&b, 0x1c);
	hb_end(&b);
	assert_redacted(&b, 3, 3);
	hb_patch(&b, segment + 9, 0);
	assert_refused(&b, -1, "has no length");

	start(&b, 0x1c);
	hb_root(&b, 5, 0x1000);
	hb_close(&b);
	hb_end(&b);
	assert_refused(&b, -2, "no objects");
	hb_release(&b);
}

/* Lengths that do not agree with the record. */
static void test_lies(void **state)
{
	struct hprof_builder b = {0};
	uint32_t whole;

	(void)state;
	/* A record that is one byte too short or too long, in every way the last sub-record can be.
	 */
	for (const char *kind = "RCIOP"; *kind; kind++) {
		start(&b, 0x1c);
		hb_class(&b, 0x1000, 0, "", "", "");
		if (*kind == 'R')
			hb_root(&b, 3, 0x2000);
		else if (*kind == 'C')
			hb_class(&b, 0x1010, 0x1000, "I", "J", "LB");
		else if (*kind == 'I')
			hb_instance(&b, 0x2000, 0x1000, "");
		else if (*kind == 'O')
			hb_object_array(&b, 0x2000, 0x1000, 2);
		else
			hb_primitive_array(&b, 0x2000, 'C', 3);
		hb_close(&b);
		hb_end(&b);
		assert_redacted(&b, 5, 5);
		whole = (uint32_t)(b.dump.len - 9 - 31 - 9);
		hb_patch(&b, 31, whole - 1);
		assert_refused(&b, -1, "longer than its record");
		hb_patch(&b, 31, whole + 1); /* the tag of HEAP_DUMP_END is no sub-record */
		assert_refused(&b, -1, "unknown sub-record 0x2c");
	}
	/* Four thousand million elements in a record of 200 bytes. */
	for (const char *kind = "OP"; *kind; kind++) {
		start(&b, 0x1c);
		hb_class(&b, 0x1000, 0, "", "", "");
		if (*kind == 'O')
			hb_object_array(&b, 0x2000, 0x1000, 5);
		else
			hb_primitive_array(&b, 0x2000, 'J', 5);
		hb_close(&b);
		memset(b.dump.data + b.dump.len - 40 - (*kind == 'O' ? 12 : 5), 0xff, 4);
		hb_end(&b);
		assert_refused(&b, -1, "longer than its record");
	}
	hb_release(&b);
}

static void test_types(void **state)
{
	static const char good[] = {4, 5, 6, 7, 8, 9, 10, 11};
	struct hprof_builder b = {0};

	(void)state;
	for (int type = 0; type < 256; type++) {
		if (memchr(good, type, sizeof(good)))
			continue;
		start(&b, 0x1c);
		hb_class(&b, 0x1000, 0, "", "", "");
		hb_primitive_array(&b, 0x2000, 'B', 0);
		b.dump.data[b.dump.len - 1] = (char)type;
		hb_close(&b);
		assert_refused(&b, -1, "unknown type");
		if (type == 2)
			continue;
		for (const char *where = "KSF"; *where; where++) {
			start(&b, 0x1c);
			hb_class(&b, 0x1000, 0, *where == 'K' ? "B" : "", *where == 'S' ? "B" : "",
				 *where == 'F' ? "B" : "");
			b.dump.data[b.dump.len - (*where == 'K'	  ? 6
						  : *where == 'S' ? 4
								  : 1)] = (char)type;
			hb_close(&b);
			assert_refused(&b, -1, "unknown type");
		}
	}
	hb_release(&b);
}

/* ---- class layouts ---- */

/* Fine as it is, but its fields cannot be redacted. */
static void assert_would_leak(const struct hprof_builder *b)
{
	for (size_t n = 1; n <= b->dump.len; n++) {
		struct hprof_parser_options o = {.redact = HPROF_REDACT_STRINGS};

		assert_int_equal(parse(b, b->dump.len, n, n, o, NULL), 0);
		o.redact = HPROF_REDACT_PRIMITIVES;
		assert_int_equal(parse(b, b->dump.len, n, n, o, NULL), -1);
		assert_int_equal(err.code, ERR_CAPTURE);
		assert_non_null(strstr(err.msg, "would leak"));
	}
}

static void test_unknown_layouts(void **state)
{
	struct hprof_builder b = {0};

	(void)state;
	for (int i = 0; i < 6; i++) {
		start(&b, 0x1c);
		hb_class(&b, 0x1000, 0, "", "", "J");
		if (i == 0) { /* no such class */
			hb_instance(&b, 0x2000, 0x1008, "J");
		} else if (i == 1) { /* it comes later */
			hb_instance(&b, 0x2000, 0x1008, "J");
			hb_class(&b, 0x1008, 0, "", "", "J");
		} else if (i == 2) { /* its super class never comes */
			hb_class(&b, 0x1008, 0x1010, "", "", "J");
			hb_instance(&b, 0x2000, 0x1008, "J");
		} else if (i == 3) { /* it has more fields than its class */
			hb_instance(&b, 0x2000, 0x1000, "JI");
		} else if (i == 4) { /* or fewer */
			hb_instance(&b, 0x2000, 0x1000, "I");
		} else { /* a class that is its own super class's super class */
			hb_class(&b, 0x1008, 0x1010, "", "", "J");
			hb_class(&b, 0x1010, 0x1008, "", "", "J");
			hb_instance(&b, 0x2000, 0x1008, "JJ");
		}
		hb_close(&b);
		hb_end(&b);
		assert_would_leak(&b);
	}
	hb_release(&b);
}

/* A whole dump may bring classes late, as long as they come before their instances. */
static void test_late_classes(void **state)
{
	struct hprof_builder b = {0};

	(void)state;
	start(&b, 0x1c);
	hb_class(&b, 0x1000, 0x1008, "", "", "JL");
	hb_primitive_array(&b, 0x2000, 'B', 3);
	hb_class(&b, 0x1008, 0, "", "", "B");
	hb_instance(&b, 0x2010, 0x1000, "JLB");
	hb_class(&b, 0x1018, 0x1000, "", "", "I");
	hb_instance(&b, 0x2020, 0x1018, "IJLB");
	hb_instance(&b, 0x2010, 0x1000, "JLB");
	hb_class(&b, 0x1018, 0x1000, "", "", "I");
	hb_close(&b);
	hb_end(&b);
	for (size_t n = 1; n < b.dump.len; n++)
		assert_redacted(&b, n, n);
	hb_release(&b);
	/* The same class with other fields. */
	start(&b, 0x1c);
	hb_class(&b, 0x1018, 0, "", "", "I");
	hb_class(&b, 0x1018, 0, "", "", "L");
	hb_close(&b);
	hb_end(&b);
	assert_refused(&b, -1, "twice");
	hb_release(&b);
}

static void test_many_classes(void **state)
{
	struct hprof_builder b = {0};

	(void)state;
	start(&b, 0x1c);
	for (uint64_t i = 0; i < 3000; i++)
		hb_class(&b, 0x1000 + 8 * i, i % 100 ? 0x1000 + 8 * (i - 1) : 0, "", "",
			 i % 3 == 0   ? "LB"
			 : i % 3 == 1 ? ""
				      : "I");
	/* class 2903: fields of 2903 (i % 3 == 2), 2902 (1), 2901 (0), 2900 (2) */
	hb_instance(&b, 0x90000, 0x1000 + 8 * 2903, "ILBI");
	hb_instance(&b, 0x90000, 0x1000 + 8 * 2901, "LBI");
	hb_close(&b);
	hb_end(&b);
	assert_redacted(&b, 1000, 1000);
	assert_redacted(&b, 1, 1);
	hb_release(&b);
}

/* ---- several streams ---- */

static int feed(struct hprof_parser *p, const struct hprof_builder *b, char *out)
{
	int rc = 0;

	err = (struct error){0};
	for (size_t at = 0; at < b->dump.len && !rc; at++) {
		out[at] = b->dump.data[at];
		rc = hprof_parser_add(p, out + at, 1, &err);
	}
	return rc;
}

static void segment(struct hprof_builder *b, bool classes)
{
	hb_init(b, 8);
	hb_open(b, 0x1c);
	if (classes) {
		hb_class(b, 0x1000, 0x1008, "", "I", "JL");
		hb_class(b, 0x1008, 0, "", "", "B");
		hb_root(b, 5, 0x1000);
	}
	hb_instance(b, 0x2010, 0x1000, "JLB");
	hb_close(b);
	hb_open(b, 0x1c);
	hb_primitive_array(b, 0x2010, 'I', 2);
	hb_close(b);
}

static void test_segments(void **state)
{
	struct hprof_classes *classes = hprof_classes_new();
	struct hprof_parser_options o = {.segment = true,
					 .id_size = 8,
					 .redact = HPROF_REDACT_PRIMITIVES,
					 .classes = classes};
	struct hprof_parser *writer, *reader, *early = hprof_parser_new(&o);
	struct hprof_builder first, second, tail = {0};
	char out[1000], *want;

	(void)state;
	segment(&first, true);
	segment(&second, false);
	assert_false(hprof_classes_complete(classes));
	/* Before the classes are complete, no instance passes. */
	assert_int_equal(feed(early, &second, out), -1);
	assert_non_null(strstr(err.msg, "would leak"));
	assert_int_equal(hprof_parser_add(early, out, 1, &err), -1);
	assert_int_equal(hprof_parser_finish(early, false, &sum, &err), -1);
	hprof_parser_free(early);

	o.writes_classes = true;
	writer = hprof_parser_new(&o);
	assert_int_equal(feed(writer, &first, out), 0);
	want = hb_redacted(&first, o.redact);
	assert_memory_equal(out, want, first.dump.len);
	free(want);
	assert_true(hprof_classes_complete(classes));
	o.writes_classes = false;
	reader = hprof_parser_new(&o);
	assert_int_equal(feed(reader, &second, out), 0);
	want = hb_redacted(&second, o.redact);
	assert_memory_equal(out, want, second.dump.len);
	free(want);
	assert_int_equal(hprof_parser_finish(reader, false, &sum, &err), 0);
	assert_int_equal(sum.instances, 1);
	assert_int_equal(sum.primitive_arrays, 1);
	/* Others read: nothing may be learnt any more. */
	tail = first;
	assert_int_equal(feed(writer, &tail, out), -1);
	assert_non_null(strstr(err.msg, "comes behind the objects"));
	hprof_parser_free(writer);
	hprof_parser_free(reader);
	hprof_classes_free(classes);
	hb_release(&first);
	hb_release(&second);
}

static int parse_segment(const struct hprof_builder *b, size_t len)
{
	struct hprof_parser_options o = {.segment = true, .id_size = 8};
	struct hprof_parser *p = hprof_parser_new(&o);
	int rc;

	err = (struct error){0};
	rc = hprof_parser_add(p, b->dump.data, len, &err);
	if (!rc && hprof_parser_finish(p, false, &sum, &err) < 0)
		rc = -2;
	hprof_parser_free(p);
	return rc;
}

static void test_segment_stream(void **state)
{
	struct hprof_builder b;
	size_t two;

	(void)state;
	segment(&b, true);
	two = b.record;
	/* Whole records only; none is fine. */
	for (size_t len = 0; len <= b.dump.len; len++)
		assert_int_equal(parse_segment(&b, len),
				 len == 0 || len == two || len == b.dump.len ? 0 : -2);
	hb_end(&b);
	assert_int_equal(parse_segment(&b, b.dump.len), -1);
	hb_release(&b);
	hb_init(&b, 8);
	hb_utf8(&b, 1, "text");
	assert_int_equal(parse_segment(&b, b.dump.len), -1);
	hb_release(&b);
}

static void test_main_stream(void **state)
{
	struct hprof_builder b;
	struct hprof_parser_options o = {0};

	(void)state;
	hb_init(&b, 8);
	hb_header(&b);
	hb_utf8(&b, 1, "text");
	hb_end(&b);
	/* With and without its end, but not cut elsewhere. */
	for (size_t len = 0; len <= b.dump.len; len++) {
		struct hprof_parser *p = hprof_parser_new(&o);
		bool whole = len == 31 || len == b.dump.len - 9 || len == b.dump.len;

		assert_int_equal(hprof_parser_add(p, b.dump.data, len, &err), 0);
		assert_int_equal(hprof_parser_finish(p, true, &sum, &err), whole ? 0 : -1);
		assert_int_equal(hprof_parser_finish(p, false, &sum, &err), -1);
		hprof_parser_free(p);
	}
	hb_release(&b);
}

/* One thread learns while others wait for it, then read, as the drain's do. */
struct stream {
	struct hprof_parser_options o;
	const struct hprof_builder *b;
	char *out; /* owned */
	int rc;
};

static void *read_stream(void *arg)
{
	struct stream *s = arg;
	struct hprof_parser *p = hprof_parser_new(&s->o);
	struct error e = {0};
	struct hprof_summary unused;

	s->out = xmalloc(s->b->dump.len);
	memcpy(s->out, s->b->dump.data, s->b->dump.len);
	while (!s->o.writes_classes && !hprof_classes_complete(s->o.classes))
		sched_yield();
	for (size_t at = 0; at < s->b->dump.len && !s->rc; at += 100)
		s->rc = hprof_parser_add(p, s->out + at,
					 s->b->dump.len - at < 100 ? s->b->dump.len - at : 100, &e);
	if (!s->rc)
		s->rc = hprof_parser_finish(p, false, &unused, &e);
	hprof_parser_free(p);
	return NULL;
}

static void test_threads(void **state)
{
	struct hprof_classes *classes = hprof_classes_new();
	struct hprof_builder first, others;
	struct stream streams[4];
	pthread_t threads[ARRAY_SIZE(streams)];
	char *want;

	(void)state;
	hb_init(&first, 8);
	hb_open(&first, 0x1c);
	for (uint64_t i = 0; i < 5000; i++)
		hb_class(&first, 0x1000 + 8 * i, i ? 0x1000 : 0, "", "J", i % 2 ? "BL" : "L");
	for (uint64_t i = 0; i < 2000; i++)
		hb_instance(&first, 0x90000, 0x1008 + 16 * i, "BLL");
	hb_close(&first);
	hb_init(&others, 8);
	hb_open(&others, 0x1c);
	for (uint64_t i = 0; i < 4000; i++)
		hb_instance(&others, 0x90000, 0x1008 + 8 * i, i % 2 ? "LL" : "BLL");
	hb_close(&others);
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		streams[i] = (struct stream){.b = i ? &others : &first};
		streams[i].o = (struct hprof_parser_options){
			.segment = true,
			.id_size = 8,
			.redact = HPROF_REDACT_PRIMITIVES,
			.classes = classes,
			.writes_classes = i == 0,
		};
	}
	for (size_t i = ARRAY_SIZE(streams); i--;)
		assert_int_equal(pthread_create(&threads[i], NULL, read_stream, &streams[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(streams[i].rc, 0);
		want = hb_redacted(streams[i].b, HPROF_REDACT_PRIMITIVES);
		assert_memory_equal(streams[i].out, want, streams[i].b->dump.len);
		free(want);
		free(streams[i].out);
	}
	hprof_classes_free(classes);
	hb_release(&first);
	hb_release(&others);
}

/* ---- maxima ---- */

static void test_too_many_classes(void **state)
{
	struct hprof_classes *c = hprof_classes_new();

	(void)state;
	for (uint64_t i = 0; i < MAX_HPROF_CLASSES; i++) {
		assert_int_equal(classes_begin(c, i << 3, 0, &err), 0);
		assert_int_equal(classes_end(c, &err), 0);
	}
	err = (struct error){0};
	assert_int_equal(classes_begin(c, 1, 0, &err), -1);
	assert_int_equal(err.code, ERR_CAPTURE);
	hprof_classes_free(c);
}

static void test_too_many_fields(void **state)
{
	struct hprof_classes *c = hprof_classes_new();
	size_t fields = 0;
	int rc = 0;

	(void)state;
	err = (struct error){0};
	for (uint64_t i = 1; !rc; i++) {
		rc = classes_begin(c, i, 0, &err);
		for (int f = 0; f < 0xffff && !rc; f++, fields++)
			rc = classes_field(c, 8, f % 2, &err);
		if (!rc)
			rc = classes_end(c, &err);
	}
	assert_int_equal(err.code, ERR_CAPTURE);
	/* every second field is a range of two numbers */
	assert_in_range(fields, MAX_HPROF_LAYOUTS / 4 - 0xffff, MAX_HPROF_LAYOUTS / 4);
	hprof_classes_free(c);
}

/* ---- flips ---- */

/* Whatever the bytes are: the same verdict and the same bytes, in one portion and in small ones. */
static void test_flips(void **state)
{
	struct hprof_builder b;

	(void)state;
	hb_init(&b, 4);
	hb_small_dump(&b);
	for (size_t bit = 0; bit < 8 * b.dump.len; bit++) {
		struct hprof_parser_options o = {.redact = modes[bit % 3]};
		char *whole = NULL, *pieces = NULL;
		int rc;

		b.dump.data[bit / 8] ^= (char)(1 << (bit % 8));
		rc = parse(&b, b.dump.len, b.dump.len, b.dump.len, o, &whole);
		assert_int_equal(parse(&b, b.dump.len, 11, 11, o, &pieces), rc);
		if (!rc)
			assert_memory_equal(whole, pieces, b.dump.len);
		free(whole);
		free(pieces);
		b.dump.data[bit / 8] ^= (char)(1 << (bit % 8));
	}
	hb_release(&b);
}

/* ---- the visitor ---- */

static struct buf seen = {.max = 100000};

static void see_utf8(void *ctx, uint64_t id, const char *text, size_t len)
{
	buf_addf(ctx, "utf8 %llx %zu %.*s\n", (unsigned long long)id, len,
		 (int)(len < 20 ? len : 20), text);
}

static void see_load(void *ctx, uint64_t class_id, uint64_t name_id)
{
	buf_addf(ctx, "load %llx %llx\n", (unsigned long long)class_id,
		 (unsigned long long)name_id);
}

static void see_class(void *ctx, uint64_t class_id, uint64_t super_id, uint32_t size)
{
	buf_addf(ctx, "class %llx %llx %u\n", (unsigned long long)class_id,
		 (unsigned long long)super_id, size);
}

static void see_field(void *ctx, uint64_t name_id, unsigned int type)
{
	buf_addf(ctx, "field %llx %u\n", (unsigned long long)name_id, type);
}

static void see_instance(void *ctx, uint64_t id, uint64_t class_id, uint32_t size)
{
	buf_addf(ctx, "instance %llx %llx %u\n", (unsigned long long)id,
		 (unsigned long long)class_id, size);
}

static void see_objects(void *ctx, uint64_t id, uint64_t class_id, uint32_t length)
{
	buf_addf(ctx, "objects %llx %llx %u\n", (unsigned long long)id,
		 (unsigned long long)class_id, length);
}

static void see_primitives(void *ctx, uint64_t id, unsigned int type, uint32_t length)
{
	buf_addf(ctx, "primitives %llx %u %u\n", (unsigned long long)id, type, length);
}

static void test_visitor(void **state)
{
	static const char want[] = "utf8 100 0 \n"
				   "utf8 101 5 Order\n"
				   "utf8 102 4096 xxxxxxxxxxxxxxxxxxxx\n"
				   "load 1000 101\n"
				   "class 1000 1010 0\n"
				   "field 6000 10\n"
				   "field 6001 2\n"
				   "class 1010 0 0\n"
				   "instance 2000 1000 12\n"
				   "objects 2010 1000 2\n"
				   "primitives 2020 5 3\n";
	struct hprof_visitor v = {&seen,     see_utf8,	   see_load,	see_class,
				  see_field, see_instance, see_objects, see_primitives};
	struct hprof_parser_options o = {.visitor = &v};
	struct hprof_builder b = {0};
	char text[5001];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	hb_init(&b, 8);
	hb_header(&b);
	hb_utf8(&b, 0x100, "");
	hb_utf8(&b, 0x101, "Order");
	hb_utf8(&b, 0x102, text);
	hb_load_class(&b, 0x1000, 0x101);
	hb_open(&b, 0x1c);
	hb_class(&b, 0x1000, 0x1010, "I", "J", "IL");
	hb_class(&b, 0x1010, 0, "", "", "");
	hb_instance(&b, 0x2000, 0x1000, "IL");
	hb_object_array(&b, 0x2010, 0x1000, 2);
	hb_primitive_array(&b, 0x2020, 'C', 3);
	hb_close(&b);
	hb_end(&b);
	for (size_t n = 1; n <= b.dump.len; n = n < 50 ? n + 1 : n * 3) {
		buf_reset(&seen);
		assert_int_equal(parse(&b, b.dump.len, n, n, o, NULL), 0);
		assert_string_equal(buf_str(&seen), want);
	}
	buf_release(&seen);
	hb_release(&b);
}

static void test_names(void **state)
{
	enum hprof_redact r = HPROF_REDACT_NONE;

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		assert_true(hprof_redact_from_name(hprof_redact_name(modes[m]), &r));
		assert_int_equal(r, modes[m]);
	}
	assert_false(hprof_redact_from_name("all", &r));
	assert_false(hprof_redact_from_name("", &r));
	assert_int_equal(hprof_type_size(HPROF_OBJECT, 4), 4);
	assert_int_equal(hprof_type_size(HPROF_LONG, 4), 8);
	assert_int_equal(hprof_type_size(3, 4), 0);
	assert_int_equal(hprof_type_size(12, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_record_sizes),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_unknown_layouts),
		cmocka_unit_test(test_late_classes),
		cmocka_unit_test(test_many_classes),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_segment_stream),
		cmocka_unit_test(test_main_stream),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_too_many_classes),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_visitor),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
