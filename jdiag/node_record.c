#include "jdiag/node_record.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/gce/gce.h"
#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/node.h"

const char *const node_record_fields[] = {
	"name",	      "status", "cordoned",	     "addresses", "address",
	"arch",	      "kernel", "runtime",	     "os",	  "osImage",
	"kubelet",    "zone",	"machineType",	     "region",	  "project",
	"providerID", "labels", "creationTimestamp", NULL,
};

static void set(json_t *record, const char *key, const char *value)
{
	if (value && *value)
		json_set_text(record, key, value);
}

static void copy(json_t *record, const char *key, const json_t *from, const char *path)
{
	set(record, key, json_str_at(from, path, ""));
}

static void copy_labels(json_t *record, const json_t *labels)
{
	if (json_object_size(labels))
		json_object_set(record, "labels", (json_t *)labels);
}

static void set_status(json_t *record, const json_t *node)
{
	char status[32];

	node_status(node, status);
	status[strcspn(status, ",")] = '\0';
	set(record, "status", status);
	json_object_set_new(record, "cordoned",
			    json_boolean(json_bool_at(node, "spec.unschedulable", false)));
}

static void set_place(json_t *record, const json_t *node)
{
	const json_t *labels = json_at(node, "metadata.labels");
	const char *type =
		json_string_value(json_object_get(labels, "node.kubernetes.io/instance-type"));
	struct node_instance i;
	char text[64];

	set(record, "machineType", type);
	set(record, "zone", node_zone(node, text));
	set(record, "region", node_region(node, text));
	if (node_instance(node, &i))
		set(record, "project", i.project);
	copy(record, "providerID", node, "spec.providerID");
}

int node_record(const json_t *node, json_t **ret, struct error *err)
{
	static const struct {
		const char *key, *path;
	} info[] = {
		{"arch", "status.nodeInfo.architecture"},
		{"kernel", "status.nodeInfo.kernelVersion"},
		{"runtime", "status.nodeInfo.containerRuntimeVersion"},
		{"os", "status.nodeInfo.operatingSystem"},
		{"osImage", "status.nodeInfo.osImage"},
		{"kubelet", "status.nodeInfo.kubeletVersion"},
	};
	json_t *record = json_object();

	if (node_check(node, NULL, err) < 0) {
		json_decref(record);
		return -1;
	}
	copy(record, "name", node, "metadata.name");
	set_status(record, node);
	if (json_array_size(json_at(node, "status.addresses")))
		json_object_set(record, "addresses", json_at(node, "status.addresses"));
	for (size_t i = 0; i < sizeof(info) / sizeof(*info); i++)
		copy(record, info[i].key, node, info[i].path);
	set_place(record, node);
	copy(record, "creationTimestamp", node, "metadata.creationTimestamp");
	copy_labels(record, json_at(node, "metadata.labels"));
	*ret = record;
	return 0;
}

json_t *instance_record(const json_t *instance, const char *project)
{
	json_t *record = json_object();
	char address[NODE_ADDRESS_SIZE];

	copy(record, "name", instance, "name");
	copy(record, "id", instance, "id");
	copy(record, "status", instance, "status");
	if (gce_internal(instance, address, sizeof(address)))
		set(record, "internal", address);
	if (gce_external(instance, address, sizeof(address)))
		set(record, "external", address);
	set(record, "machineType", gce_last_part(json_str_at(instance, "machineType", "")));
	set(record, "zone", gce_last_part(json_str_at(instance, "zone", "")));
	set(record, "project", project);
	copy(record, "creationTimestamp", instance, "creationTimestamp");
	copy_labels(record, json_object_get(instance, "labels"));
	return record;
}

json_t *node_record_for_filter(const json_t *record)
{
	json_t *view = json_copy((json_t *)record), *status = json_array(), *plain = json_array();
	const json_t *list = json_object_get(record, "addresses"), *one;
	const char *ready = json_str_at(record, "status", "");
	size_t i;

	json_array_append_new(status, json_string(ready));
	if (strcmp(ready, "Ready") == 0)
		json_array_append_new(status, json_string("RUNNING"));
	if (json_bool_at(record, "cordoned", false))
		json_array_append_new(status, json_string("Cordoned"));
	json_object_set_new(view, "status", status);
	json_array_foreach (list, i, one)
		json_array_append_new(plain, json_string(json_str_at(one, "address", "")));
	json_object_set_new(view, "addresses", plain);
	return view;
}
