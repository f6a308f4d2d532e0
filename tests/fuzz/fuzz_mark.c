/* jdiag: the annotations of a pod, and what a mark makes of them. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/exporter/mark.h"
#include "jdiag/json.h"
#include "remote/base/buf.h"
#include "remote/base/limits.h"

#define ID "7bbadabd3369bc65d17e232f0b24ed78f1574981765aa870e69ea4829a07dfdb"

/* One pod with two containers; annotations: taken over. */
static json_t *pod_with(json_t *annotations)
{
	return json_pack("{s:{s:s, s:s, s:s, s:o}, s:{s:[{s:s}, {s:s}]}, s:{s:[{s:s, s:s, s:i, "
			 "s:{s:{}}}, {s:s, s:s, s:i, s:{s:{}}}]}}",
			 "metadata", "namespace", "shop", "name", "web", "uid", "u", "annotations",
			 annotations, "spec", "containers", "name", "app", "name", "side", "status",
			 "containerStatuses", "name", "app", "containerID", "containerd://" ID,
			 "restartCount", 0, "state", "running", "name", "side", "containerID",
			 "containerd://" ID, "restartCount", 1, "state", "running");
}

static void apply(json_t *pod, json_t *patch)
{
	json_t *annotations = json_at(pod, "metadata.annotations");
	const char *key;
	json_t *value;

	json_object_foreach (patch, key, value) {
		/* nothing but what is ours or Prometheus's */
		if (strncmp(key, MARK_PREFIX, strlen(MARK_PREFIX)) != 0 &&
		    strncmp(key, "prometheus.io/", 14) != 0)
			abort();
		if (json_is_null(value))
			json_object_del(annotations, key);
		else
			json_object_set(annotations, key, value);
	}
	json_decref(patch);
}

static void one_container(json_t *pod, const char *container)
{
	struct mark m, now, ours = {.port = 9404, .path = "/metrics", .id = ID};
	char why[128], told[MARK_TOLD];
	json_t *again;

	if (mark_read(pod, container, &m, why) == 1 &&
	    (m.port < 1 || m.port > 65535 || *m.path != '/' || strlen(m.id) != 64 ||
	     (*m.jar && *m.jar != '/')))
		abort();
	strncpy(ours.container, container, sizeof(ours.container) - 1);
	ours.restarts = strcmp(container, "side") == 0;
	apply(pod, mark_set(pod, &ours, told));
	if (mark_read(pod, container, &now, why) != 1 || now.port != 9404 ||
	    !mark_is_current(&now, pod))
		abort();
	again = mark_set(pod, &ours, told);
	if (again)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as the whole mark, or as what follows in one that is good so far. */
static json_t *as_mark(const char *data, size_t size)
{
	static const char good[] = "{\"v\":1,\"id\":\"" ID "\",\"restarts\":0,\"port\":9404,"
				   "\"jvm\":1,\"pid\":1,\"path\":\"/metrics\",\"set\":"
				   "[\"prometheus.io/scrape\",\"prometheus.io/port\"],";
	auto_buf struct buf b = BUF_INIT(MAX_API_OBJECT);
	bool rest = size && data[0] == 'm';
	json_t *text, *all = json_pack("{s:s, s:s, s:s}", "prometheus.io/scrape", "true",
				       "prometheus.io/port", "9404", "other/key", "x");

	buf_adds(&b, rest ? good : "");
	buf_add(&b, data + rest, size - rest);
	buf_adds(&b, rest ? "}" : "");
	text = json_stringn(buf_str(&b), b.len);
	if (text)
		json_object_set_new(all, MARK_PREFIX "app", text);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *annotations = json_from_text((const char *)data, size, "input", ERR_API, NULL);
	auto_json json_t *pod = NULL;
	char told[MARK_TOLD];

	if (!json_is_object(annotations)) {
		json_decref(annotations);
		annotations = as_mark((const char *)data, size);
	}
	pod = pod_with(annotations);
	if (!pod)
		abort();
	one_container(pod, "app");
	one_container(pod, "side");
	apply(pod, mark_clear(pod, "app", told));
	apply(pod, mark_clear(pod, "side", told));
	return 0;
}
