#include "jdiag/output.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "remote/base/str.h"

bool output_on_ci(void)
{
	static const char *const variables[] = {"GITHUB_ACTIONS", "TF_BUILD", "CI"};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *v = getenv(variables[i]);

		if (v && *v && strcmp(v, "false") != 0)
			return true;
	}
	return false;
}

/* What a runner reads as a command: "::name" where a line begins (blanks before it do not count)
 * and "##[" or "##vso[" anywhere. GitHub runner ActionCommand.cs, Azure agent Command.cs. */
static bool is_command(const char *line, const char *at)
{
	if (at[0] == ':' && at[1] == ':')
		return strspn(line, " \t") == (size_t)(at - line);
	return strncmp(at, "##[", 3) == 0 || strncmp(at, "##vso[", 6) == 0;
}

/* A copy of line with the first byte of each such command replaced by prefix and its hexadecimal
 * value. */
static char *neutralise(const char *line, const char *prefix)
{
	size_t size = strlen(line) * (strlen(prefix) + 2) + 1, n = 0;
	char *out;

	if (!output_on_ci())
		return xstrdup(line);
	out = xmalloc(size);
	for (const char *p = line; *p; p++) {
		if (is_command(line, p))
			n += (size_t)snprintf(out + n, size - n, "%s%02x", prefix, *p);
		else
			out[n++] = *p;
	}
	out[n] = '\0';
	return out;
}

char *output_escape(const char *text)
{
	auto_free char *escaped = str_escape_dup(text, strlen(text), "");

	return neutralise(escaped, "\\x");
}

void output_line(const char *text)
{
	auto_free char *line = output_escape(text);

	puts(line);
}

/* jansson leaves DEL as it is. */
static char *without_del(const char *line)
{
	size_t size = strlen(line) * 6 + 1, n = 0;
	char *out = xmalloc(size);

	for (const char *p = line; *p; p++) {
		if (*p == 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\u007f");
		else
			out[n++] = *p;
	}
	out[n] = '\0';
	return out;
}

void output_json(const char *kind, const json_t *object)
{
	auto_json json_t *all = json_pack("{s:s, s:s}", "apiVersion", "jdiag/v1", "kind", kind);
	auto_free char *text = NULL, *plain = NULL, *line = NULL;

	if (!all || json_object_update(all, (json_t *)object) < 0)
		die_oom();
	text = json_dumps(all, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (!text)
		die_oom();
	plain = without_del(text);
	/* two hashes in a row stand inside a string only, where \u0023 is one of them */
	line = neutralise(plain, "\\u00");
	puts(line);
}

int output_finish(struct error *err)
{
	bool failed = fflush(stdout) != 0 || ferror(stdout);
	int errnum = errno;

	/* some file systems report a full disk only now */
	if (fclose(stdout) != 0 && !failed) {
		failed = true;
		errnum = errno;
	}
	return failed ? error_sys(err, ERR_FAILED, errnum, "cannot write the result") : 0;
}

static void print_hint(const char *text)
{
	auto_free char *hint = xstrdup(text);
	char *rest = hint, *line;

	while ((line = strsep(&rest, "\n"))) {
		auto_free char *escaped = output_escape(line);

		if (*escaped)
			fprintf(stderr, "  %s\n", escaped);
	}
}

void output_error(const struct error *err)
{
	auto_free char *message = output_escape(err->msg);

	fprintf(stderr, "jdiag: %s\n", message);
	print_hint(err->hint);
}

void output_error_of(const char *labels, const char *text)
{
	size_t len = strcspn(text, "\n");
	auto_free char *all = xasprintf("%s: %.*s", labels, (int)len, text);
	auto_free char *message = output_escape(all);

	fprintf(stderr, "jdiag: %s\n", message);
	print_hint(text + len);
}
