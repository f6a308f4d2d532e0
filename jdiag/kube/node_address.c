/* --node-address: the kinds of addresses, and templates. */
#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/json.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/node.h"
#include "jdiag/ssh/ssh.h"
#include "remote/base/buf.h"
#include "remote/base/str.h"

#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static const struct {
	const char *word;
	enum node_way way;
	const char *types[3]; /* of status.addresses, in this order */
} kinds[] = {
	{"internal", NODE_INTERNAL, {"InternalIP", "InternalDNS"}},
	{"external", NODE_EXTERNAL, {"ExternalIP", "ExternalDNS"}},
	{"hostname", NODE_HOSTNAME, {"Hostname", "InternalDNS", "ExternalDNS"}},
	{"gce-internal", NODE_GCE_INTERNAL, {NULL}},
	{"gce-external", NODE_GCE_EXTERNAL, {NULL}},
};

/* ---- templates ---- */

static const char *key_name(const json_t *node, char ret[64])
{
	(void)ret;
	return json_str_at(node, "metadata.name", "");
}

static const char *key_hostname(const json_t *node, char ret[64])
{
	const json_t *labels = json_at(node, "metadata.labels");
	const char *value = json_string_value(json_object_get(labels, "kubernetes.io/hostname"));

	(void)ret;
	return value ? value : "";
}

static const char *key_project(const json_t *node, char ret[64])
{
	struct node_instance i;

	return node_instance(node, &i) && str_copy(ret, 64, i.project) ? ret : "";
}

static const struct {
	const char *key;
	const char *(*value)(const json_t *node, char ret[64]);
	const char *source;
} keys[] = {
	{"{name}", key_name, "a name"},
	{"{hostname}", key_hostname, "label kubernetes.io/hostname"},
	{"{zone}", node_zone, "a providerID of Google's or label topology.kubernetes.io/zone"},
	{"{region}", node_region,
	 "a providerID of Google's or label topology.kubernetes.io/region"},
	{"{project}", key_project, "a providerID of Google's"},
};

/* Which key begins at text (which is at a brace); -1: none. */
static int find_key(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (str_starts(text, keys[i].key))
			return (int)i;
	return -1;
}

static int bad_template(const char *template, const char *at, struct error *err)
{
	size_t n = strcspn(at, "}");

	if (*at == '{' && at[n])
		error_set(err, ERR_USAGE, "--node-address '%s': there is no '%.*s}'", template,
			  (int)n, at);
	else if (*at == '{')
		error_set(err, ERR_USAGE, "--node-address '%s': a brace is not closed", template);
	else
		error_set(err, ERR_USAGE, "--node-address '%s': '%.1s' is in no host name",
			  template, at);
	return error_hint(err, "valid: {name}, {hostname}, {zone}, {region}, {project}, and "
			       "letters, digits, '.', '_' and '-', '-' not first");
}

static int check_template(const char *template, struct error *err)
{
	const char *at = template;

	if (*at == '-')
		return bad_template(template, at, err);
	for (;;) {
		int key;

		at += strspn(at, HOST_CHARACTERS);
		if (!*at)
			return 0;
		key = *at == '{' ? find_key(at) : -1;
		if (key < 0)
			return bad_template(template, at, err);
		at += strlen(keys[key].key);
	}
}

static int fill(const json_t *node, const char *template, struct buf *ret, struct error *err)
{
	const char *name = json_str_at(node, "metadata.name", "");
	char space[64];

	while (*template) {
		size_t n = strcspn(template, "{");
		int key = template[n] ? find_key(template + n) : -1;
		const char *value = key < 0 ? "" : keys[key].value(node, space);

		buf_add(ret, template, n);
		template += n;
		if (key < 0)
			break;
		/* a value is a name, whoever wrote it: never a character that means something */
		if (!*value) {
			error_set(err, ERR_TARGET, "node '%s': %s is not known", name,
				  keys[key].key);
			return error_hint(err, "it needs %s: use another --node-address",
					  keys[key].source);
		}
		if (!name_is_subdomain(value))
			return error_set(
				err, ERR_TARGET,
				"node '%s': %s is '%.100s', which cannot be in a host name", name,
				keys[key].key, value);
		buf_adds(ret, value);
		template += strlen(keys[key].key);
	}
	return 0;
}

/* ---- kinds ---- */

int node_way_parse(const char *text, enum node_way *ret, struct error *err)
{
	if (!text || !*text) {
		*ret = NODE_DEFAULT;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(text, kinds[i].word) == 0) {
			*ret = kinds[i].way;
			return 0;
		}
	if (!strchr(text, '{')) {
		error_set(err, ERR_USAGE, "bad value '%s' for '--node-address'", text);
		return error_hint(err, "valid: internal, external, hostname, gce-internal, "
				       "gce-external, or a template like "
				       "{name}.{zone}.c.{project}.internal");
	}
	if (check_template(text, err) < 0)
		return -1;
	*ret = NODE_TEMPLATE;
	return 0;
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

static int put(const char *address, const char *name, char *ret, size_t size, struct error *err)
{
	struct error why = {0};

	if (ssh_check_name(address, "host", &why) == 0 && str_copy(ret, size, address))
		return 0;
	return error_set(err, ERR_API, "the address '%s' of node '%s' cannot be used", address,
			 name);
}

static int by_kind(const json_t *node, enum node_way way, const char *name, char *ret, size_t size,
		   struct error *err)
{
	const char *wanted = "";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; kinds[i].way == way && k < 3 && kinds[i].types[k]; k++) {
			const char *address = of_type(node, kinds[i].types[k]);

			if (address)
				return put(address, name, ret, size, err);
			wanted = kinds[i].types[0];
		}
	error_set(err, ERR_TARGET, "node '%s' has no %s address", name, wanted);
	return error_hint(err, "choose another with --node-address internal, external, hostname "
			       "or a template; jdiag nodes -o wide shows what there is");
}

static int by_default(const json_t *node, const char *host_ip, const char *name, char *ret,
		      size_t size, struct error *err)
{
	char list[NODE_MAX_CANDIDATES][NODE_ADDRESS_SIZE];

	if (node_candidates(node, host_ip, list))
		return put(list[0], name, ret, size, err);
	return by_kind(node, NODE_INTERNAL, name, ret, size, err);
}

int node_address(const json_t *node, const char *kind, const char *host_ip, char *ret,
		 unsigned long size, struct error *err)
{
	auto_buf struct buf filled = BUF_INIT(NODE_ADDRESS_SIZE);
	const char *name = json_str_at(node, "metadata.name", "");
	enum node_way way;

	if (node_check(node, host_ip, err) < 0 || node_way_parse(kind, &way, err) < 0)
		return -1;
	switch (way) {
	case NODE_DEFAULT:
		return by_default(node, host_ip, name, ret, size, err);
	case NODE_TEMPLATE:
		if (fill(node, kind, &filled, err) < 0)
			return -1;
		if (filled.overflow)
			return error_set(err, ERR_TARGET,
					 "node '%s': its name by --node-address is too long", name);
		return put(buf_str(&filled), name, ret, size, err);
	case NODE_GCE_INTERNAL:
	case NODE_GCE_EXTERNAL:
		return error_set(err, ERR_USAGE, "'%s' is not an address of the cluster", kind);
	default:
		return by_kind(node, way, name, ret, size, err);
	}
}
