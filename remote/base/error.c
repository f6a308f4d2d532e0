#include "remote/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/str.h"

static const struct {
	enum err_code code;
	const char *name;
} names[] = {
	{ERR_NONE, "none"},	{ERR_FAILED, "failed"},	  {ERR_USAGE, "usage"},
	{ERR_TARGET, "target"}, {ERR_API, "api"},	  {ERR_SSH, "ssh"},
	{ERR_NODE, "node"},	{ERR_ATTACH, "attach"},	  {ERR_CAPTURE, "capture"},
	{ERR_UPLOAD, "upload"}, {ERR_REFUSED, "refused"}, {ERR_INTERRUPTED, "interrupted"},
};

const char *err_code_name(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			return names[i].name;
	return "failed";
}

enum err_code err_code_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].code;
	return ERR_FAILED;
}

static int fill(struct error *err, enum err_code code, int errnum, const char *fmt, va_list ap)
{
	char raw[sizeof(err->msg)];
	int n;

	if (!err)
		return -1;
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	if (n < 0)
		raw[0] = '\0';
	if (errnum && n >= 0 && (size_t)n < sizeof(raw))
		snprintf(raw + n, sizeof(raw) - (size_t)n, ": %s", strerror(errnum));
	err->code = code;
	err->sys = errnum;
	err->hint[0] = '\0';
	str_escape(err->msg, sizeof(err->msg), raw, strlen(raw), "");
	return -1;
}

int error_set(struct error *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int error_sys(struct error *err, enum err_code code, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, errnum, fmt, ap);
	va_end(ap);
	return -1;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	char raw[sizeof(err->msg)];
	va_list ap;
	int n;

	if (!err || err->code == ERR_INTERRUPTED)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(raw))
		snprintf(raw + n, sizeof(raw) - (size_t)n, ": %s", err->msg);
	str_escape(err->msg, sizeof(err->msg), raw, strlen(raw), "");
	return -1;
}

int error_hint(struct error *err, const char *fmt, ...)
{
	char raw[sizeof(err->hint)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	str_escape(err->hint, sizeof(err->hint), raw, strlen(raw), "\n");
	return -1;
}

void die_oom(void)
{
	static const char text[] = "jdiag: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(ERR_FAILED);
	_exit(ERR_FAILED);
}

void *xmalloc(unsigned long size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		die_oom();
	return p;
}

void *xcalloc(unsigned long n, unsigned long size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die_oom();
	return p;
}

void *xrealloc(void *old, unsigned long size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		die_oom();
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, unsigned long n)
{
	size_t len = strnlen(s, n);
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) < 0)
		die_oom();
	va_end(ap);
	return p;
}

void free_cleanup(void *pp)
{
	free(*(void **)pp);
}
