/*
 * The classes of a heap dump: how many instances, how many bytes. Fed by the parser (its visitor),
 * so memory goes by the names and classes of the dump, not by its objects. Shallow sizes:
 * shallow.h.
 *
 * What is counted are the objects that the dump has. Objects of java.lang.Class are there as
 * classes; their count is that of the classes, and their size leaves out what the JVM adds to them.
 */
#ifndef JDIAG_CLASSES_H
#define JDIAG_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "jdiag/shallow.h"
#include "remote/base/error.h"
#include "remote/hprof/parser.h"

struct class_row {
	const char *name; /* as Java writes it: "java.lang.String", "int[]"; borrowed */
	uint64_t instances, bytes;
	uint64_t size; /* of each instance; 0: an array */
};

struct class_table;

struct class_table *class_table_new(void) must_check;
void class_table_free(struct class_table *t);

/* For the parser's options; good as long as the table is. */
const struct hprof_visitor *class_table_visitor(struct class_table *t);

/* Behind the last byte: the classes that have instances, most bytes first, then by name. Rows are
 * the table's. ERR_CAPTURE when there was more than MAX_HPROF_CLASSES. */
int class_table_finish(struct class_table *t, unsigned int id_size, const struct class_row **ret,
		       size_t *ret_n, struct error *err) must_check;

/* By which sizes were computed, after class_table_finish. */
const struct shallow_rule *class_table_rule(const struct class_table *t);

/* "[Ljava/lang/Object;" is "java.lang.Object[]"; free with free(). Bytes that are not text stay:
 * output escapes them. */
char *class_java_name(const char *name, size_t len) must_check;

#endif
