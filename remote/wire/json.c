#include "remote/wire/json.h"

#include <stdio.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/base/str.h"

struct cursor {
	const char *p, *end;
};

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && strchr(" \t\r\n", *c->p) && *c->p)
		c->p++;
}

static bool take(struct cursor *c, char ch)
{
	if (c->p < c->end && *c->p == ch) {
		c->p++;
		return true;
	}
	return false;
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

static bool take_hex4(struct cursor *c, uint32_t *ret)
{
	uint32_t v = 0;

	if (c->end - c->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *d;
		char ch = c->p[i];

		if (ch >= 'A' && ch <= 'F')
			ch = (char)(ch - 'A' + 'a');
		d = ch ? strchr(digits, ch) : NULL;
		if (!d)
			return false;
		v = v << 4 | (uint32_t)(d - digits);
	}
	c->p += 4;
	*ret = v;
	return true;
}

static void add_utf8(struct buf *b, uint32_t cp)
{
	char s[4];
	size_t n;

	if (cp < 0x80) {
		s[0] = (char)cp;
		n = 1;
	} else if (cp < 0x800) {
		s[0] = (char)(0xc0 | cp >> 6);
		s[1] = (char)(0x80 | (cp & 0x3f));
		n = 2;
	} else if (cp < 0x10000) {
		s[0] = (char)(0xe0 | cp >> 12);
		s[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		s[2] = (char)(0x80 | (cp & 0x3f));
		n = 3;
	} else {
		s[0] = (char)(0xf0 | cp >> 18);
		s[1] = (char)(0x80 | (cp >> 12 & 0x3f));
		s[2] = (char)(0x80 | (cp >> 6 & 0x3f));
		s[3] = (char)(0x80 | (cp & 0x3f));
		n = 4;
	}
	buf_add(b, s, n);
}

/* The escape behind a backslash, into out. */
static bool take_escape(struct cursor *c, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *f;
	uint32_t cp, low;

	if (c->p == c->end)
		return false;
	if (take(c, 'u')) {
		if (!take_hex4(c, &cp) || (cp >= 0xdc00 && cp <= 0xdfff))
			return false;
		if (cp >= 0xd800 && cp <= 0xdbff) {
			if (!take_word(c, "\\u") || !take_hex4(c, &low) || low < 0xdc00 ||
			    low > 0xdfff)
				return false;
			cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
		}
		add_utf8(out, cp);
		return true;
	}
	f = *c->p ? strchr(from, *c->p) : NULL;
	if (!f)
		return false;
	buf_add(out, &to[f - from], 1);
	c->p++;
	return true;
}

/* A string with its quotes; the unescaped bytes go into out (whose maximum bounds them). */
static bool take_string(struct cursor *c, struct buf *out)
{
	if (!take(c, '"'))
		return false;
	while (c->p < c->end) {
		char ch = *c->p++;

		if (ch == '"')
			return true;
		if ((unsigned char)ch < 0x20)
			return false;
		if (ch != '\\')
			buf_add(out, &ch, 1);
		else if (!take_escape(c, out))
			return false;
	}
	return false;
}

static bool skip_string(struct cursor *c)
{
	auto_buf struct buf none = BUF_INIT(0);

	return take_string(c, &none);
}

static size_t skip_digits(struct cursor *c)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return (size_t)(c->p - start);
}

static bool skip_number(struct cursor *c)
{
	bool zero;

	take(c, '-');
	zero = c->p < c->end && *c->p == '0';
	if (zero ? !take(c, '0') : skip_digits(c) == 0)
		return false;
	if (take(c, '.') && skip_digits(c) == 0)
		return false;
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+'))
			take(c, '-');
		return skip_digits(c) > 0;
	}
	return true;
}

static bool skip_value(struct cursor *c, int depth);

/* The inside of an object or array, behind its opening bracket. */
static bool skip_members(struct cursor *c, char closing, int depth)
{
	skip_space(c);
	if (take(c, closing))
		return true;
	do {
		skip_space(c);
		if (closing == '}') {
			if (!skip_string(c))
				return false;
			skip_space(c);
			if (!take(c, ':'))
				return false;
		}
		if (!skip_value(c, depth))
			return false;
		skip_space(c);
	} while (take(c, ','));
	return take(c, closing);
}

static bool skip_value(struct cursor *c, int depth)
{
	skip_space(c);
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '{':
	case '[':
		if (depth >= MAX_JSON_DEPTH)
			return false;
		c->p++;
		return skip_members(c, c->p[-1] == '{' ? '}' : ']', depth + 1);
	case '"':
		return skip_string(c);
	case 't':
		return take_word(c, "true");
	case 'f':
		return take_word(c, "false");
	case 'n':
		return take_word(c, "null");
	default:
		return skip_number(c);
	}
}

int jsonr_parse(struct jsonr *doc, const char *text, size_t len, struct error *err)
{
	struct cursor c = {text, text + len};

	skip_space(&c);
	if (c.p == c.end || *c.p != '{' || !skip_value(&c, 0))
		return error_set(err, ERR_FAILED, "not a JSON object (at byte %zu)",
				 (size_t)(c.p - text));
	skip_space(&c);
	if (c.p != c.end)
		return error_set(err, ERR_FAILED, "text behind the JSON object (at byte %zu)",
				 (size_t)(c.p - text));
	*doc = (struct jsonr){text, len};
	return 0;
}

/* The value of a member, as a cursor at its first byte. The document has been checked. */
static bool find(const struct jsonr *doc, const char *name, struct cursor *ret)
{
	struct cursor c = {doc->text, doc->text + doc->len};

	skip_space(&c);
	take(&c, '{');
	do {
		auto_buf struct buf key = BUF_INIT(256);

		skip_space(&c);
		if (!take_string(&c, &key))
			return false; /* the empty object */
		skip_space(&c);
		take(&c, ':');
		skip_space(&c);
		if (!key.overflow && key.len == strlen(name) && strcmp(buf_str(&key), name) == 0) {
			*ret = c;
			return true;
		}
		if (!skip_value(&c, 1))
			return false;
		skip_space(&c);
	} while (take(&c, ','));
	return false;
}

bool jsonr_has(const struct jsonr *doc, const char *name)
{
	struct cursor c;

	return find(doc, name, &c);
}

/* A string at the cursor into dst. */
static int get_string_at(struct cursor *c, const char *name, char *dst, size_t size,
			 struct error *err)
{
	auto_buf struct buf s = BUF_INIT(size - 1);

	if (!take_string(c, &s))
		return error_set(err, ERR_FAILED, "'%s' is not a string", name);
	if (s.overflow || memchr(buf_str(&s), '\0', s.len))
		return error_set(err, ERR_FAILED, "'%s' is too long or holds a NUL", name);
	memcpy(dst, buf_str(&s), s.len + 1);
	return 0;
}

int jsonr_string(const struct jsonr *doc, const char *name, char *dst, size_t size,
		 struct error *err)
{
	struct cursor c;

	return find(doc, name, &c) ? get_string_at(&c, name, dst, size, err) : 0;
}

int jsonr_u64(const struct jsonr *doc, const char *name, uint64_t *ret, struct error *err)
{
	struct cursor c, start;
	char digits[24];
	size_t n;

	if (!find(doc, name, &c))
		return 0;
	start = c;
	if (!skip_number(&c))
		return error_set(err, ERR_FAILED, "'%s' is not a number", name);
	n = (size_t)(c.p - start.p);
	if (n < sizeof(digits)) {
		memcpy(digits, start.p, n);
		digits[n] = '\0';
		if (str_to_u64(digits, UINT64_MAX, ret))
			return 0;
	}
	return error_set(err, ERR_FAILED, "'%s' is not a non-negative integer of 64 bits", name);
}

int jsonr_bool(const struct jsonr *doc, const char *name, bool *ret, struct error *err)
{
	struct cursor c;

	if (!find(doc, name, &c))
		return 0;
	if (take_word(&c, "true"))
		*ret = true;
	else if (take_word(&c, "false"))
		*ret = false;
	else
		return error_set(err, ERR_FAILED, "'%s' is not a boolean", name);
	return 0;
}

int jsonr_each_text(const struct jsonr *doc, const char *name, char *s, size_t size,
		    int (*fn)(void *ctx, const char *s, struct error *err), void *ctx,
		    struct error *err)
{
	struct cursor c;
	int rc;

	if (!find(doc, name, &c))
		return 0;
	if (!take(&c, '['))
		return error_set(err, ERR_FAILED, "'%s' is not an array", name);
	skip_space(&c);
	if (take(&c, ']'))
		return 0;
	do {
		skip_space(&c);
		if (get_string_at(&c, name, s, size, err) < 0)
			return -1;
		rc = fn(ctx, s, err);
		if (rc)
			return rc;
		skip_space(&c);
	} while (take(&c, ','));
	return 0;
}

int jsonr_each_string(const struct jsonr *doc, const char *name,
		      int (*fn)(void *ctx, const char *s, struct error *err), void *ctx,
		      struct error *err)
{
	char s[1024];

	return jsonr_each_text(doc, name, s, sizeof(s), fn, ctx, err);
}

/* The object at the cursor, which moves behind it. */
static int get_object_at(struct cursor *c, const char *name, struct jsonr *ret, struct error *err)
{
	const char *start = c->p;

	if (c->p == c->end || *c->p != '{' || !skip_value(c, 1))
		return error_set(err, ERR_FAILED, "'%s' is not an object", name);
	*ret = (struct jsonr){start, (size_t)(c->p - start)};
	return 0;
}

int jsonr_object(const struct jsonr *doc, const char *name, struct jsonr *ret, struct error *err)
{
	struct cursor c;

	if (find(doc, name, &c))
		return get_object_at(&c, name, ret, err);
	*ret = (struct jsonr){"{}", 2};
	return 0;
}

int jsonr_each_object(const struct jsonr *doc, const char *name,
		      int (*fn)(void *ctx, const struct jsonr *object, struct error *err),
		      void *ctx, struct error *err)
{
	struct jsonr object;
	struct cursor c;
	int rc;

	if (!find(doc, name, &c))
		return 0;
	if (!take(&c, '['))
		return error_set(err, ERR_FAILED, "'%s' is not an array", name);
	skip_space(&c);
	if (take(&c, ']'))
		return 0;
	do {
		skip_space(&c);
		if (get_object_at(&c, name, &object, err) < 0)
			return -1;
		rc = fn(ctx, &object, err);
		if (rc)
			return rc;
		skip_space(&c);
	} while (take(&c, ','));
	return 0;
}

static void write_string(struct buf *b, const char *s)
{
	size_t len = strlen(s);

	buf_adds(b, "\"");
	for (size_t i = 0; i < len;) {
		unsigned char ch = (unsigned char)s[i];
		size_t seq;

		if (ch == '"' || ch == '\\') {
			buf_addf(b, "\\%c", ch);
		} else if (ch < 0x20 || ch == 0x7f) {
			buf_addf(b, "\\u%04x", ch);
		} else if (ch < 0x80) {
			buf_add(b, s + i, 1);
		} else if ((seq = str_utf8_sequence(s + i, len - i)) > 0) {
			buf_add(b, s + i, seq);
			i += seq;
			continue;
		} else {
			buf_adds(b, "\xef\xbf\xbd");
		}
		i++;
	}
	buf_adds(b, "\"");
}

static void begin_value(struct jsonw *w, const char *name)
{
	if (w->comma)
		buf_adds(w->b, ",");
	w->comma = true;
	if (name) {
		write_string(w->b, name);
		buf_adds(w->b, ":");
	}
}

void jsonw_open(struct jsonw *w, const char *name, char bracket)
{
	begin_value(w, name);
	buf_add(w->b, &bracket, 1);
	w->comma = false;
}

void jsonw_close(struct jsonw *w, char bracket)
{
	buf_add(w->b, &bracket, 1);
	w->comma = true;
}

void jsonw_string(struct jsonw *w, const char *name, const char *value)
{
	begin_value(w, name);
	write_string(w->b, value);
}

void jsonw_u64(struct jsonw *w, const char *name, uint64_t value)
{
	begin_value(w, name);
	buf_addf(w->b, "%llu", (unsigned long long)value);
}

void jsonw_i64(struct jsonw *w, const char *name, int64_t value)
{
	begin_value(w, name);
	buf_addf(w->b, "%lld", (long long)value);
}

void jsonw_bool(struct jsonw *w, const char *name, bool value)
{
	begin_value(w, name);
	buf_adds(w->b, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *name)
{
	begin_value(w, name);
	buf_adds(w->b, "null");
}
