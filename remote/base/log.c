#include "remote/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/str.h"

int log_level;
bool log_as_json;

/* text is escaped already: what is left for JSON are quotes and backslashes. */
static void write_json(const char *text)
{
	char out[4096];
	size_t n = 0;

	for (; *text && n + 2 < sizeof(out); text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	fprintf(stderr, "{\"message_type\":\"log\",\"message\":\"%.*s\"}\n", (int)n, out);
}

void log_at(int level, const char *fmt, ...)
{
	char raw[1024], line[2048];
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	str_escape(line, sizeof(line), raw, strlen(raw), "");
	if (log_as_json) {
		write_json(line);
		return;
	}
	/* a progress line may stand here with the cursor in its first column (jdiag/progress.h) */
	fprintf(stderr, "jdiag: %s%s\n", line, isatty(STDERR_FILENO) ? "\033[K" : "");
}
