#include "remote/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/str.h"

int log_level;

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
	/* a progress line may stand here with the cursor in its first column (jdiag/progress.h) */
	fprintf(stderr, "jdiag: %s%s\n", line, isatty(STDERR_FILENO) ? "\033[K" : "");
}
