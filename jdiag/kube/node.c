/* What is in a node object. */
#include "jdiag/kube/node.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "remote/base/compiler.h"
#include "remote/base/str.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789-"

static bool same_address(const char *a, const char *b)
{
	unsigned char x[16], y[16];

	if (inet_pton(AF_INET, a, x) == 1)
		return inet_pton(AF_INET, b, y) == 1 && memcmp(x, y, 4) == 0;
	if (inet_pton(AF_INET6, a, x) == 1)
		return inet_pton(AF_INET6, b, y) == 1 && memcmp(x, y, 16) == 0;
	return false;
}

bool node_lists(const json_t *node, const char *type, const char *address)
{
	const json_t *list = json_at(node, "status.addresses");
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		if (type && strcmp(json_str_at(one, "type", ""), type) != 0)
			continue;
		if (!address || same_address(json_str_at(one, "address", ""), address))
			return true;
	}
	return false;
}

int node_check(const json_t *node, const char *host_ip, struct error *err)
{
	const char *name = json_str_at(node, "metadata.name", "");

	if (!name_is_subdomain(name))
		return error_set(err, ERR_API, "the cluster API sent something that is not a node");
	if (!host_ip || !*host_ip || node_lists(node, NULL, host_ip))
		return 0;
	error_set(err, ERR_TARGET, "the pod's hostIP '%s' is no address of node '%s'", host_ip,
		  name);
	return error_hint(err, "whoever wrote the pod's status would choose where to log in: not "
			       "done");
}

static bool is_ip(const char *address)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, address, bin) == 1 || inet_pton(AF_INET6, address, bin) == 1;
}

static void add_candidate(char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE], unsigned int *n,
			  const char *address)
{
	if (!is_ip(address) || *n == NODE_MAX_CANDIDATES)
		return;
	for (unsigned int i = 0; i < *n; i++)
		if (same_address(list[i], address))
			return;
	if (str_copy(list[*n], NODE_ADDRESS_SIZE, address))
		++*n;
}

unsigned int node_candidates(const json_t *node, const char *host_ip,
			     char ret[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE])
{
	static const char *const types[] = {"InternalIP", "ExternalIP"};
	const json_t *list = json_at(node, "status.addresses"), *one;
	unsigned int n = 0;
	size_t k;

	if (host_ip && *host_ip)
		add_candidate(ret, &n, host_ip);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		json_array_foreach (list, k, one)
			if (strcmp(json_str_at(one, "type", ""), types[i]) == 0)
				add_candidate(ret, &n, json_str_at(one, "address", ""));
	return n;
}

/* The part up to a slash (or the end), of these characters only, into dst; *at moves behind it. */
static bool take_part(const char **at, const char *set, char *dst, size_t size)
{
	size_t n = strcspn(*at, "/");

	if (!n || n >= size || strspn(*at, set) < n)
		return false;
	memcpy(dst, *at, n);
	dst[n] = '\0';
	*at += n;
	if (**at == '/')
		++*at;
	return true;
}

bool node_instance(const json_t *node, struct node_instance *ret)
{
	const char *at = json_str_at(node, "spec.providerID", "");
	struct node_instance i;

	if (!str_starts(at, "gce://"))
		return false;
	at += strlen("gce://");
	/* "example.com:project" is what a project of a domain is called */
	if (!take_part(&at, LOWER ".:", i.project, sizeof(i.project)) ||
	    !take_part(&at, LOWER, i.zone, sizeof(i.zone)) ||
	    !take_part(&at, LOWER, i.name, sizeof(i.name)) || *at || at[-1] == '/' ||
	    !strchr(LOWER, i.project[0]) || i.project[0] == '-' || !name_is_label(i.zone) ||
	    !name_is_label(i.name))
		return false;
	*ret = i;
	return true;
}

static const char *label(const json_t *node, const char *key)
{
	const json_t *labels = json_at(node, "metadata.labels");
	const char *value = json_string_value(json_object_get(labels, key));

	return value ? value : "";
}

const char *node_zone(const json_t *node, char ret[64])
{
	struct node_instance i;
	const char *zone = label(node, "topology.kubernetes.io/zone");

	if (node_instance(node, &i))
		zone = i.zone;
	else if (!*zone)
		zone = label(node, "failure-domain.beta.kubernetes.io/zone");
	snprintf(ret, 64, "%s", strlen(zone) < 64 ? zone : "");
	return ret;
}

const char *node_region(const json_t *node, char ret[64])
{
	struct node_instance i;
	const char *region = label(node, "topology.kubernetes.io/region");

	/* europe-west1-b is in europe-west1 */
	if (!*region && node_instance(node, &i) && strrchr(i.zone, '-')) {
		*strrchr(i.zone, '-') = '\0';
		region = i.zone;
	}
	snprintf(ret, 64, "%s", strlen(region) < 64 ? region : "");
	return ret;
}

void node_status(const json_t *node, char ret[32])
{
	const json_t *list = json_at(node, "status.conditions");
	const char *ready = "Unknown";
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		const char *status = json_str_at(one, "status", "");

		if (strcmp(json_str_at(one, "type", ""), "Ready") != 0)
			continue;
		ready = strcmp(status, "True") == 0    ? "Ready"
			: strcmp(status, "False") == 0 ? "NotReady"
						       : "Unknown";
	}
	snprintf(ret, 32, "%s%s", ready,
		 json_bool_at(node, "spec.unschedulable", false) ? ",Cordoned" : "");
}
