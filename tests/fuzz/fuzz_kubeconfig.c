/* A kubeconfig's text (jdiag/kube/kubeconfig.h, resolve.h), merged and resolved. Files that it
 * names are read only below a directory that does not exist. */
#include "jdiag/kube/kubeconfig.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/kube/resolve.h"
#include "remote/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kube_options o = {.as = size % 2 ? "x" : NULL};
	struct kube_config c = {0};
	struct error err = {0};
	json_t *merged = kubeconfig_new();

	if (size > MAX_KUBECONFIG || memmem(data, size, "/", 1))
		goto out; /* no absolute path, no parent directory */
	if (kubeconfig_add(merged, (const char *)data, size, "/nonexistent/config", &err) == 0 &&
	    kube_config_resolve(&c, merged, &o, &err) == 0 &&
	    (!c.server || !c.namespace_ || !c.context || !c.user))
		abort();
	kube_config_release(&c);
out:
	json_decref(merged);
	return 0;
}
