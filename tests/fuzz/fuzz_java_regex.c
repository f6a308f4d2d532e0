/* Regular expressions, references and object names (jdiag/exporter/regex.h, objectname.h): no
 * crash; what is taken is taken in a group, too, with the same groups; and PCRE2, where it speaks
 * the same language, takes it as well. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/objectname.h"
#include "jdiag/exporter/regex.h"
#include "remote/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(const char *text, size_t len, const char *what)
{
	return memmem(text, len, what, strlen(what)) != NULL;
}

/* Other flags, other names of properties, look-behinds of one length each, repetition by copying,
 * POSIX classes that end outside of a class. */
static bool same_language(const char *text, size_t len)
{
	return !has(text, len, "\\p") && !has(text, len, "\\P") && !has(text, len, "\\u") &&
	       !has(text, len, "(?") && !has(text, len, "{") && !has(text, len, "[.") &&
	       !has(text, len, "[=") && !has(text, len, "[:") && len < 1000;
}

static void second_opinion(const char *text, size_t len)
{
	PCRE2_SIZE at;
	pcre2_code *code;
	int error;

	if (!same_language(text, len))
		return;
	code = pcre2_compile((PCRE2_SPTR)text, len, 0, &error, &at, NULL);
	if (!code)
		abort();
	pcre2_code_free(code);
}

static void taken(const char *text, size_t len, const struct java_regex *r)
{
	auto_buf struct buf b = BUF_INIT(MAX_JAVA_REGEX + 64);
	struct java_regex again = {0};
	struct error err = {0};

	second_opinion(text, len);
	buf_adds(&b, "(?:");
	buf_add(&b, text, len);
	buf_adds(&b, ")*");
	if (java_regex_check(b.data, b.len, &again, &err) != 0 && !strstr(err.msg, "longer than") &&
	    !strstr(err.msg, "too deep"))
		abort();
	if (!err.code && (again.groups != r->groups || again.n_names != r->n_names))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *split = memchr(text, '\n', size);
	size_t len = split ? (size_t)(split - text) : size;
	struct java_regex r = {0};
	struct error err = {0};

	if (java_regex_check(text, len, &r, &err) == 0)
		taken(text, len, &r);
	else if (err.code != ERR_USAGE || !err.msg[0])
		abort();
	if (split && java_replacement_check(split, size - len, &r, &err) != 0 && !err.msg[0])
		abort();
	if (object_name_check(text, len, &err) == 0 && !memchr(text, ':', len))
		abort();
	return 0;
}
