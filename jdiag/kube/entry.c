#include "jdiag/kube/entry.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/json.h"
#include "jdiag/kube/read_file.h"
#include "remote/base/limits.h"

json_t *entry_get(const json_t *wrapped, const char *field)
{
	/* field names hold no dots, but json_at would split keys of extensions: go by steps */
	json_t *v = json_object_get(json_object_get(wrapped, "entry"), field);

	return json_is_null(v) ? NULL : v;
}

static const char *file_of(const json_t *wrapped)
{
	return json_str_at(wrapped, "file", "");
}

int entry_text(const json_t *wrapped, const char *field, char **ret, struct error *err)
{
	const json_t *v = entry_get(wrapped, field);

	if (json_is_object(v) || json_is_array(v))
		return error_set(err, ERR_USAGE, "kubeconfig '%s': '%s' is not a text",
				 file_of(wrapped), field);
	if (!v || (json_is_string(v) && !json_string_length(v)))
		*ret = NULL;
	else if (json_is_string(v))
		*ret = xstrdup(json_string_value(v));
	else if (!(*ret = json_dumps(v, JSON_ENCODE_ANY)))
		die_oom();
	return 0;
}

int entry_path(const json_t *wrapped, const char *field, char **ret, struct error *err)
{
	auto_free char *text = NULL;

	if (entry_text(wrapped, field, &text, err) != 0)
		return -1;
	*ret = text ? path_from(json_str_at(wrapped, "dir", "."), text) : NULL;
	return 0;
}

bool entry_flag(const json_t *wrapped, const char *field)
{
	return json_is_true(entry_get(wrapped, field));
}

static int check_pem(const json_t *wrapped, const char *field, const char *text, size_t len,
		     struct error *err)
{
	if (strlen(text) == len && strstr(text, "-----BEGIN "))
		return 0;
	error_set(err, ERR_USAGE, "kubeconfig '%s': '%s' is not in PEM form", file_of(wrapped),
		  field);
	return error_hint(err, "it starts with '-----BEGIN', in %s-data once more in base64",
			  field);
}

static int pem_from_data(const json_t *wrapped, const char *field, const char *data,
			 struct secret *ret, struct error *err)
{
	struct buf pem = BUF_INIT(MAX_CREDENTIAL_FILE);
	int rc;

	if (!base64_decode(&pem, data, strlen(data)) || pem.overflow)
		rc = error_set(err, ERR_USAGE, "kubeconfig '%s': '%s-data' is not base64",
			       file_of(wrapped), field);
	else
		rc = check_pem(wrapped, field, buf_str(&pem), pem.len, err);
	if (rc == 0)
		secret_set(ret, pem.data, pem.len);
	secret_wipe(pem.data, pem.cap);
	buf_release(&pem);
	return rc;
}

static int pem_from_file(const json_t *wrapped, const char *field, const char *path,
			 struct secret *ret, struct error *err)
{
	struct buf pem = BUF_INIT(MAX_CREDENTIAL_FILE);
	int rc = read_config_file(path, &pem);

	if (rc < 0)
		rc = error_sys(err, ERR_USAGE, -rc, "cannot read '%s' (%s of kubeconfig '%s')",
			       path, field, file_of(wrapped));
	else
		rc = check_pem(wrapped, field, buf_str(&pem), pem.len, err);
	if (rc == 0)
		secret_set(ret, pem.data, pem.len);
	secret_wipe(pem.data, pem.cap);
	buf_release(&pem);
	return rc;
}

int entry_pem(const json_t *wrapped, const char *field, struct secret *ret, struct error *err)
{
	auto_free char *data_field = xasprintf("%s-data", field);
	auto_free char *data = NULL, *path = NULL;
	int rc;

	if (entry_text(wrapped, data_field, &data, err) != 0)
		return -1;
	if (data) {
		rc = pem_from_data(wrapped, field, data, ret, err);
		secret_wipe(data, strlen(data));
		return rc;
	}
	if (entry_path(wrapped, field, &path, err) != 0)
		return -1;
	return path ? pem_from_file(wrapped, field, path, ret, err) : 0;
}
