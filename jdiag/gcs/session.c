#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/upload.h"
#include "jdiag/json.h"
#include "remote/base/log.h"

#define DELETE_TIMEOUT_MS 10000

int upload_broken_protocol(const struct gcs_upload *u, const char *what, struct error *err)
{
	return error_set(err, ERR_UPLOAD, "%s: the service %s", u->doing, what);
}

/* The session's address is as good as a password for the object: believed only where the request
 * went. */
static int take_session(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	char uri[8 * KiB];
	struct endpoint e;
	int ret = 0;

	if (!http_response_header(r, "Location", uri, sizeof(uri)))
		return upload_broken_protocol(u, "opened no session (no Location)", err);
	if (!endpoint_parse(uri, &e))
		ret = upload_broken_protocol(u, "gave a session that has no valid address", err);
	else if (!endpoint_same(&e, &u->g->endpoint))
		ret = error_set(err, ERR_UPLOAD,
				"%s: the session would lie elsewhere, at %s://%s:%u", u->doing,
				e.tls ? "https" : "http", e.host, (unsigned int)e.port);
	else
		secret_set(&u->session, uri, strlen(uri));
	secret_wipe(uri, sizeof(uri));
	return ret;
}

int upload_open_session(struct gcs_upload *u, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *all = gcs_bucket_url(u->g, "/upload/storage/v1", u->bucket);
	auto_buf struct buf url = BUF_INIT(8 * KiB);
	struct error why = {0};

	buf_addf(&url, "%s?uploadType=resumable&ifGenerationMatch=0&name=", all);
	http_escape(&url, u->object);
	/* with the precondition the request can be repeated: a session left over makes no object */
	if (gcs_do(u->g,
		   &(struct gcs_request){.method = "POST",
					 .url = buf_str(&url),
					 .content_type = "application/json; charset=UTF-8",
					 .extra_header = u->create_header,
					 .body = u->create_body,
					 .body_len = strlen(u->create_body)},
		   &r, &why) < 0)
		return gcs_failed(&why, u->doing, err);
	if (r.status != 200 && r.status != 201)
		return gcs_answer_error(u->g, &r, u->doing, u->bucket, err);
	return take_session(u, &r, err);
}

int gcs_upload_begin(struct gcs *g, const char *bucket, const char *object,
		     const char *content_type, const json_t *metadata, struct gcs_upload **ret,
		     struct error *err)
{
	struct gcs_upload *u;
	auto_json json_t *body = NULL;

	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	if (!content_type)
		content_type = "application/octet-stream";
	body = json_pack("{s:s,s:O*}", "contentType", content_type, "metadata", metadata);
	u = xcalloc(1, sizeof(*u));
	u->g = g;
	u->bucket = xstrdup(bucket);
	u->object = xstrdup(object);
	u->doing = xasprintf("cannot upload to 'gs://%s/%s'", bucket, object);
	u->create_body = json_to_line(body);
	u->create_header = xasprintf("X-Upload-Content-Type: %s", content_type);
	u->held = BUF_INIT(LEAST_CHUNK + GCS_QUANTUM);
	if (upload_open_session(u, err) < 0) {
		gcs_upload_free(u);
		return -1;
	}
	*ret = u;
	return 0;
}

static void cancel(struct gcs_upload *u)
{
	const struct http_request req = {.method = "DELETE",
					 .url = secret_str(&u->session),
					 .timeout_ms = DELETE_TIMEOUT_MS,
					 .secret_url = true,
					 .cleaning_up = true};
	struct http_response r = {0};
	struct error why = {0};

	/* 499 is what a cancelled session answers; nothing is left to do when it does not */
	if (http_do(u->g->http, &req, &r, &why) < 0)
		log_at(LOG_DEBUG, "bucket: session not cancelled: %s", why.msg);
	else
		log_at(LOG_DEBUG, "bucket: session cancelled: %ld", r.status);
	http_response_release(&r);
}

void gcs_upload_free(struct gcs_upload *u)
{
	if (!u)
		return;
	http_put_abort(u->put);
	if (u->session.len && !u->done)
		cancel(u);
	secret_release(&u->session);
	free(u->bucket);
	free(u->object);
	free(u->doing);
	free(u->create_body);
	free(u->create_header);
	buf_release(&u->held);
	free(u);
}
