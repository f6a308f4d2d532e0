/* prom-check: the verdict of jdiag/prometheus on pages, for tests. A line for each FILE: "ok
 * FAMILIES SAMPLES" or the error. Those that end with .om are OpenMetrics. */
#include <fcntl.h>
#include <stdio.h>

#include "jdiag/prometheus/text.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		auto_buf struct buf page = BUF_INIT(64 * MiB);
		struct prom_summary s = {0};
		struct error err = {0};

		if (io_read_file(AT_FDCWD, argv[i], &page) < 0)
			return 2;
		if (prom_parse(buf_str(&page), page.len,
			       str_ends(argv[i], ".om") ? "application/openmetrics-text"
							: "text/plain",
			       &s, &err) < 0)
			puts(err.msg);
		else
			printf("ok %llu %llu\n", (unsigned long long)s.families,
			       (unsigned long long)s.samples);
	}
	return 0;
}
