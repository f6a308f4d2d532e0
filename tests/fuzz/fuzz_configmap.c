/* jdiag: a key of a ConfigMap. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/internal.h"

static void read_key(const json_t *object, const char *key, size_t size)
{
	auto_free char *text = NULL;
	struct error err = {0};
	size_t len;

	if (kube_configmap_value(object, "jmx", key, &text, &len, &err) != 0) {
		if (!err.code || text)
			abort();
		return;
	}
	/* neither text in JSON nor base64 is shorter than what it says */
	if (len > size || text[len] != '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *object = json_from_text((const char *)data, size, "input", ERR_API, NULL);
	auto_json json_t *binary = NULL;

	read_key(object, NULL, size);
	read_key(object, "jmx.yaml", size);
	/* and the whole as a value */
	binary = json_pack("{s:{s:s%}}", "binaryData", "jmx.yaml", (const char *)data, size);
	if (binary)
		read_key(binary, NULL, size);
	return 0;
}
