#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jdiag/http/internal.h"
#include "jdiag/interrupt.h"
#include "jdiag/secret.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define REQUEST_TIMEOUT_MS 30000

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	buf_add(&t->response.body, data, size * n);
	if (!t->response.body.overflow)
		return size * n;
	t->too_large = true;
	return 0;
}

/* One line at a time. Interim answers (100 Continue) come first: only the last set is kept. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct buf *b = &t->response.headers;
	size_t len = size * n;

	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
		buf_reset(b);
	while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	buf_add(b, data, len);
	buf_adds(b, "\n");
	if (!b->overflow)
		return size * n;
	t->too_large = true;
	return 0;
}

/* A part of the URL in memory of ours; "" when it has none. */
static char *url_part(CURLU *u, CURLUPart part, unsigned int flags)
{
	char *s = NULL, *copy;

	if (curl_url_get(u, part, &s, flags) != CURLUE_OK)
		return xstrdup("");
	copy = xstrdup(s);
	curl_free(s);
	return copy;
}

static void add_header(struct transfer *t, const char *line)
{
	struct curl_slist *more = curl_slist_append(t->headers, line);

	if (!more)
		die_oom();
	t->headers = more;
}

/* Verify and send another name than the URL's host: the URL gets that name, the connection goes
 * where the URL went, and the Host header stays (client-go's tls-server-name changes only TLS). */
static void rename_host(struct transfer *t, CURLU *u, const char *host, const char *port)
{
	const char *name = t->client->server_name;
	auto_free char *own_port = url_part(u, CURLUPART_PORT, 0);
	auto_free char *to = xasprintf("::%s:%s", host, port);
	auto_free char *header = xasprintf("Host: %s%s%s", host, *own_port ? ":" : "", own_port);
	auto_free char *literal = strchr(name, ':') ? xasprintf("[%s]", name) : xstrdup(name);

	if (curl_url_set(u, CURLUPART_HOST, literal, 0) != CURLUE_OK)
		return; /* not a name: the handshake will say so about the old one */
	t->connect_to = curl_slist_append(NULL, to);
	if (!t->connect_to)
		die_oom();
	curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
	add_header(t, header);
}

/* kind, k3s and tests live on loopback; Go never sends that to a proxy of the environment, curl
 * would. */
static void spare_loopback(struct transfer *t, const char *host)
{
	if (t->client->proxy)
		return;
	if (strcasecmp(host, "localhost") == 0 || str_starts(host, "127.") ||
	    strcmp(host, "[::1]") == 0)
		curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
}

static int set_url(struct transfer *t, CURLU *u, const struct http_request *req, struct error *err)
{
	auto_free char *scheme = NULL, *host = NULL, *port = NULL, *own_port = NULL, *path = NULL;

	if (curl_url_set(u, CURLUPART_URL, req->url, 0) != CURLUE_OK) {
		error_set(err, t->client->code, "a request cannot be sent: its URL is not valid");
		goto invalid;
	}
	scheme = url_part(u, CURLUPART_SCHEME, 0);
	host = url_part(u, CURLUPART_HOST, 0);
	port = url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	own_port = url_part(u, CURLUPART_PORT, 0);
	path = req->secret_url ? xstrdup("") : url_part(u, CURLUPART_PATH, 0);
	snprintf(t->shown, sizeof(t->shown), "%s://%s%s%s%s", scheme, host, *own_port ? ":" : "",
		 own_port, path);
	if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
		error_set(err, t->client->code, "'%s' is neither http nor https", t->shown);
		goto invalid;
	}
	spare_loopback(t, host);
	if (t->client->server_name && strcmp(scheme, "https") == 0)
		rename_host(t, u, host, port);
	curl_easy_setopt(t->easy, CURLOPT_CURLU, u);
	return 0;
invalid:
	if (err)
		err->sys = EINVAL;
	return -1;
}

/* A line break in a value would be a header, or a request, of somebody else's making. */
static int set_headers(struct transfer *t, const struct http_request *req, struct error *err)
{
	bool has_type = false;

	for (const char *const *h = req->headers; h && *h; h++) {
		int name = (int)strcspn(*h, ":");

		for (const char *s = *h; *s; s++) {
			if (((unsigned char)*s >= 0x20 || *s == '\t') && *s != 0x7f)
				continue;
			error_set(err, t->client->code,
				  "cannot send header '%.*s': its value has a control character",
				  name, *h);
			if (err)
				err->sys = EINVAL;
			return -1;
		}
		if (strncasecmp(*h, "Content-Type:", 13) == 0)
			has_type = true;
		add_header(t, *h);
	}
	add_header(t, "Expect:");
	if (!has_type)
		add_header(t, "Content-Type:"); /* else curl calls every body a form */
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	return 0;
}

static void set_policy(struct transfer *t)
{
	CURL *easy = t->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0l);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1l);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1l);
	/* an interrupted lookup does not wait for its thread */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1l);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "jdiag/" JDIAG_VERSION);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
}

int transfer_open(struct transfer *t, struct http_client *c, const struct http_request *req,
		  struct error *err)
{
	CURLU *u = curl_url();
	int rc;

	t->client = c;
	t->easy = curl_easy_init();
	if (!t->easy || !u)
		die_oom();
	t->response.body = BUF_INIT(req->max_body ? req->max_body : MAX_HTTP_BODY);
	t->response.headers = BUF_INIT(HTTP_MAX_HEADERS);
	t->cleaning_up = req->cleaning_up;
	t->timeout_ms = req->timeout_ms ? req->timeout_ms : REQUEST_TIMEOUT_MS;
	snprintf(t->method, sizeof(t->method), "%s", req->method);
	set_policy(t);
	client_apply(c, t->easy);
	t->stream = req->stream;
	if (t->stream)
		stream_apply(t);
	rc = set_url(t, u, req, err);
	if (rc == 0)
		rc = set_headers(t, req, err);
	/* curl 7.88 reads the CURLU when the transfer begins, not when it is set */
	if (rc == 0)
		t->url = u;
	else
		curl_url_cleanup(u);
	return rc;
}

int transfer_start(struct transfer *t, struct error *err)
{
	t->started = now_ms();
	if (curl_multi_add_handle(t->client->multi, t->easy) == CURLM_OK)
		return 0;
	return error_set(err, t->client->code, "cannot start a request to '%s'", t->shown);
}

static int call_tick(struct http_client *c, struct error *err)
{
	uint64_t now = now_ms();

	if (!c->tick || now < c->next_tick)
		return 0;
	c->next_tick = now + HTTP_WAIT_MS;
	return c->tick(c->tick_ctx, err);
}

/* Several transfers may share the client: each end is noted where it belongs. */
static void note_ends(CURLM *multi)
{
	const CURLMsg *msg;
	struct transfer *t;
	int left;

	while ((msg = curl_multi_info_read(multi, &left))) {
		if (msg->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t) != CURLE_OK)
			continue;
		t->done = true;
		t->result = (int)msg->data.result;
	}
}

int transfer_step(struct transfer *t, struct error *err)
{
	int running;

	if (curl_multi_perform(t->client->multi, &running) != CURLM_OK)
		die_oom(); /* the other reasons are misuse of the handle */
	note_ends(t->client->multi);
	if (t->stream && !t->done && stream_step(t, err) < 0)
		return -1;
	if (t->cleaning_up)
		return 0;
	if (interrupt_check(err) != 0)
		return -1;
	return call_tick(t->client, err);
}

void transfer_wait(struct transfer *t)
{
	if (t->stream)
		stream_wait(t);
	else
		curl_multi_poll(t->client->multi, NULL, 0, HTTP_WAIT_MS, NULL);
}

void transfer_close(struct transfer *t)
{
	if (t->easy) {
		curl_multi_remove_handle(t->client->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	for (struct curl_slist *h = t->headers; h; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	stream_stop(t);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	curl_url_cleanup(t->url);
	http_response_release(&t->response);
	*t = (struct transfer){0};
}
