#include <string.h>

#include "jdiag/gcs/internal.h"
#include "remote/base/log.h"

static int send_once(struct gcs *g, const struct gcs_request *req, struct http_response *ret,
		     struct error *err)
{
	auto_free char *type =
		req->content_type ? xasprintf("Content-Type: %s", req->content_type) : NULL;
	auto_secret struct secret bearer = {0};
	const char *headers[4];
	size_t n = 0;

	if (g->token.value.len) {
		bearer.data = xasprintf("Authorization: Bearer %s", secret_str(&g->token.value));
		bearer.len = strlen(bearer.data);
		headers[n++] = bearer.data;
	}
	if (type)
		headers[n++] = type;
	if (req->extra_header)
		headers[n++] = req->extra_header;
	headers[n] = NULL;
	return http_do(g->http,
		       &(struct http_request){.method = req->method,
					      .url = req->url,
					      .headers = headers,
					      .body = req->body,
					      .body_len = req->body_len,
					      .max_body = req->max_body,
					      .timeout_ms = req->timeout_ms},
		       ret, err);
}

int gcs_do(struct gcs *g, const struct gcs_request *req, struct http_response *ret,
	   struct error *err)
{
	for (unsigned int failures = 0;;) {
		struct http_response r = {0};
		struct error why = {0};
		uint64_t wait;

		if (token_get(&g->token, err) < 0)
			return -1;
		if (send_once(g, req, &r, &why) < 0) {
			if (!gcs_retryable_error(&why) || failures + 1 >= GCS_TRIES_START) {
				if (err)
					*err = why;
				return -1;
			}
			log_at(LOG_DEBUG, "bucket: %s", why.msg);
			wait = 0;
		} else if (token_answered(&g->token, r.status)) {
			http_response_release(&r);
			continue;
		} else if (!gcs_retryable_status(r.status) || failures + 1 >= GCS_TRIES_START) {
			*ret = r;
			return 0;
		} else {
			wait = http_retry_after_ms(&r);
			http_response_release(&r);
		}
		if (gcs_backoff(&g->token, ++failures, wait, err) < 0)
			return -1;
	}
}
