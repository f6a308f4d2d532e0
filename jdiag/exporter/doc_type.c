#include "jdiag/exporter/doc_type.h"

#include <string.h>

#include "remote/base/str.h"

static bool one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool is_null(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	return one_of(text, words, ARRAY_SIZE(words));
}

static bool is_bool(const char *text)
{
	static const char *const words[] = {
		"yes", "Yes", "YES", "no",    "No",    "NO",	"true", "True", "TRUE",
		"on",  "On",  "ON",  "false", "False", "FALSE", "off",	"Off",	"OFF",
	};

	return one_of(text, words, ARRAY_SIZE(words));
}

/* What is an Integer in every version: no octal, no underscores, no base 60. */
static bool is_int(const char *text, size_t len)
{
	if (*text == '-') {
		text++;
		len--;
	}
	return len >= 1 && len <= 9 && str_only(text, "0123456789") && (*text != '0' || len == 1);
}

enum doc_type doc_plain_type(const char *text, size_t len)
{
	if (is_null(text))
		return DOC_NULL;
	if (is_bool(text))
		return DOC_BOOL;
	if (is_int(text, len))
		return DOC_INT;
	if (strcmp(text, "=") == 0 || strcmp(text, "<<") == 0)
		return DOC_UNQUOTED;
	/* Numbers of every base, dates and times consist of these only, and begin with these. */
	if (strchr("0123456789+-.", *text) &&
	    str_only(text, "0123456789+-._: abcdefABCDEFxXtTZziInN"))
		return DOC_UNQUOTED;
	return DOC_STRING;
}
