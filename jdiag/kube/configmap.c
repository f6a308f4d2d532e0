#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/json.h"
#include "jdiag/kube/internal.h"
#include "jdiag/kube/names.h"
#include "jdiag/kube/patch.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

static const char *const parts[] = {"data", "binaryData"};

static size_t count_keys(const json_t *object)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		n += json_object_size(json_object_get(object, parts[i]));
	return n;
}

/* "a.yaml, b.yaml" */
static int hint_keys(const json_t *object, struct error *err)
{
	auto_buf struct buf names = BUF_INIT(600);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *key;
		json_t *value;

		json_object_foreach ((json_t *)json_object_get(object, parts[i]), key, value)
			buf_addf(&names, "%s%s", names.len ? ", " : "", key);
	}
	return error_hint(err, "its keys: %s%s", buf_str(&names), names.overflow ? " ..." : "");
}

/* The value, with *ret_key as it is called there and *ret_binary; NULL: no such key. */
static const json_t *find_value(const json_t *object, const char *key, const char **ret_key,
				bool *ret_binary)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *name;
		json_t *value;

		json_object_foreach ((json_t *)json_object_get(object, parts[i]), name, value) {
			if (key && strcmp(name, key) != 0)
				continue;
			*ret_key = name;
			*ret_binary = i == 1;
			return value;
		}
	}
	return NULL;
}

static int decode(const json_t *value, bool binary, const char *name, const char *key,
		  struct buf *out, struct error *err)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text)
		return error_set(err, ERR_API,
				 "the cluster API sent a configmap '%s' whose '%s' is no text",
				 name, key);
	if (!binary)
		buf_add(out, text, len);
	else if (!base64_decode(out, text, len))
		return error_set(err, ERR_API,
				 "the cluster API sent a configmap '%s' whose '%s' is not base64",
				 name, key);
	return 0;
}

int kube_configmap_value(const json_t *object, const char *name, const char *key, char **ret,
			 size_t *ret_len, struct error *err)
{
	auto_buf struct buf out = BUF_INIT(MAX_API_OBJECT);
	const char *found = NULL;
	const json_t *value;
	bool binary = false;

	if (!key && count_keys(object) > 1) {
		error_set(err, ERR_TARGET, "configmap '%s' has %zu keys", name, count_keys(object));
		return hint_keys(object, err);
	}
	value = find_value(object, key, &found, &binary);
	if (!value && !count_keys(object))
		return error_set(err, ERR_TARGET, "configmap '%s' has no keys", name);
	if (!value) {
		error_set(err, ERR_TARGET, "configmap '%s' has no key '%s'", name, key);
		return hint_keys(object, err);
	}
	if (decode(value, binary, name, found, &out, err) != 0)
		return -1;
	buf_add(&out, "", 0);
	*ret_len = out.len;
	*ret = out.data ? STEAL(out.data) : xstrdup("");
	return 0;
}

int kube_read_configmap(struct kube *k, const char *ns, const char *name, const char *key,
			char **ret, size_t *ret_len, struct error *err)
{
	auto_free char *path = NULL;
	auto_json json_t *object = NULL;
	struct kube_get get = {.verb = "get", .resource = "configmaps", .ns = ns, .name = name};
	struct error why = {0};

	if (!name_is_label(ns))
		return kube_bad_name("namespace", ns, err);
	if (!name_is_subdomain(name))
		return kube_bad_name("configmap", name, err);
	path = xasprintf("/api/v1/namespaces/%s/configmaps/%s", ns, name);
	get.path = path;
	if (kube_fetch_object(k, &get, &object, NULL, &why) != 0)
		kube_add_rule(k, &get, &why);
	else if (kube_configmap_value(object, name, key, ret, ret_len, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}
