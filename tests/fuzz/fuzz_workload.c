/* jdiag: the selector of a deployment, its pods, and what a worker of a fleet reports. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/fleet_record.h"
#include "jdiag/json.h"
#include "jdiag/kube/workload.h"
#include "remote/base/limits.h"

static void selector(const json_t *object)
{
	auto_buf struct buf b = BUF_INIT(MAX_API_QUERY);
	struct error err = {0};

	/* nothing of it ends the parameter of a query or begins another requirement unseen */
	if (workload_selector(object, &b, &err) == 0 && strpbrk(buf_str(&b), "&?#\"\\\n"))
		abort();
	for (int w = WORKLOAD_DEPLOYMENT; w <= WORKLOAD_JOB; w++)
		(void)workload_owns((enum workload)w, object, object);
	if (pod_compare(object, object) != 0)
		abort();
}

static void record(const uint8_t *data, size_t size)
{
	struct buf b = {.data = (char *)data, .len = size};
	struct fleet_record r;
	struct error err = {0};

	if (fleet_record_read(&b, &r) == 1) {
		if (r.size > size)
			abort();
		fleet_record_error(&r, &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *object = json_from_text((const char *)data, size, "input", ERR_API, NULL);

	if (json_is_object(object))
		selector(object);
	record(data, size);
	return 0;
}
