#include "jdiag/exporter/properties.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"
#include "remote/base/str.h"

/* One character; \uXXXX stays as it is. */
static char take(const char **s)
{
	static const char from[] = "tnrf", to[] = "\t\n\r\f";
	const char *p = *s;
	const char *which;

	*s += p[0] == '\\' && p[1] && p[1] != 'u' ? 2 : 1;
	if (*s - p == 1)
		return p[0];
	which = strchr(from, p[1]);
	return which && *which ? to[which - from] : p[1];
}

/* The next line with a property from *s, which moves behind its name (to its value). The name is
 * cut where it does not fit. */
static bool next(const char **s, char *name, size_t size)
{
	size_t n = 0;

	while (**s == '#' || **s == '\n' || **s == '\r') {
		*s += strcspn(*s, "\n");
		*s += **s == '\n';
	}
	if (!**s)
		return false;
	while (**s && !strchr("=\r\n", **s)) {
		char c = take(s);

		if (n < size - 1)
			name[n++] = c;
	}
	name[n] = '\0';
	*s += **s == '=';
	return true;
}

static void skip_value(const char **s)
{
	*s += strcspn(*s, "\n");
	*s += **s == '\n';
}

static char *take_value(const char *s)
{
	auto_buf struct buf value = BUF_INIT(strlen(s) + 1);

	while (*s && *s != '\n' && *s != '\r') {
		char c = take(&s);

		buf_add(&value, &c, 1);
	}
	return xstrdup(buf_str(&value));
}

char *java_property(const char *text, const char *name)
{
	char found[256];

	for (const char *s = text; next(&s, found, sizeof(found)); skip_value(&s))
		if (strcmp(found, name) == 0)
			return take_value(s);
	return NULL;
}

bool java_property_begins(const char *text, const char *prefix, char name[256])
{
	char found[256];

	for (const char *s = text; next(&s, found, sizeof(found)); skip_value(&s))
		if (str_starts(found, prefix)) {
			memcpy(name, found, sizeof(found));
			return true;
		}
	return false;
}
