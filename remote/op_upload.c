/* upload: send a finished artifact from the node, with its own curl. */
#include <stdlib.h>
#include <string.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"
#include "remote/upload/curl.h"

#define MAX_URI (8 * KiB)
#define MAX_HEADERS 8
#define PORTION (256 * KiB)
#define PROGRESS_MS 500
#define MAX_TEXT 4096

struct work {
	struct spool spool;
	struct spool_state state;
	struct spool_reader *reader;
	struct curl curl;
	char *headers[MAX_HEADERS]; /* owned */
	size_t n_headers;
	uint64_t offset, told;
	char *portion; /* bytes from portion_at on that the pipe has not taken yet */
	size_t portion_at, portion_len;
};

static int add_header(void *ctx, const char *line, struct error *err)
{
	struct work *k = ctx;

	if (k->n_headers == MAX_HEADERS || !curl_header_is_safe(line))
		return error_set(err, ERR_USAGE, "a header of the upload cannot be used");
	k->headers[k->n_headers++] = xstrdup(line);
	return 0;
}

static int open_spool(struct work *k, const char *id, struct error *err)
{
	if (spool_find(id, &k->spool, err) < 0 || spool_load(&k->spool, &k->state, err) < 0)
		return -1;
	if (k->state.phase != SPOOL_COMPLETE)
		return error_set(err, ERR_FAILED, "the capture is not complete");
	if (k->offset > k->state.stored)
		return error_set(err, ERR_FAILED, "the artifact has only %llu bytes",
				 (unsigned long long)k->state.stored);
	k->reader = spool_reader_new(&k->spool, err);
	return k->reader ? 0 : -1;
}

/* Wiped by the caller: it is as good as a password for the object. */
static int take_uri(const struct op_request *r, char *uri, size_t size, struct error *err)
{
	struct error ignored; /* its text might hold the address */

	if (jsonr_string(&r->params, "uri", uri, size, &ignored) < 0 || !curl_text_is_safe(uri) ||
	    (!str_starts(uri, "https://") && !str_starts(uri, "http://")))
		return error_set(err, ERR_USAGE, "the address of the upload cannot be used");
	return 0;
}

static int begin(struct op_request *r, struct work *k, struct error *err)
{
	char id[SPOOL_ID_SIZE] = "", uri[MAX_URI] = "";
	int rc;

	if (jsonr_string(&r->params, "id", id, sizeof(id), err) < 0 ||
	    jsonr_u64(&r->params, "offset", &k->offset, err) < 0 ||
	    jsonr_each_string(&r->params, "headers", add_header, k, err) < 0 ||
	    open_spool(k, id, err) < 0)
		return -1;
	rc = take_uri(r, uri, sizeof(uri), err);
	if (rc == 0)
		rc = curl_start(&k->curl, uri, (const char *const *)k->headers, k->n_headers,
				k->state.stored - k->offset, err);
	explicit_bzero(uri, sizeof(uri));
	return rc;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));

	(void)h;
	k->spool = SPOOL_INIT;
	k->curl = CURL_INIT;
	k->portion = xmalloc(PORTION);
	r->state = k;
	return begin(r, k, err);
}

static int next_portion(struct work *k, struct error *err)
{
	if (spool_reader_read(k->reader, &k->state, k->offset, k->portion, PORTION, &k->portion_len,
			      err) < 0)
		return -1;
	k->portion_at = 0;
	k->offset += k->portion_len;
	return 0;
}

/* As much as the pipe takes. */
static int feed(struct work *k, struct error *err)
{
	while (k->curl.in >= 0) {
		ssize_t n;

		if (k->portion_at == k->portion_len) {
			if (next_portion(k, err) < 0)
				return -1;
			if (!k->portion_len) {
				curl_finish(&k->curl);
				break;
			}
		}
		n = curl_write(&k->curl, k->portion + k->portion_at,
			       k->portion_len - k->portion_at);
		if (n <= 0)
			break;
		k->portion_at += (size_t)n;
	}
	return 0;
}

static void tell_progress(struct helper_state *h, const struct op_request *r)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(256);
	struct jsonw w = {.b = &b};

	if (now_ms() - k->told < PROGRESS_MS || !conn_is_idle(h->conn))
		return;
	k->told = now_ms();
	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "bytes", k->offset - (k->portion_len - k->portion_at));
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_PROGRESS, r->id, &b);
}

static int tell_result(struct helper_state *h, const struct op_request *r, unsigned int status)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};

	if (k->curl.said.len > MAX_TEXT)
		k->curl.said.data[MAX_TEXT] = '\0';
	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "status", status);
	jsonw_u64(&w, "bytes", k->offset - (k->portion_len - k->portion_at));
	jsonw_string(&w, "text", buf_str(&k->curl.said));
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	unsigned int status;

	if (feed(k, err) < 0)
		return -1;
	if (curl_read(&k->curl, &status))
		return tell_result(h, r, status);
	tell_progress(h, r);
	return 0;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;
	unsigned int n = 0;

	if (*interval_ms > PROGRESS_MS)
		*interval_ms = PROGRESS_MS;
	if (n < max && k->curl.out >= 0)
		fds[n++] = (struct pollfd){.fd = k->curl.out, .events = POLLIN};
	if (n < max && k->curl.in >= 0)
		fds[n++] = (struct pollfd){.fd = k->curl.in, .events = POLLOUT};
	return n;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	(void)h;
	curl_stop(&k->curl);
	spool_reader_free(k->reader);
	spool_state_release(&k->state);
	spool_close(&k->spool);
	for (size_t i = 0; i < k->n_headers; i++)
		free(k->headers[i]);
	free(k->portion);
	free(k);
	r->state = NULL;
}

const struct op op_upload = {
	.name = "upload",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
