/* What a JVM says about an agent: any bytes are words of some kind, and name no options. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/agent/load.h"

#define SECRET "\x01secret\x01"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_request r = {.path = "/tmp/a", .options = SECRET};
	struct error err = {0};
	char *text;
	int rc;

	if (size < 3)
		return 0;
	r.kind = (enum agent_kind)(data[0] % 3);
	text = xstrndup((const char *)data + 3, size - 3);
	rc = agent_reply(&r, data[1] % 30, (int8_t)data[2], text, &err);
	if ((rc != 0 && rc != -1) || (rc < 0) != (err.code != ERR_NONE) || strstr(err.msg, SECRET))
		abort();
	if (rc < 0 && !err.msg[0])
		abort();
	free(text);
	return 0;
}
