/* Fuzzes remote/hsperf.c: hsperfdata of a container, which may be anything. */
#include "remote/hsperf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const char *const names[] = {
		"java.property.java.version",
		"sun.rt.javaCommand",
		"sun.rt.jvmCapabilities",
		"sun.gc.policy.name",
		"",
		"a",
	};
	struct hsperf h;

	if (!hsperf_parse(&h, data, size))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[16];
		uint64_t n;

		memset(text, 'x', sizeof(text));
		if (hsperf_string(&h, names[i], text, sizeof(text)) &&
		    !memchr(text, '\0', sizeof(text)))
			abort();
		(void)hsperf_u64(&h, names[i], &n);
	}
	return 0;
}
