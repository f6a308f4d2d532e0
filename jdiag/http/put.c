/* A PUT whose body is pushed: libcurl pulls, so its read callback takes what http_put_write holds
 * out and pauses the sending half when there is nothing. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/http/internal.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

struct http_put {
	struct transfer transfer;
	const char *data; /* what http_put_write holds out */
	size_t len;
	uint64_t missing; /* bytes not yet written by the caller */
	bool paused;
	uint64_t sent, progress_at; /* stall clock */
};

static size_t on_read(char *dst, size_t size, size_t n, void *ctx)
{
	struct http_put *p = ctx;
	size_t take = size * n < p->len ? size * n : p->len;

	if (!take) {
		p->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	memcpy(dst, p->data, take);
	p->data += take;
	p->len -= take;
	return take;
}

int http_put_begin(struct http_client *c, const char *url, const char *const *headers,
		   uint64_t length, struct http_put **ret, struct error *err)
{
	const struct http_request req = {
		.method = "PUT", .url = url, .headers = headers, .secret_url = true};
	struct http_put *p = xcalloc(1, sizeof(*p));
	CURL *easy;

	p->missing = length;
	p->progress_at = now_ms();
	if (transfer_open(&p->transfer, c, &req, err) != 0)
		goto fail;
	easy = p->transfer.easy;
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1l);
	curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)length);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, HTTP_UPLOAD_BUFFER);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, p);
	if (transfer_start(&p->transfer, err) != 0 || transfer_step(&p->transfer, err) != 0)
		goto fail;
	*ret = p;
	return 0;
fail:
	http_put_abort(p);
	return -1;
}

/* Bytes taken from the caller or sent by libcurl count as progress. */
static int check_stall(struct http_put *p, struct error *err)
{
	uint64_t now = now_ms(), limit = p->transfer.client->stall_timeout_ms, sent;
	curl_off_t uploaded = 0;
	char text[16];

	curl_easy_getinfo(p->transfer.easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	sent = (uint64_t)uploaded + p->missing - p->len;
	if (sent != p->sent) {
		p->sent = sent;
		p->progress_at = now;
	}
	if (now - p->progress_at < limit)
		return 0;
	error_set(err, p->transfer.client->code, "upload to '%s' made no progress for %s",
		  p->transfer.shown, str_format_ms(text, limit));
	if (err)
		err->sys = ETIMEDOUT;
	return -1;
}

static int advance(struct http_put *p, bool can_wait, struct error *err)
{
	size_t before = p->len;

	if (p->paused && p->len) {
		p->paused = false;
		curl_easy_pause(p->transfer.easy, CURLPAUSE_CONT);
	}
	if (transfer_step(&p->transfer, err) != 0)
		return -1;
	if (p->transfer.done || (!can_wait && !p->len))
		return 0;
	if (p->len == before)
		transfer_wait(&p->transfer);
	return check_stall(p, err);
}

/* Done before the whole body was written: an early answer, or a broken connection. */
static int ended(struct http_put *p, bool *ret_answered, struct error *err)
{
	struct http_response none = {0};

	if (p->transfer.result != CURLE_OK)
		return transfer_result(&p->transfer, &none, err);
	*ret_answered = true;
	return 0;
}

int http_put_write(struct http_put *p, const void *data, size_t len, bool *ret_answered,
		   struct error *err)
{
	*ret_answered = false;
	if (len > p->missing)
		return error_set(err, ERR_FAILED, "more bytes to upload than were announced");
	p->data = data;
	p->len = len;
	p->progress_at = now_ms(); /* the time between two writes is the caller's */
	while (p->len && !p->transfer.done) {
		if (advance(p, false, err) != 0) {
			p->len = 0;
			return -1;
		}
	}
	p->missing -= len;
	if (!p->len && !(p->transfer.done && p->missing))
		return 0;
	p->len = 0;
	return ended(p, ret_answered, err);
}

int http_put_finish(struct http_put *p, struct http_response *ret, struct error *err)
{
	if (p->missing && !p->transfer.done)
		return error_set(err, ERR_FAILED, "fewer bytes to upload than were announced");
	p->progress_at = now_ms();
	while (!p->transfer.done) {
		if (advance(p, true, err) != 0)
			return -1;
	}
	return transfer_result(&p->transfer, ret, err);
}

void http_put_abort(struct http_put *p)
{
	if (!p)
		return;
	transfer_close(&p->transfer);
	free(p);
}
