#include "jdiag/gcs/fields.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/json.h"
#include "remote/base/io.h"

int field_bad(const struct fields *f, const char *name, struct error *err, const char *why_fmt, ...)
{
	auto_free char *why = NULL;
	va_list ap;

	va_start(ap, why_fmt);
	if (vasprintf(&why, why_fmt, ap) < 0)
		die_oom();
	va_end(ap);
	return error_set(err, ERR_USAGE, "credential file '%s': field '%s' %s", f->path, name, why);
}

static bool is_text(const json_t *value, bool lines)
{
	const char *s = json_string_value(value);

	if (!s || !*s)
		return false;
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && !(lines && strchr("\t\r\n", *s))) || *s == 0x7f)
			return false;
	return true;
}

static const char *text(const struct fields *f, const char *name, bool lines, struct error *err)
{
	const json_t *value = json_at(f->root, name);

	if (is_text(value, lines))
		return json_string_value(value);
	field_bad(f, name, err, "is missing or not a string");
	error_hint(err, "it is not a complete credential file: download or create it anew");
	return NULL;
}

const char *field_text(const struct fields *f, const char *name, struct error *err)
{
	return text(f, name, false, err);
}

const char *field_lines(const struct fields *f, const char *name, struct error *err)
{
	return text(f, name, true, err);
}

static int maybe(const struct fields *f, const char *name, bool lines, const char **ret,
		 struct error *err)
{
	const json_t *value = json_at(f->root, name);
	bool none = !value || json_is_null(value) ||
		    (json_is_string(value) && !json_string_length(value));

	if (!none && !is_text(value, lines))
		return field_bad(f, name, err, "is not a string");
	*ret = none ? NULL : json_string_value(value);
	return 0;
}

int field_maybe(const struct fields *f, const char *name, const char **ret, struct error *err)
{
	return maybe(f, name, false, ret, err);
}

int field_maybe_lines(const struct fields *f, const char *name, const char **ret, struct error *err)
{
	return maybe(f, name, true, ret, err);
}

int field_number(const struct fields *f, const char *name, uint64_t least, uint64_t most,
		 uint64_t otherwise, uint64_t *ret, struct error *err)
{
	const json_t *value = json_at(f->root, name);

	if (!value || json_is_null(value)) {
		*ret = otherwise;
		return 0;
	}
	if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)least ||
	    json_integer_value(value) > (json_int_t)most)
		return field_bad(f, name, err, "is not a number from %llu to %llu",
				 (unsigned long long)least, (unsigned long long)most);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int read_secret_file(const char *path, struct buf *out)
{
	char real[PATH_MAX];

	if (!realpath(path, real))
		return -errno;
	if (!buf_reserve(out, out->max))
		die_oom();
	buf_reset(out);
	return io_read_file(AT_FDCWD, real, out);
}
