/* How a node is reached. */
#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/pod.h"
#include "remote/base/buf.h"
#include "remote/base/str.h"

static const struct {
	const char *kind, *type;
} kinds[] = {
	{"internal", "InternalIP"},
	{"external", "ExternalIP"},
	{"hostname", "Hostname"},
};

static bool same_address(const char *a, const char *b)
{
	unsigned char x[16], y[16];

	if (inet_pton(AF_INET, a, x) == 1)
		return inet_pton(AF_INET, b, y) == 1 && memcmp(x, y, 4) == 0;
	return inet_pton(AF_INET6, a, x) == 1 && inet_pton(AF_INET6, b, y) == 1 &&
	       memcmp(x, y, 16) == 0;
}

static bool usable(const char *address)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, address, bin) == 1 || inet_pton(AF_INET6, address, bin) == 1 ||
	       name_is_subdomain(address);
}

/* The first address of a type that passes as one, or NULL. */
static const char *of_type(const json_t *node, const char *type)
{
	const json_t *list = json_at(node, "status.addresses");
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		const char *address = json_str_at(one, "address", "");

		if (strcmp(json_str_at(one, "type", ""), type) == 0 && usable(address))
			return address;
	}
	return NULL;
}

static bool lists(const json_t *node, const char *address)
{
	const json_t *list = json_at(node, "status.addresses");
	size_t i;
	json_t *one;

	json_array_foreach (list, i, one) {
		if (same_address(json_str_at(one, "address", ""), address))
			return true;
	}
	return false;
}

static int put(const char *address, const char *name, char *ret, size_t size, struct error *err)
{
	if (usable(address) && str_copy(ret, size, address))
		return 0;
	return error_set(err, ERR_API, "the address '%s' of node '%s' cannot be used", address,
			 name);
}

static int from_template(const char *template, const char *name, char *ret, size_t size,
			 struct error *err)
{
	const char *mark = strstr(template, "{name}");
	auto_free char *address =
		xasprintf("%.*s%s%s", (int)(mark - template), template, name, mark + 6);

	return put(address, name, ret, size, err);
}

static int by_type(const json_t *node, const char *kind, const char *name, char *ret, size_t size,
		   struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *address = of_type(node, kinds[i].type);

		if (strcmp(kind, kinds[i].kind) != 0)
			continue;
		if (address)
			return put(address, name, ret, size, err);
		error_set(err, ERR_TARGET, "node '%s' has no %s address", name, kinds[i].type);
		return error_hint(err, "choose another with --node-address internal, external or "
				       "hostname");
	}
	return error_set(err, ERR_USAGE,
			 "--node-address '%s' is none of internal, external, hostname", kind);
}

int node_address(const json_t *node, const char *kind, const char *host_ip, char *ret,
		 unsigned long size, struct error *err)
{
	const char *name = json_str_at(node, "metadata.name", "");

	if (!name_is_subdomain(name))
		return error_set(err, ERR_API, "the cluster API sent something that is not a node");
	if (host_ip && *host_ip && !lists(node, host_ip)) {
		error_set(err, ERR_TARGET, "the pod's hostIP '%s' is no address of node '%s'",
			  host_ip, name);
		return error_hint(err, "whoever wrote the pod's status would choose where to log "
				       "in: not done");
	}
	if (kind && strstr(kind, "{name}"))
		return from_template(kind, name, ret, size, err);
	if (kind && *kind)
		return by_type(node, kind, name, ret, size, err);
	if (host_ip && *host_ip)
		return put(host_ip, name, ret, size, err);
	return by_type(node, "internal", name, ret, size, err);
}
