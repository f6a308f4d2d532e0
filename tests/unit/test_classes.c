/* jdiag: the classes of a heap dump, their names and sizes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jdiag/classes.h"
#include "jdiag/idmap.h"
#include "tests/unit/hprof_builder.h"

static void assert_name(const char *symbol, const char *want)
{
	auto_free char *name = class_java_name(symbol, strlen(symbol));

	assert_string_equal(name, want);
}

static void test_names(void **state)
{
	(void)state;
	assert_name("java/lang/String", "java.lang.String");
	assert_name("Checkout$Order", "Checkout$Order");
	assert_name("[I", "int[]");
	assert_name("[[Z", "boolean[][]");
	assert_name("[Ljava/lang/Object;", "java.lang.Object[]");
	assert_name("[[[La/B;", "a.B[][][]");
	assert_name("a/B$$Lambda+0x00007f01", "a.B$$Lambda/0x00007f01");
	assert_name("a/B$$Lambda$3/0x01", "a.B$$Lambda$3/0x01");
	assert_name("a/LambdaForm$MH/1234", "a.LambdaForm$MH/1234");
	/* hostile ones */
	assert_name("", "");
	assert_name("[", "[]");
	assert_name("[L;", "L;[]");
	assert_name("[X", "X[]");
	assert_name("+0x", "+0x");
	assert_name("a+0xg", "a+0xg");
}

static void test_idmap(void **state)
{
	struct idmap m = {0};
	uint32_t v = 7;

	(void)state;
	assert_false(idmap_get(&m, 0, &v));
	for (uint64_t i = 0; i < 50000; i++)
		assert_true(idmap_put(&m, i << 33, (uint32_t)i));
	assert_false(idmap_put(&m, 5ull << 33, 1));
	for (uint64_t i = 0; i < 50000; i++) {
		assert_true(idmap_get(&m, i << 33, &v));
		assert_int_equal(v, i);
	}
	assert_false(idmap_get(&m, 1, &v));
	idmap_release(&m);
}

/* Identifiers that a fixed hash (that of 2^64 divided by the golden ratio) has all in one row: with
 * one, this takes a time that nobody waits for. */
static void test_idmap_hostile(void **state)
{
	const uint64_t inverse = 0xf1de83e19937733dull;
	struct idmap m = {0};
	uint32_t v;

	(void)state;
	for (uint64_t i = 0; i < 400000; i++)
		assert_true(idmap_put(&m, i * inverse, (uint32_t)i));
	assert_true(idmap_get(&m, 399999 * inverse, &v) && v == 399999);
	idmap_release(&m);
}

/* ---- dumps ---- */

static struct class_table *table;
static const struct class_row *rows;
static size_t n_rows;

static void begin(struct hprof_builder *b, unsigned int id_size)
{
	hb_init(b, id_size);
	hb_header(b);
	hb_utf8(b, 1, "java/lang/Object");
	hb_utf8(b, 2, "Order");
	hb_utf8(b, 3, "[Ljava/lang/Object;");
	hb_utf8(b, 4, "(I)V");
	hb_load_class(b, 0x1000, 1);
	hb_load_class(b, 0x1008, 2);
	hb_load_class(b, 0x1010, 3);
	hb_open(b, 0x1c);
	hb_class(b, 0x1000, 0, "", "", "");
	hb_class(b, 0x1008, 0x1000, "", "J", "LIB");
	hb_class(b, 0x1010, 0x1000, "", "", "");
}

static void take(struct hprof_builder *b)
{
	struct hprof_parser_options o = {0};
	struct hprof_summary sum;
	struct hprof_parser *p;
	struct error err = {0};

	hb_close(b);
	hb_end(b);
	class_table_free(table);
	table = class_table_new();
	o.visitor = class_table_visitor(table);
	p = hprof_parser_new(&o);
	assert_int_equal(hprof_parser_add(p, b->dump.data, b->dump.len, &err), 0);
	assert_int_equal(hprof_parser_finish(p, false, &sum, &err), 0);
	assert_int_equal(class_table_finish(table, sum.id_size, &rows, &n_rows, &err), 0);
	hprof_parser_free(p);
	hb_release(b);
}

static void assert_row(const char *name, uint64_t instances, uint64_t bytes)
{
	for (size_t i = 0; i < n_rows; i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		assert_int_equal(rows[i].instances, instances);
		assert_int_equal(rows[i].bytes, bytes);
		return;
	}
	fail_msg("no %s", name);
}

/* An object and its address's distance to the next. */
static uint64_t at;

static void put(struct hprof_builder *b, char kind, uint32_t length, uint64_t distance)
{
	if (kind == 'O')
		hb_instance(b, at, 0x1008, "LIB");
	else if (kind == 'A')
		hb_object_array(b, at, 0x1010, length);
	else
		hb_primitive_array(b, at, kind, length);
	at += distance;
}

/* The same objects in the heaps of JVMs that lay them out in different ways. */
static void test_layouts(void **state)
{
	static const struct {
		unsigned int id_size;
		uint32_t header, array_header, reference, alignment;
		uint64_t order, references, bytes5, longs; /* sizes */
	} jvms[] = {
		{8, 12, 16, 4, 8, 24, 16 + 12 + 4, 24, 16 + 24}, /* the usual */
		{8, 12, 16, 8, 8, 32, 16 + 24, 24, 16 + 24},	 /* heap beyond 32 GiB */
		{8, 16, 24, 8, 8, 32, 24 + 24, 32, 24 + 24},	 /* classes not compressed */
		{8, 16, 20, 8, 8, 32, 24 + 24, 32, 24 + 24},	 /* and 23 or later */
		{8, 8, 12, 4, 8, 24, 12 + 12, 24, 16 + 24},	 /* compact headers */
		{8, 12, 16, 4, 16, 32, 32, 32, 48},		 /* other alignment */
		{4, 8, 12, 4, 8, 24, 12 + 12, 24, 16 + 24},	 /* 32 bits */
	};
	struct hprof_builder b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(jvms); i++) {
		uint64_t h = jvms[i].array_header, a = jvms[i].alignment;

		begin(&b, jvms[i].id_size);
		at = 0x100000 + a;
		for (int k = 0; k < 3; k++) {
			put(&b, 'O', 0, jvms[i].order);
			put(&b, 'A', 3, jvms[i].references);
			/* one of them has no padding at its end */
			put(&b, 'B', 16, (h + 16 + a - 1) / a * a);
			put(&b, 'B', 4, (h + 4 + a - 1) / a * a);
			put(&b, 'B', 8, (h + 8 + a - 1) / a * a);
			put(&b, 'J', 3, jvms[i].longs);
		}
		put(&b, 'Z', 5, jvms[i].bytes5);
		take(&b);
		assert_int_equal(class_table_rule(table)->header, jvms[i].header);
		assert_int_equal(class_table_rule(table)->reference, jvms[i].reference);
		assert_int_equal(class_table_rule(table)->alignment, jvms[i].alignment);
		assert_row("Order", 3, 3 * jvms[i].order);
		assert_row("java.lang.Object[]", 3, 3 * jvms[i].references);
		assert_row("long[]", 3, 3 * jvms[i].longs);
		assert_row("boolean[]", 1, jvms[i].bytes5);
	}
}

/* Space that the fields do not explain: padding that the JVM adds, unless a class lies in it, or
 * the objects are not in order. */
static void test_added(void **state)
{
	struct hprof_builder b;

	(void)state;
	begin(&b, 8);
	at = 0x100000;
	for (int k = 0; k < 3; k++)
		put(&b, 'O', 0, 280);
	take(&b);
	assert_row("Order", 3, 3 * 280);

	begin(&b, 8);
	at = 0x100000;
	for (int k = 0; k < 3; k++) {
		hb_class(&b, at + 24, 0x1000, "", "", "");
		put(&b, 'O', 0, 280);
	}
	take(&b);
	assert_row("Order", 3, 3 * 24);

	begin(&b, 8);
	at = 0x100000;
	for (int k = 0; k < 6; k++)
		put(&b, 'O', 0, k % 2 ? 280 : -(uint64_t)0x1000);
	take(&b);
	assert_row("Order", 6, 6 * 24);
}

static void test_order(void **state)
{
	struct hprof_builder b;

	(void)state;
	begin(&b, 8);
	at = 0x100000;
	put(&b, 'B', 1000, 1016);
	put(&b, 'O', 0, 24);
	hb_instance(&b, at, 0x7777, "J"); /* of a class that nobody knows */
	hb_instance(&b, at + 8, 0x1018, "");
	hb_class(&b, 0x1018, 0x1020, "", "", "");
	hb_class(&b, 0x1020, 0x1018, "", "", "");
	take(&b);
	assert_int_equal(n_rows, 3);
	assert_string_equal(rows[0].name, "byte[]");
	assert_string_equal(rows[1].name, "unknown");
	assert_int_equal(rows[1].instances, 2);
	assert_string_equal(rows[2].name, "Order");
	/* The same, but the class is there, without a name: shown by its address. */
	begin(&b, 8);
	hb_class(&b, 0x1018, 0x1020, "", "", "");
	hb_class(&b, 0x1020, 0x1018, "", "", "");
	hb_instance(&b, 0x100000, 0x1018, "");
	take(&b);
	assert_row("class@0x1018", 1, 16);
}

static int teardown(void **state)
{
	(void)state;
	class_table_free(table);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_idmap),
		cmocka_unit_test(test_idmap_hostile), cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_added),	      cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
