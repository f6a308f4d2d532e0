/* jdiag: what a cluster API and a bucket say about our permissions. Nothing is granted that was not
 * said. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/permissions.h"
#include "jdiag/json.h"
#include "jdiag/kube/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gcs_permission p = {.name = "storage.objects.create", .role = "r"};
	struct error err = {0};
	auto_json json_t *root = json_from_text((const char *)data, size, "answer", ERR_API, NULL);
	int may = kube_access_parse(root, &err);

	if (may > 0 && !memmem(data, size, "true", 4))
		abort();
	if (may < 0 && (err.code != ERR_API || !*err.msg))
		abort();
	err = (struct error){0};
	if (gcs_permissions_parse((const char *)data, size, &p, 1, &err) < 0 &&
	    err.code != ERR_UPLOAD)
		abort();
	if (p.granted && !root)
		abort();
	return 0;
}
