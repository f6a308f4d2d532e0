#include <curl/curl.h>
#include <string.h>

#include "jdiag/http/internal.h"

/* A method that usually has a body says Content-Length: 0 when there is none. */
static bool wants_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	       strcmp(method, "PATCH") == 0;
}

static void set_method(struct transfer *t, const struct http_request *req)
{
	if (req->body || wants_body(req->method)) {
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, req->body ? req->body : "");
	} else if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1l);
	}
	curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, req->method);
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)t->timeout_ms);
}

static int run(struct transfer *t, struct error *err)
{
	for (;;) {
		if (transfer_step(t, err) != 0)
			return -1;
		if (t->done)
			return 0;
		transfer_wait(t);
	}
}

int http_do(struct http_client *c, const struct http_request *req, struct http_response *ret,
	    struct error *err)
{
	auto_cleanup(transfer_close) struct transfer t = {0};

	if (transfer_open(&t, c, req, err) != 0)
		return -1;
	set_method(&t, req);
	if (transfer_start(&t, err) != 0 || run(&t, err) != 0)
		return -1;
	return transfer_result(&t, ret, err);
}
