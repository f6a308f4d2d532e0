/* What a JVM says of its classes and open jars (jdiag/exporter/find.h): nothing is read behind the
 * end, and what is taken for a version can be a part of a file's name. */
#include "jdiag/exporter/find.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *exact = xmalloc(size), *path = xstrndup((const char *)data, size);
	char name[256], version[64], again[64], jar[101];
	char digest[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

	memcpy(exact, data, size);
	if (exporter_class_in(exact, size, name) && !*name)
		abort();
	if (exporter_library_in(exact, size, name) &&
	    strncmp(name, "io.prometheus.metrics.", 22) != 0)
		abort();
	if (!exporter_jar_version(path, version))
		return 0;
	if (!*version || strpbrk(version, "/-= \n"))
		abort();
	if (exporter_jar_name(jar, version, digest) &&
	    (!exporter_jar_version(jar, again) || strcmp(again, version) != 0))
		abort();
	return 0;
}
