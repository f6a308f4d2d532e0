#include "jdiag/agent/manifest.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct lines {
	const char *at, *end;
};

/* The next line without its end (LF, CRLF or CR); false: no more, or the empty line that ends the
 * main section. */
static bool next_line(struct lines *l, const char **line, size_t *len)
{
	*line = l->at;
	while (l->at < l->end && *l->at != '\n' && *l->at != '\r')
		l->at++;
	*len = (size_t)(l->at - *line);
	if (l->at < l->end)
		l->at += *l->at == '\r' && l->at + 1 < l->end && l->at[1] == '\n' ? 2 : 1;
	return *len > 0;
}

static void take_continuations(struct lines *l, struct buf *ret)
{
	const char *line;
	size_t len;

	while (l->at < l->end && *l->at == ' ' && next_line(l, &line, &len))
		if (ret)
			buf_add(ret, line + 1, len - 1);
}

static int value(struct lines *l, const char *text, size_t len, struct buf *ret, struct error *err)
{
	if (ret->len)
		return error_set(err, ERR_USAGE,
				 "broken manifest: an attribute that is there twice");
	buf_add(ret, text, len);
	take_continuations(l, ret);
	return ret->overflow
		       ? error_set(err, ERR_USAGE, "broken manifest: a value that is too long")
		       : 0;
}

int jar_manifest_get(const char *text, size_t len, const char *name, struct buf *ret,
		     struct error *err)
{
	struct lines l = {text, text + len};
	size_t n, name_len = strlen(name);
	const char *line;

	if (memchr(text, 0, len))
		return error_set(err, ERR_USAGE, "broken manifest: a NUL character");
	while (next_line(&l, &line, &n)) {
		const char *colon = memmem(line, n, ": ", 2);

		if (!colon || colon == line)
			return error_set(err, ERR_USAGE,
					 "broken manifest: a line that is not NAME: VALUE");
		if ((size_t)(colon - line) != name_len || strncasecmp(line, name, name_len) != 0)
			take_continuations(&l, NULL);
		else if (value(&l, colon + 2, n - name_len - 2, ret, err) != 0)
			return -1;
	}
	return ret->len > 0;
}
