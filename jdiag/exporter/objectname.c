#include "jdiag/exporter/objectname.h"

#include <stdbool.h>
#include <string.h>

struct name {
	const char *at, *end;
	struct {
		const char *text;
		size_t len;
	} keys[MAX_OBJECT_NAME_KEYS];
	unsigned int n;
	struct error *err;
};

static int fail(const struct name *n, const char *why)
{
	return error_set(n->err, ERR_USAGE, "%s", why);
}

static int key(struct name *n)
{
	const char *start = n->at;
	size_t len;

	while (n->at < n->end && *n->at != '=')
		if (strchr(",:*?", *n->at++))
			return fail(n, "a property without '=', or with one of ,:*? in its name");
	len = (size_t)(n->at - start);
	if (n->at == n->end || len == 0)
		return fail(n, "a property that is not NAME=VALUE");
	for (unsigned int i = 0; i < n->n; i++)
		if (n->keys[i].len == len && memcmp(n->keys[i].text, start, len) == 0)
			return fail(n, "a property that is there twice");
	if (n->n == MAX_OBJECT_NAME_KEYS)
		return fail(n, "too many properties");
	n->keys[n->n].text = start;
	n->keys[n->n++].len = len;
	n->at++;
	return 0;
}

/* From behind the opening quote to behind the closing one. */
static int quoted(struct name *n)
{
	while (n->at < n->end) {
		char c = *n->at++;

		if (c == '"')
			return 0;
		if (c == '\\' && (n->at == n->end || !strchr("\\\"?*n", *n->at++)))
			return fail(n, "a backslash before something else than one of \\\"?*n");
	}
	return fail(n, "a value without its closing quote");
}

static int value(struct name *n)
{
	const char *start = n->at;

	if (n->at < n->end && *n->at == '"') {
		n->at++;
		if (quoted(n) != 0)
			return -1;
		return n->at == n->end || *n->at == ','
			       ? 0
			       : fail(n, "something behind a quoted value");
	}
	for (; n->at < n->end && *n->at != ','; n->at++)
		if (strchr("=:\"", *n->at))
			return fail(n, "a value with one of =:\" in it: put it in quotes");
	return n->at > start ? 0 : fail(n, "a property without a value");
}

/* Behind the ':'. A '*' may stand for a property, once. */
static int properties(struct name *n)
{
	bool star = false;

	for (;;) {
		if (n->at < n->end && *n->at == '*' && (n->at + 1 == n->end || n->at[1] == ',')) {
			if (star)
				return fail(n, "two '*' in the place of properties");
			star = true;
			n->at++;
		} else if (key(n) != 0 || value(n) != 0) {
			return -1;
		}
		if (n->at == n->end)
			return 0;
		n->at++;
	}
}

int object_name_check(const char *text, size_t len, struct error *err)
{
	struct name n = {.at = text, .end = text + len, .err = err};

	if (len == 0 || len > MAX_OBJECT_NAME)
		return fail(&n, len ? "is too long" : "is empty");
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return fail(&n,
				    "a line break, a control character or one that is not ASCII");
	n.at = memchr(text, ':', len);
	if (!n.at)
		return fail(&n, "has no ':' behind its domain");
	if (memchr(text, '=', (size_t)(n.at - text)))
		return fail(&n, "has a '=' before its ':'");
	n.at++;
	return properties(&n);
}
