/* Filter expressions (jdiag/filter.h): whatever is taken can be evaluated, and its negation is its
 * opposite. */
#include "jdiag/filter.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char node[] =
	"{\"name\": \"a\", \"cpus\": 8, \"flag\": true, \"list\": [\"a\", 1],"
	" \"labels\": {\"pool\": \"java\", \"a\": {\"b\": \"c\"}, \"a.b\": \"1\"}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_free char *opposite = xasprintf("NOT (%s)", text);
	auto_json json_t *object = json_loads(node, 0, NULL);
	static const char *const known[] = {"name", "labels", NULL};
	struct error err = {0};
	struct filter *f = NULL, *not = NULL;

	if (filter_parse(text, &f, &err) < 0) {
		if (!*err.msg || f)
			abort();
		return 0;
	}
	if (filter_unknown_field(f, known) && !*filter_unknown_field(f, known))
		abort();
	if (filter_parse(opposite, &not, &err) == 0 &&
	    filter_matches(f, object) == filter_matches(not, object))
		abort();
	filter_free(not );
	filter_free(f);
	return 0;
}
