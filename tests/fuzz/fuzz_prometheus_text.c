/* jdiag: what a server in a pod says is for Prometheus. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/prometheus/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"text/plain", "application/openmetrics-text"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct prom_summary s = {0};
		struct error err = {0};

		if (prom_parse((const char *)data, size, types[i], &s, &err) < 0) {
			if (err.code != ERR_FAILED || strncmp(err.msg, "line ", 5) != 0)
				abort();
		} else if (s.families > size || s.jmx > s.samples || s.jvm > s.samples ||
			   (s.samples && !s.families) ||
			   strlen(s.exporter_version) >= sizeof(s.exporter_version)) {
			abort();
		}
	}
	return 0;
}
