/* Objects of the cluster API (jdiag/kube/pod.h): a pod that is taken is safe to use, whatever was
 * sent; the same bytes are tried as a node. */
#include "jdiag/kube/pod.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pod *p)
{
	if (!name_is_label(p->ns) || !name_is_subdomain(p->name) || !p->n_containers ||
	    (*p->node && !name_is_subdomain(p->node)))
		abort();
	for (unsigned int i = 0; i < p->n_containers; i++) {
		const struct pod_container *c = &p->containers[i];

		if (!name_is_label(c->name) || (c->running && strlen(c->id) != 64) ||
		    strpbrk(c->image, "\r\n\033") || strpbrk(c->state, "\r\n\033"))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	json_t *object = json_from_text((const char *)data, size, "pod", ERR_API, &err);
	struct pod p;
	char address[64];

	if (!object)
		return 0;
	if (pod_from_json(object, &p, &err) == 0) {
		check(&p);
		if (pod_check_reachable(&p, &err) == 0 && pod_pick_container(&p, NULL, &err) &&
		    pod_check_unchanged(&p, &p, p.containers[0].name, &err) != 0 &&
		    p.containers[0].running)
			abort();
	}
	if (node_address(object, NULL, "127.0.0.1", address, sizeof(address), &err) == 0 &&
	    strcmp(address, "127.0.0.1") != 0)
		abort();
	json_decref(object);
	return 0;
}
