/* YAML as a kubeconfig may hold it (jdiag/kube/yaml.h): no crash, no leak, and what comes out is
 * within the limits, so that it can be written as JSON. */
#include "jdiag/kube/yaml.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "remote/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	json_t *root;
	char *text;

	if (size > MAX_KUBECONFIG)
		return 0;
	root = yaml_from_text((const char *)data, size, "fuzz", &err);
	if (!root) {
		if (err.code != ERR_USAGE || !err.msg[0])
			abort();
		return 0;
	}
	text = json_dumps(root, JSON_ENCODE_ANY);
	if (!text)
		abort();
	free(text);
	json_decref(root);
	return 0;
}
