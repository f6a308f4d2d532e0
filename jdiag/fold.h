/* What several targets have said alike is told once: "web-1,web-2: text". In the order in which the
 * texts came. */
#ifndef JDIAG_FOLD_H
#define JDIAG_FOLD_H

#include "remote/base/compiler.h"

struct fold;

struct fold *fold_new(void) must_check;
void fold_add(struct fold *f, const char *label, const char *text);

/* fn for each different text, with the labels of all that had it, separated by commas. */
void fold_each(const struct fold *f, void (*fn)(void *ctx, const char *labels, const char *text),
	       void *ctx);
void fold_free(struct fold *f); /* NULL is fine */

#endif
