/* Nodes of the cluster API (jdiag/kube/node.h) and instances of the Compute Engine API
 * (jdiag/gce/gce.h): an address that is taken can be given to ssh, whatever was sent. */
#include "jdiag/kube/node.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gce/gce.h"
#include "jdiag/json.h"
#include "jdiag/node_record.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/compiler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *address)
{
	struct error err = {0};

	if (ssh_check_name(address, "host", &err) < 0)
		abort();
}

static void try_node(const json_t *node)
{
	static const char *const kinds[] = {NULL,	"internal",
					    "external", "hostname",
					    "{name}",	"{hostname}.{zone}.{region}.{project}.x"};
	char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE], address[NODE_ADDRESS_SIZE];
	struct error err = {0};
	struct node_instance i;
	json_t *record, *view;
	unsigned int n;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (node_address(node, kinds[k], NULL, address, sizeof(address), &err) == 0)
			check_address(address);
	n = node_candidates(node, "10.0.0.1", list);
	while (n)
		check_address(list[--n]);
	if (node_instance(node, &i) && (!*i.project || !*i.zone || !*i.name || strchr(i.name, '/')))
		abort();
	if (node_record(node, &record, &err) < 0)
		return;
	view = node_record_for_filter(record);
	json_decref(view);
	json_decref(record);
}

static void try_instance(const json_t *instance)
{
	char address[NODE_ADDRESS_SIZE];
	struct error err = {0};
	bool internal;

	if (gce_address(instance, true, address, sizeof(address), &internal, &err) == 0)
		check_address(address);
	if (gce_internal(instance, address, sizeof(address))) {
		check_address(address);
		if (!gce_has_internal(instance, address))
			abort();
	}
	json_decref(instance_record(instance, "project"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *object = json_from_text((const char *)data, size, "node", ERR_API, NULL);

	if (!object)
		return 0;
	try_node(object);
	try_instance(object);
	return 0;
}
