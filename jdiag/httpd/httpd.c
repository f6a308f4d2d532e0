#include "jdiag/httpd/httpd.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jdiag/httpd/listen.h"
#include "remote/base/io.h"

#define TURN_MS 100    /* how often the thread looks at what is not a socket */
#define IDLE_SECONDS 5 /* a connection on which nothing moves */

struct connection {
	int fd; /* borrowed: libmicrohttpd's; -1: free */
	uint64_t end;
};

struct httpd {
	int listener; /* owned until the daemon has it */
	char address[HTTPD_ADDRESS_SIZE];
	uint64_t life_ms;
	struct MHD_Daemon *daemon; /* owned */
	pthread_t thread;
	atomic_bool stopping, failed;
	httpd_answer_fn *answer;
	void *ctx;
	struct connection connections[HTTPD_CONNECTIONS];
};

/* ---- how long a connection lives ---- */

static int socket_of(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static struct connection *find_connection(struct httpd *h, int fd)
{
	for (size_t i = 0; i < HTTPD_CONNECTIONS; i++)
		if (h->connections[i].fd == fd)
			return &h->connections[i];
	return NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode what)
{
	struct httpd *h = ctx;
	bool begins = what == MHD_CONNECTION_NOTIFY_STARTED;
	struct connection *one = find_connection(h, begins ? -1 : socket_of(c));

	(void)socket_ctx;
	if (!one)
		return;
	one->fd = begins ? socket_of(c) : -1;
	one->end = now_ms() + h->life_ms;
}

/* Only who moves nothing runs into libmicrohttpd's own time-out; who sends a byte each second would
 * stay for hours. It learns of the end by the socket. */
static void end_old_connections(struct httpd *h)
{
	uint64_t now = now_ms();

	for (size_t i = 0; i < HTTPD_CONNECTIONS; i++) {
		struct connection *c = &h->connections[i];

		if (c->fd < 0 || now < c->end)
			continue;
		shutdown(c->fd, SHUT_RDWR);
		c->end = UINT64_MAX;
	}
}

/* ---- answers ---- */

/* The body becomes libmicrohttpd's. */
static enum MHD_Result send_answer(struct MHD_Connection *c, struct httpd_answer *a)
{
	static const char *const headers[][2] = {
		{MHD_HTTP_HEADER_CONNECTION, "close"},
		{MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
		{"X-Content-Type-Options", "nosniff"},
	};
	struct MHD_Response *r =
		MHD_create_response_from_buffer(a->body.len, a->body.data, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result rc;

	if (!r)
		return MHD_NO;
	a->body = (struct buf){0};
	rc = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	for (size_t i = 0; rc == MHD_YES && i < ARRAY_SIZE(headers); i++)
		rc = MHD_add_response_header(r, headers[i][0], headers[i][1]);
	if (rc == MHD_YES && a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		rc = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (rc == MHD_YES)
		rc = MHD_queue_response(c, a->status, r);
	MHD_destroy_response(r);
	return rc;
}

static void set_text(struct httpd_answer *a, unsigned int status, const char *text)
{
	a->status = status;
	a->type = "text/plain; charset=utf-8";
	buf_reset(&a->body);
	buf_adds(&a->body, text);
}

/* Answered at the first call, with the head alone: a body is never read. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **request_ctx)
{
	struct httpd *h = ctx;
	struct httpd_answer a = {.body = BUF_INIT(256)};
	enum MHD_Result rc;

	(void)version;
	(void)data;
	(void)size;
	(void)request_ctx;
	set_text(&a, MHD_HTTP_NOT_FOUND, "not found\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		set_text(&a, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	else
		h->answer(h->ctx, url, &a);
	rc = a.body.overflow ? MHD_NO : send_answer(c, &a);
	buf_release(&a.body);
	return rc;
}

/* ---- its life ---- */

int httpd_open(struct httpd **ret, const char *listen, struct error *err)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->life_ms = HTTPD_LIFE_MS;
	for (size_t i = 0; i < HTTPD_CONNECTIONS; i++)
		h->connections[i].fd = -1;
	h->listener = httpd_listen(listen, h->address, err);
	if (h->listener < 0) {
		free(h);
		return -1;
	}
	*ret = h;
	return 0;
}

const char *httpd_address(const struct httpd *h)
{
	return h->address;
}

void httpd_set_life(struct httpd *h, uint64_t ms)
{
	h->life_ms = ms;
}

static void *serve(void *arg)
{
	struct httpd *h = arg;

	while (!h->stopping) {
		if (MHD_run_wait(h->daemon, TURN_MS) != MHD_YES) {
			h->failed = true;
			break;
		}
		end_old_connections(h);
	}
	return NULL;
}

/* A signal shall interrupt who waits in the main thread, not this one. */
static int start_thread(struct httpd *h)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&h->thread, NULL, serve, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int httpd_start(struct httpd *h, httpd_answer_fn *answer, void *ctx, struct error *err)
{
	int rc;

	h->answer = answer;
	h->ctx = ctx;
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h,
				     MHD_OPTION_LISTEN_SOCKET, h->listener,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTPD_CONNECTIONS,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_HEAD,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
				     on_connection, h, MHD_OPTION_END);
	if (!h->daemon)
		return error_set(err, ERR_FAILED, "cannot serve on '%s'", h->address);
	h->listener = -1;
	rc = start_thread(h);
	if (rc == 0)
		return 0;
	MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
	return error_sys(err, ERR_FAILED, rc, "cannot serve on '%s'", h->address);
}

int httpd_check(const struct httpd *h, struct error *err)
{
	return h->failed ? error_set(err, ERR_FAILED, "the server on '%s' has failed", h->address)
			 : 0;
}

void httpd_close(struct httpd *h)
{
	if (!h)
		return;
	if (h->daemon) {
		h->stopping = true;
		pthread_join(h->thread, NULL);
		MHD_stop_daemon(h->daemon);
	}
	fd_close(&h->listener);
	free(h);
}
