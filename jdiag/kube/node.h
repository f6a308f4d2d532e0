/*
 * What jdiag takes out of a node object: how the node is reached, and what a list shows of it.
 *
 * Object data must not choose where we log in: a pod's hostIP has to be one of the addresses of its
 * node (CVE-2022-3294), and what the node object says is used as an address only after it was
 * checked as one. Sources: Kubernetes API reference (NodeStatus), cloud-provider-gcp (providerID).
 */
#ifndef JDIAG_KUBE_NODE_H
#define JDIAG_KUBE_NODE_H

#include <stdbool.h>

#include "remote/base/error.h"

struct json_t;

#define NODE_ADDRESS_SIZE 256 /* of a host name or an address, with its end */
#define NODE_MAX_CANDIDATES 8

/* --node-address */
enum node_way {
	NODE_DEFAULT, /* the pod's hostIP, the InternalIP, the ExternalIP: what answers first */
	NODE_INTERNAL,
	NODE_EXTERNAL,
	NODE_HOSTNAME,
	NODE_GCE_INTERNAL, /* by the Compute Engine API */
	NODE_GCE_EXTERNAL,
	NODE_TEMPLATE, /* "{name}.{zone}.c.{project}.internal" */
};

/* NULL or "": NODE_DEFAULT. ERR_USAGE for a word that is none, and for a template with a key that
 * there is not, or a character that no host name has. */
int node_way_parse(const char *text, enum node_way *ret, struct error *err) must_check;

/*
 * The address of a node by status.addresses (internal: InternalIP, InternalDNS; external:
 * ExternalIP, ExternalDNS; hostname: Hostname, InternalDNS, ExternalDNS; the first that there is of
 * these) or by a template, whose keys are filled with:
 *	{name}		metadata.name
 *	{hostname}	label kubernetes.io/hostname
 *	{zone}		of providerID, else label topology.kubernetes.io/zone
 *	{region}	label topology.kubernetes.io/region, else the zone without its letter
 *	{project}	of providerID gce://PROJECT/ZONE/NAME
 * host_ip: the pod's, NULL or "" when there is no pod. ERR_TARGET: it is not one of the node's, or
 * the node has no such address, or what a key stands for is not known. ERR_USAGE as node_way_parse,
 * also for gce-internal and gce-external, which this does not know.
 */
int node_address(const struct json_t *node, const char *kind, const char *host_ip, char *ret,
		 unsigned long size, struct error *err) must_check;

/* Is this a node, and host_ip one of its addresses? As node_address; for those who take the address
 * from elsewhere. */
int node_check(const struct json_t *node, const char *host_ip, struct error *err) must_check;

/* The addresses of NODE_DEFAULT in the order in which to try them, without repetition; how many. */
unsigned int node_candidates(const struct json_t *node, const char *host_ip,
			     char ret[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE]);

/* Does the node list this address (of this type; NULL: of any)? Any address of the type: address
 * NULL. */
bool node_lists(const struct json_t *node, const char *type, const char *address) must_check;

/* The machine that the node is, by spec.providerID. */
struct node_instance {
	char project[128], zone[64], name[64];
};

/* False when providerID is not gce://PROJECT/ZONE/NAME with names as the Compute Engine has them.
 */
bool node_instance(const struct json_t *node, struct node_instance *ret) must_check;

/* "Ready", "NotReady" or "Unknown", and ",Cordoned" behind it as it may be. */
void node_status(const struct json_t *node, char ret[32]);

/* The zone and the region as for a template; "" when not known. Returns ret. */
const char *node_zone(const struct json_t *node, char ret[64]);
const char *node_region(const struct json_t *node, char ret[64]);

#endif
