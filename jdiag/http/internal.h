/* What the parts of http/ share: the client's state, and one transfer on libcurl's multi interface.
 * libcurl's handles are void * to everybody but this folder's .c files (curl.h says the same). */
#ifndef JDIAG_HTTP_INTERNAL_H
#define JDIAG_HTTP_INTERNAL_H

#include "jdiag/http/http.h"

struct curl_slist;

#define HTTP_WAIT_MS 200
#define HTTP_MAX_HEADERS (64 * 1024ul)
#define HTTP_UPLOAD_BUFFER (512 * 1024l)

struct http_client {
	void *multi; /* owns the connections */
	char *ca_pem, *ca_file, *cert_pem, *key_pem, *server_name, *proxy;
	bool no_proxy, insecure;
	uint64_t connect_timeout_ms, stall_timeout_ms;
	enum err_code code;
	int (*tick)(void *ctx, struct error *err);
	void *tick_ctx;
	uint64_t next_tick;
};

struct transfer {
	struct http_client *client;
	const struct http_stream *stream;	 /* borrowed, or NULL */
	int listener;				 /* where libcurl gets its end of it; 0: none */
	void *easy, *url;			 /* CURL, CURLU */
	struct curl_slist *headers, *connect_to; /* owned */
	struct http_response response;
	char shown[512]; /* the URL as errors show it */
	char method[16];
	char curl_text[256]; /* CURL_ERROR_SIZE */
	uint64_t started, timeout_ms;
	bool cleaning_up, too_large, done;
	int result; /* CURLcode, when done */
};

/* Prepare the handle for url; the caller sets method and body and then calls transfer_start.
 * t starts zeroed; transfer_close after success and failure alike. */
int transfer_open(struct transfer *t, struct http_client *c, const struct http_request *req,
		  struct error *err) must_check;
int transfer_start(struct transfer *t, struct error *err) must_check;

/* Do what can be done at once. -1: interrupted, or tick said so. */
int transfer_step(struct transfer *t, struct error *err) must_check;

/* Wait at most HTTP_WAIT_MS for something to do. */
void transfer_wait(struct transfer *t);

/* Of a transfer that is done: 0 with the response moved to ret, or why there is none. */
int transfer_result(struct transfer *t, struct http_response *ret, struct error *err) must_check;

void transfer_close(struct transfer *t);

/* Of a transfer that has a stream (stream.c): its options; what is to be done after each step of
 * libcurl; the wait for both. */
void stream_apply(struct transfer *t);
int stream_step(struct transfer *t, struct error *err) must_check;
void stream_wait(struct transfer *t);
void stream_stop(struct transfer *t);

/* Put the client's TLS and proxy settings on the handle. */
void client_apply(const struct http_client *c, void *easy);

#endif
