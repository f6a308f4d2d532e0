/* The output of a credential plugin (jdiag/kube/exec_plugin.h): taken only whole, and never quoted
 * in an error. */
#include "jdiag/kube/exec_plugin.h"
#include "jdiag/rfc3339.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exec_credential c = {0};
	struct error err = {0};
	char time[64] = "";
	int64_t unix_time;

	memcpy(time, data, size < sizeof(time) - 1 ? size : sizeof(time) - 1);
	if (rfc3339_to_unix(time, &unix_time) && strlen(time) < strlen("0000-00-00T00:00:00Z"))
		abort();
	if (exec_credential_parse((const char *)data, size, "client.authentication.k8s.io/v1", &c,
				  &err) == 0) {
		if (!c.token.data && !(c.cert_pem.data && c.key_pem.data))
			abort();
	} else if (err.code != ERR_API || strstr(err.msg, "near")) {
		abort();
	}
	exec_credential_release(&c);
	return 0;
}
