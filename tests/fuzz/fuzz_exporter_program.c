/* System properties, options and class lists: what a JVM answers, all of it its own word. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/find.h"
#include "jdiag/exporter/metaspace.h"
#include "jdiag/exporter/program.h"
#include "jdiag/exporter/properties.h"
#include "remote/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_free char *value = java_property(text, "java.class.path");
	char name[256];
	struct metaspace m = {0};
	struct error err;

	if (value && strlen(value) > size)
		abort();
	if (java_property_begins(text, "io.prometheus", name) && !str_starts(name, "io.prometheus"))
		abort();
	if (exporter_manager_in(text, strlen(text), name) && !*name)
		abort();
	(void)!program_check_manager(text, &err);
	(void)!program_check_settings(text, EXPORTER_1_0, &err);
	(void)!program_check_class_path(text, EXPORTER_1_0, &err);
	(void)!program_check_modules(text, text, text, EXPORTER_0_12, &err);
	if (metaspace_parse_limit(text, &m))
		(void)!metaspace_check(&m, &err);
	metaspace_parse_usage(text, &m);
	(void)!metaspace_check(&m, &err);
	(void)!program_check_http(text, &err);
	(void)!program_check_mbeans(text, &err);
	return 0;
}
