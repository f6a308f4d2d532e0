#include "jdiag/gcs/permissions.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

static bool has(const json_t *names, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (names, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	return false;
}

int gcs_permissions_parse(const char *text, size_t len, struct gcs_permission *list, size_t n,
			  struct error *err)
{
	auto_json json_t *root = json_from_text(text, len, "answer of the bucket", ERR_UPLOAD, err);
	/* absent where none is granted */
	const json_t *names = json_at(root, "permissions");

	if (!root)
		return -1;
	if (!json_is_object(root) || (names && !json_is_array(names)))
		return error_set(err, ERR_UPLOAD, "answer of the bucket: no list of permissions");
	for (size_t i = 0; i < n; i++)
		list[i].granted = has(names, list[i].name);
	return 0;
}

int gcs_test_permissions(struct gcs *g, const char *bucket, struct gcs_permission *list, size_t n,
			 struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *doing = xasprintf("cannot ask what is permitted on 'gs://%s'", bucket);
	auto_buf struct buf url = BUF_INIT(8 * KiB);
	struct error why = {0};

	if (gcs_check_names(bucket, "object", err) < 0)
		return -1;
	buf_addf(&url, "%s/storage/v1/b/%s/iam/testPermissions", g->base, bucket);
	for (size_t i = 0; i < n; i++)
		buf_addf(&url, "%spermissions=%s", i ? "&" : "?", list[i].name);
	if (gcs_do(g, &(struct gcs_request){.method = "GET", .url = buf_str(&url)}, &r, &why) < 0)
		return gcs_failed(&why, doing, err);
	if (r.status != 200)
		return gcs_answer_error(g, &r, doing, bucket, err);
	return gcs_permissions_parse(buf_str(&r.body), r.body.len, list, n, err);
}

int gcs_permission_error(const struct gcs *g, const char *bucket, const struct gcs_permission *p,
			 struct error *err)
{
	auto_free char *whose = gcs_credentials_text(g);

	error_set(err, ERR_UPLOAD, "not permitted on 'gs://%s': %s, with the credentials of %s",
		  bucket, p->name, whose);
	return gcs_hint_grant(g, bucket, p->name, p->role, err);
}

char *gcs_credentials_text(const struct gcs *g)
{
	const struct credentials *c = &g->token.cred;

	if (c->kind == CRED_NONE)
		return xstrdup("nobody (STORAGE_EMULATOR_HOST is set)");
	return xasprintf("'%s'%s%s%s", credentials_from(c), c->account ? " (" : "",
			 c->account ? c->account : "", c->account ? ")" : "");
}
