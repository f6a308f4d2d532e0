/* A mark with what is only the marks' own business: which of Prometheus's keys it has set. */
#ifndef JDIAG_EXPORTER_MARK_RECORD_H
#define JDIAG_EXPORTER_MARK_RECORD_H

#include <stddef.h>

#include "jdiag/exporter/mark.h"

#define MAX_MARK 8192 /* bytes of one annotation; ours have about 600 */

enum { MARK_SCRAPE, MARK_PORT, MARK_PATH, MARK_KEYS };

extern const char *const mark_keys[MARK_KEYS];

struct mark_record {
	struct mark mark;
	bool set[MARK_KEYS];
};

/* The text of an annotation of that name: 0, or -1 with what is wrong with it. */
int mark_parse(const char *text, size_t len, const char *name, struct mark_record *ret,
	       char ret_why[128]) must_check;

/* The inverse. Free with free(). */
char *mark_text(const struct mark_record *r) must_check;

/* The record of that name of this pod: 1, 0, as mark_read. */
int mark_record_read(const struct json_t *pod, const char *name, struct mark_record *ret,
		     char ret_why[128]) must_check;

#endif
