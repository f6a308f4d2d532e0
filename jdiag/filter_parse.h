/* The tree of a filter expression, for filter_parse.c and filter.c. */
#ifndef JDIAG_FILTER_PARSE_H
#define JDIAG_FILTER_PARSE_H

#include <regex.h>
#include <stdbool.h>

#include "jdiag/filter.h"

enum filter_op {
	FILTER_AND,
	FILTER_OR,
	FILTER_NOT,
	/* with field and value */
	FILTER_EQUAL,
	FILTER_NOT_EQUAL,
	FILTER_HAS,
	FILTER_LESS,
	FILTER_LESS_EQUAL,
	FILTER_GREATER,
	FILTER_GREATER_EQUAL,
	FILTER_REGEX,
	FILTER_NOT_REGEX,
};

struct filter {
	enum filter_op op;
	struct filter *left, *right; /* owned; right NULL for NOT */
	char *field, *value;	     /* owned */
	regex_t regex;
	bool has_regex;
};

#endif
