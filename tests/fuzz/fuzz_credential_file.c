/* jdiag: a credential file, and what of it decides where secrets go */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_cleanup(credentials_release) struct credentials c = {0};
	struct error err = {0};
	struct endpoint e;

	if (credentials_parse(&c, (const char *)data, size, "fuzz", &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg || c.source)
			abort();
		return 0;
	}
	if (!endpoint_parse(c.token_uri, &e) || !endpoint_may_see_secrets(&e) || !c.key.len)
		abort();
	return 0;
}
