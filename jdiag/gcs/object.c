/* Reading an object: what it is, and its bytes in ranges. */
#include <string.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define READ_TIMEOUT_MS 120000

static char *object_url(const struct gcs *g, const char *bucket, const char *object,
			const char *query)
{
	auto_free char *all = gcs_bucket_url(g, "/storage/v1", bucket);
	auto_buf struct buf url = BUF_INIT(8 * KiB);

	buf_addf(&url, "%s/", all);
	http_escape(&url, object);
	buf_adds(&url, query);
	return xstrdup(buf_str(&url));
}

/* What reading is refused for is another permission than writing's. */
static int refused(const struct gcs *g, const struct http_response *r, const char *doing,
		   const char *bucket, struct error *err)
{
	gcs_answer_error(g, r, doing, bucket, err);
	if (r->status != 403)
		return -1;
	return gcs_hint_grant(g, bucket, "storage.objects.get", "roles/storage.objectViewer", err);
}

static int not_there(const char *bucket, const char *object, struct error *err)
{
	return error_set(err, ERR_TARGET, "there is no object 'gs://%s/%s'", bucket, object);
}

static bool parse_crc(const char *text, uint32_t *ret)
{
	auto_buf struct buf b = BUF_INIT(16);
	const unsigned char *d;

	if (!base64_decode(&b, text, strlen(text)) || b.len != 4)
		return false;
	d = (const unsigned char *)b.data;
	*ret = (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
	return true;
}

static int parse_object(const struct http_response *r, const char *doing, struct gcs_object *ret,
			struct error *err)
{
	auto_json json_t *root = json_from_text(buf_str(&r->body), r->body.len,
						"answer of the bucket", ERR_UPLOAD, err);
	struct gcs_object o = {0};

	if (!root)
		return -1;
	if (!str_to_u64(json_str_at(root, "size", ""), INT64_MAX, &o.size) ||
	    !str_to_u64(json_str_at(root, "generation", ""), INT64_MAX, &o.generation))
		return error_set(err, ERR_UPLOAD, "%s: the answer has no size or no generation",
				 doing);
	o.has_crc = parse_crc(json_str_at(root, "crc32c", ""), &o.crc);
	*ret = o;
	return 0;
}

int gcs_object_look(struct gcs *g, const char *bucket, const char *object, struct gcs_object *ret,
		    struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *url = object_url(g, bucket, object, "?fields=name,size,crc32c,generation");
	auto_free char *doing = xasprintf("cannot look at 'gs://%s/%s'", bucket, object);
	struct error why = {0};

	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	if (gcs_do(g, &(struct gcs_request){.method = "GET", .url = url}, &r, &why) < 0)
		return gcs_failed(&why, doing, err);
	if (r.status == 404)
		return not_there(bucket, object, err);
	if (r.status != 200)
		return refused(g, &r, doing, bucket, err);
	return parse_object(&r, doing, ret, err);
}

int gcs_object_read(struct gcs *g, const char *bucket, const char *object,
		    const struct gcs_object *o, uint64_t offset, void *buf, size_t len,
		    size_t *ret_len, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *query =
		xasprintf("?alt=media&generation=%llu", (unsigned long long)o->generation);
	auto_free char *url = object_url(g, bucket, object, query);
	auto_free char *doing = xasprintf("cannot read 'gs://%s/%s'", bucket, object);
	auto_free char *range = NULL;
	struct error why = {0};

	if (offset >= o->size) {
		*ret_len = 0;
		return 0;
	}
	if (len > o->size - offset)
		len = (size_t)(o->size - offset);
	range = xasprintf("Range: bytes=%llu-%llu", (unsigned long long)offset,
			  (unsigned long long)(offset + len - 1));
	if (gcs_do(g,
		   &(struct gcs_request){.method = "GET",
					 .url = url,
					 .extra_header = range,
					 .max_body = len,
					 .timeout_ms = READ_TIMEOUT_MS},
		   &r, &why) < 0)
		return gcs_failed(&why, doing, err);
	if (r.status == 404)
		return not_there(bucket, object, err);
	if (r.status != 206 && !(r.status == 200 && len == o->size))
		return refused(g, &r, doing, bucket, err);
	if (r.body.len != len)
		return error_set(err, ERR_UPLOAD, "%s: %zu bytes came instead of %zu", doing,
				 r.body.len, len);
	memcpy(buf, r.body.data, len);
	*ret_len = len;
	return 0;
}
