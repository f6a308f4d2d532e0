/*
 * Results, on stdout: text, one name a line, or one JSON object a line. Nothing else ever writes
 * there (but `--to -`, which is the result). Bytes from outside are escaped here. On a CI runner a
 * line that could be taken for a workflow command ("::set-env", "##vso[") is made harmless too.
 */
#ifndef JDIAG_OUTPUT_H
#define JDIAG_OUTPUT_H

#include <stddef.h>

#include "jdiag/options.h"

struct json_t;

/* One line of text, escaped. */
void output_line(const char *text);

/* One JSON object as a line: {"apiVersion":"jdiag/v1","kind":KIND, ...members of object}. All
 * ASCII: everything else is written as \uXXXX. */
void output_json(const char *kind, const struct json_t *object);

/* A table: titles first, columns aligned by their widest cell, two blanks between. Cells are
 * escaped, blanks in them become "_"; an empty cell (or NULL) is "-". */
struct table;
struct table *table_new(const char *const *titles) must_check; /* NULL-terminated */
void table_row(struct table *t, const char *const *cells);     /* as many as titles */
void table_print(const struct table *t);		       /* nothing when it has no rows */
void table_free(struct table *t);			       /* NULL is fine */

/* Flush and close stdout: once, at the end. ERR_FAILED when the result could not be written (disk
 * full, closed pipe). */
int output_finish(struct error *err) must_check;

/* "jdiag: message" and the indented hint, on stderr. */
void output_error(const struct error *err);

/* The same of several targets that have it in common: text is the message, and in further lines the
 * hint. */
void output_error_of(const char *labels, const char *text);

/* Does a CI runner read what is printed? (CI, GITHUB_ACTIONS, TF_BUILD; "false" is no.) */
bool output_on_ci(void);

/* text escaped as above, for those who write lines of talk to stderr; free with free(). */
char *output_escape(const char *text) must_check;

#endif
