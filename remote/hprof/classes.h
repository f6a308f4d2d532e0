/*
 * The table behind struct hprof_classes (parser.h): for each class which bytes of an instance's
 * fields are contents, as a merged list of ranges. Known are the own fields (from CLASS_DUMP); the
 * whole list, own fields first, then the super class's and so on as INSTANCE_DUMP has them, is made
 * when it is first needed, since a super class may be dumped behind its sub class.
 *
 * Lists are kept in one array of numbers, and never move within it: n, then n times (start,
 * length).
 */
#ifndef REMOTE_HPROF_CLASSES_H
#define REMOTE_HPROF_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/compiler.h"
#include "remote/base/error.h"
#include "remote/hprof/parser.h"

struct class_layout {
	uint64_t id, super_id;
	uint32_t own, own_size;	  /* list of the own fields, bytes of them */
	uint32_t full, full_size; /* the same with all super classes; 0: not made yet */
};

struct class_range {
	uint32_t start, len;
};

/* One class while its CLASS_DUMP streams by: begin, its fields, end. Between the two the table is
 * not consistent; nobody else may look. ERR_CAPTURE when a maximum is passed or when the class was
 * there before with other fields. */
int classes_begin(struct hprof_classes *c, uint64_t id, uint64_t super_id,
		  struct error *err) must_check;
int classes_field(struct hprof_classes *c, unsigned int size, bool contents,
		  struct error *err) must_check;
int classes_end(struct hprof_classes *c, struct error *err) must_check;

/* Make the lists of all classes whose super classes are known, then say that it is complete: from
 * now on others may read. Nothing when it is already. */
void classes_complete(struct hprof_classes *c);

/* The class with its full list, or NULL when it or a super class is not known. learning: the caller
 * is the writer, lists may be made. The pointer is good until the next class. */
const struct class_layout *classes_find(struct hprof_classes *c, uint64_t id, bool learning);

/* The ranges of a full list. */
const struct class_range *classes_ranges(const struct hprof_classes *c, uint32_t list,
					 uint32_t *ret_n);

#endif
