#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define DEFAULT_BASE "https://storage.googleapis.com"
#define API_SUFFIX "/storage/v1"
#define LOOK_TIMEOUT_MS 5000
#define MAX_OBJECT_NAME 1024 /* https://cloud.google.com/storage/docs/objects */

static int bad_variable(struct error *err, const char *name, const char *value, const char *hint)
{
	error_set(err, ERR_USAGE, "%s: '%s' cannot be used as the address of the service", name,
		  value);
	return error_hint(err, "%s", hint);
}

/* An emulator gets no credentials, so it may be anywhere; another address of the real service gets
 * them, so it may not. */
static int find_base(struct gcs *g, bool *ret_emulator, struct error *err)
{
	static const char emulator_name[] = "STORAGE_EMULATOR_HOST";
	static const char override_name[] = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE";
	const char *emulator = getenv(emulator_name), *override = getenv(override_name);

	*ret_emulator = emulator && *emulator;
	if (*ret_emulator) {
		g->base = endpoint_base(emulator, API_SUFFIX);
		if (!endpoint_parse(g->base, &g->endpoint) || !endpoint_is_base(g->base))
			return bad_variable(err, emulator_name, emulator,
					    "use HOST:PORT or http://HOST:PORT");
		return 0;
	}
	g->base = endpoint_base(override && *override ? override : DEFAULT_BASE, API_SUFFIX);
	if (!endpoint_parse(g->base, &g->endpoint) || !endpoint_is_base(g->base) ||
	    !endpoint_may_see_secrets(&g->endpoint))
		return bad_variable(err, override_name, override ? override : "",
				    "only https://*.googleapis.com (or loopback) is trusted with "
				    "credentials");
	return 0;
}

int gcs_open(struct gcs **ret, const struct gcs_options *o, struct error *err)
{
	struct gcs *g = xcalloc(1, sizeof(*g));
	struct http_options http = {.code = ERR_UPLOAD};
	bool emulator;

	g->token = (struct google_token){.scope = SCOPE_STORAGE,
					 .code = ERR_UPLOAD,
					 .tick = o->tick,
					 .tick_ctx = o->tick_ctx};
	if (find_base(g, &emulator, err) < 0 ||
	    (!emulator && credentials_find(&g->token.cred, o->token_command, err) < 0)) {
		gcs_close(g);
		return -1;
	}
	http.no_proxy = endpoint_is_loopback(&g->endpoint);
	g->http = http_client_new(&http);
	http_client_set_tick(g->http, o->tick, o->tick_ctx);
	*ret = g;
	return 0;
}

void gcs_close(struct gcs *g)
{
	if (!g)
		return;
	http_client_free(g->http);
	token_release(&g->token);
	free(g->base);
	free(g);
}

static bool is_utf8(const char *s)
{
	size_t len = strlen(s), n;

	for (; len; s += n, len -= n) {
		n = (unsigned char)*s < 0x80 ? 1 : str_utf8_sequence(s, len);
		if (!n)
			return false;
	}
	return true;
}

int gcs_check_names(const char *bucket, const char *object, struct error *err)
{
	size_t n = strlen(bucket), m = strlen(object);

	if (n < 3 || n > 222 || !str_only(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-_.")) {
		error_set(err, ERR_USAGE, "'%s' is not the name of a bucket", bucket);
		return error_hint(err,
				  "destinations are gs://BUCKET/PREFIX/ or gs://BUCKET/OBJECT, "
				  "with the bucket in lower case");
	}
	if (m == 0 || m > MAX_OBJECT_NAME || strpbrk(object, "\r\n") || !is_utf8(object) ||
	    strcmp(object, ".") == 0 || strcmp(object, "..") == 0 ||
	    str_starts(object, ".well-known/acme-challenge/"))
		return error_set(err, ERR_USAGE, "'%s' cannot be the name of an object", object);
	return 0;
}

int gcs_split_url(const char *url, char **ret_bucket, char **ret_object, struct error *err)
{
	const char *at = str_starts(url, "gs://") ? url + strlen("gs://") : "";
	size_t n = strcspn(at, "/");
	auto_free char *bucket = xstrndup(at, n);
	auto_free char *object = xstrdup(at + n + (at[n] == '/'));

	if (!*object) {
		error_set(err, ERR_USAGE, "'%s' names no object", url);
		return error_hint(err, "an object is gs://BUCKET/OBJECT");
	}
	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	*ret_bucket = STEAL(bucket);
	*ret_object = STEAL(object);
	return 0;
}

char *gcs_bucket_url(const struct gcs *g, const char *prefix, const char *bucket)
{
	return xasprintf("%s%s/b/%s/o", g->base, prefix, bucket);
}

/* GET of the object's metadata. */
static int look(struct gcs *g, const char *bucket, const char *object, struct http_response *ret,
		struct error *err)
{
	auto_free char *all = gcs_bucket_url(g, API_SUFFIX, bucket);
	auto_buf struct buf url = BUF_INIT(8 * KiB);

	buf_addf(&url, "%s/", all);
	http_escape(&url, object);
	buf_adds(&url, "?fields=name,size,crc32c");
	return gcs_do(g, &(struct gcs_request){.method = "GET", .url = buf_str(&url)}, ret, err);
}

int gcs_check_absent(struct gcs *g, const char *bucket, const char *object, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *doing = xasprintf("cannot upload to 'gs://%s/%s'", bucket, object);
	struct error why = {0};

	if (look(g, bucket, object, &r, &why) < 0)
		return gcs_failed(&why, doing, err);
	if (r.status != 200)
		return 0;
	r.status = 412;
	return gcs_answer_error(g, &r, doing, bucket, err);
}

/* Asked without credentials, the service says what everybody may do:
 * https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions */
bool gcs_is_public(struct gcs *g, const char *bucket)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *url = xasprintf("%s" API_SUFFIX "/b/%s/iam/testPermissions"
					"?permissions=storage.objects.get",
					g->base, bucket);
	const struct http_request req = {
		.method = "GET", .url = url, .timeout_ms = LOOK_TIMEOUT_MS};
	auto_json json_t *root = NULL;

	if (g->token.cred.kind == CRED_NONE || http_do(g->http, &req, &r, NULL) < 0 ||
	    r.status != 200)
		return false;
	root = json_from_text(buf_str(&r.body), r.body.len, "answer", ERR_UPLOAD, NULL);
	return json_array_size(json_at(root, "permissions")) > 0;
}

int gcs_is_same(struct gcs *g, const char *bucket, const char *object, uint64_t size, uint32_t crc,
		struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};

	if (look(g, bucket, object, &r, err) < 0)
		return -1;
	if (r.status != 200)
		return error_set(err, ERR_UPLOAD, "cannot look at 'gs://%s/%s': status %ld", bucket,
				 object, r.status);
	return gcs_check_object(&r, object, size, crc, err);
}

static void add_multipart(struct buf *body, const char *boundary, const char *object,
			  const char *content_type, const char *data, size_t len, uint32_t crc)
{
	char crc_text[16];
	auto_json json_t *meta = json_pack("{s:s,s:s,s:s}", "name", object, "contentType",
					   content_type, "crc32c", gcs_crc_text(crc_text, crc));
	auto_free char *line = json_to_line(meta);

	buf_addf(body, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n",
		 boundary, line);
	buf_addf(body, "--%s\r\nContent-Type: %s\r\n\r\n", boundary, content_type);
	buf_add(body, data, len);
	buf_addf(body, "\r\n--%s--\r\n", boundary);
}

int gcs_put_small(struct gcs *g, const char *bucket, const char *object, const char *content_type,
		  const char *data, size_t len, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *all = gcs_bucket_url(g, "/upload" API_SUFFIX, bucket);
	auto_free char *url = xasprintf("%s?uploadType=multipart&ifGenerationMatch=0", all);
	auto_free char *doing = xasprintf("cannot upload to 'gs://%s/%s'", bucket, object);
	auto_free char *type = NULL;
	auto_buf struct buf body = BUF_INIT(len + 8 * KiB);
	uint32_t crc = crc32c(0, data, len);
	struct error why = {0};
	unsigned char random[16];
	char boundary[2 * sizeof(random) + 1];

	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	crypto_random(random, sizeof(random));
	str_hex(boundary, random, sizeof(random));
	add_multipart(&body, boundary, object, content_type, data, len, crc);
	type = xasprintf("multipart/related; boundary=%s", boundary);
	if (gcs_do(g,
		   &(struct gcs_request){.method = "POST",
					 .url = url,
					 .content_type = type,
					 .body = body.data,
					 .body_len = body.len},
		   &r, &why) < 0)
		return gcs_failed(&why, doing, err);
	if (r.status == 200 || r.status == 201)
		return gcs_check_object(&r, object, len, crc, err);
	/* an attempt before, whose answer was lost, may have been the one that made it */
	if (r.status == 412 && gcs_is_same(g, bucket, object, len, crc, NULL) == 0)
		return 0;
	return gcs_answer_error(g, &r, doing, bucket, err);
}
