/* jdiag: requests over a stream of the caller's, here one to a server of this process. */
#include "jdiag/http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "tests/unit/server.h"

#define BIG (3 * MiB)

/* What podnet.c is with a helper, with a socket. */
struct way {
	struct http_stream stream;
	int near, far; /* libcurl's other end; the connection to the server */
	char out[4096];
	size_t out_len;
	char in[16384];
	size_t in_len;
	bool ended;
	unsigned int attached, pumped, fail_at;
};

static void attach(void *ctx, int fd)
{
	struct way *w = ctx;

	w->near = fd;
	w->attached++;
}

/* One piece from there to here; whether something moved. */
static bool move(int from, int to, char *piece, size_t size, size_t *len, bool *ended)
{
	ssize_t n = *len || *ended ? 0 : recv(from, piece, size, MSG_DONTWAIT);

	if (n > 0)
		*len = (size_t)n;
	else if (!*len && n == 0 && !*ended)
		*ended = true;
	if (!*len)
		return false;
	n = send(to, piece, *len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return false;
	memmove(piece, piece + n, *len - (size_t)n);
	*len -= (size_t)n;
	return true;
}

static int pump(void *ctx, struct error *err)
{
	struct way *w = ctx;
	bool closed = false;

	if (++w->pumped == w->fail_at)
		return error_set(err, ERR_SSH, "the way is lost");
	if (w->near < 0)
		return 0;
	while (move(w->near, w->far, w->out, sizeof(w->out), &w->out_len, &closed))
		;
	while (move(w->far, w->near, w->in, sizeof(w->in), &w->in_len, &w->ended))
		;
	if (w->ended && !w->in_len)
		shutdown(w->near, SHUT_WR);
	return 0;
}

static int poll_for(void *ctx, struct pollfd *fds, unsigned int max)
{
	struct way *w = ctx;

	assert_true(max >= 2);
	fds[0] = (struct pollfd){.fd = w->near, .events = w->in_len ? POLLIN | POLLOUT : POLLIN};
	fds[1] = (struct pollfd){.fd = w->far, .events = w->in_len || w->ended ? 0 : POLLIN};
	return w->near < 0 ? 0 : w->ended ? 1 : 2;
}

static void way_open(struct way *w, const struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons(s->port)};

	*w = (struct way){.near = -1, .stream = {attach, pump, poll_for, w}};
	w->far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(w->far, (struct sockaddr *)&a, sizeof(a)), 0);
}

static void way_close(struct way *w)
{
	fd_close(&w->near);
	fd_close(&w->far);
}

/* The URL's host is nobody's: nothing is looked up or connected. */
static int get(struct way *w, struct http_request *req, struct http_response *r, struct error *err)
{
	const struct http_options o = {.code = ERR_FAILED};
	struct http_client *c = http_client_new(&o);
	int rc;

	req->method = "GET";
	req->url = "http://192.0.2.1:9404/metrics";
	req->stream = &w->stream;
	rc = http_do(c, req, r, err);
	http_client_free(c);
	return rc;
}

static int get_from(void (*handle)(struct server *, int, const char *), struct http_request *req,
		    struct http_response *r, struct error *err)
{
	struct server s;
	struct way w;
	int rc;

	server_start(&s, handle);
	way_open(&w, &s);
	rc = get(&w, req, r, err);
	assert_int_equal(w.attached, 1);
	way_close(&w);
	server_stop(&s);
	return rc;
}

static void head_back(struct server *s, int fd, const char *head)
{
	(void)s;
	server_answer(fd, "200 OK", "", head);
}

static void answer_comes_back(void **state)
{
	struct http_request req = {0};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	setenv("http_proxy", "http://192.0.2.2:1", 1);
	if (get_from(head_back, &req, &r, &err) < 0)
		fail_msg("%s", err.msg);
	unsetenv("http_proxy");
	assert_int_equal(r.status, 200);
	assert_memory_equal(buf_str(&r.body), "GET /metrics HTTP/1.1\r\n", 23);
	assert_non_null(strstr(buf_str(&r.body), "\r\nHost: 192.0.2.1:9404\r\n"));
	http_response_release(&r);
}

static void big(struct server *s, int fd, const char *head)
{
	char *body = xmalloc(BIG + 1);

	(void)s, (void)head;
	memset(body, 'x', BIG);
	body[BIG] = '\0';
	server_answer(fd, "200 OK", "", body);
	free(body);
}

static void much_comes_back(void **state)
{
	struct http_request req = {.max_body = BIG};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	if (get_from(big, &req, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.body.len, BIG);
	http_response_release(&r);
	req.max_body = BIG - 1;
	assert_int_equal(get_from(big, &req, &r, &err), -1);
	assert_int_equal(err.sys, EFBIG);
}

/* The answer ends with the connection. */
static void until_end(struct server *s, int fd, const char *head)
{
	(void)s, (void)head;
	server_send(fd, "HTTP/1.0 200 OK\r\n\r\nhello", 24);
	shutdown(fd, SHUT_WR);
}

static void end_is_seen(void **state)
{
	struct http_request req = {0};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	if (get_from(until_end, &req, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&r.body), "hello");
	http_response_release(&r);
}

static void hang_up(struct server *s, int fd, const char *head)
{
	(void)s, (void)head;
	shutdown(fd, SHUT_RDWR);
}

static void half(struct server *s, int fd, const char *head)
{
	(void)s, (void)head;
	server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 43);
	shutdown(fd, SHUT_RDWR);
}

static void nonsense(struct server *s, int fd, const char *head)
{
	(void)s, (void)head;
	server_send(fd, "SSH-2.0-x\r\n", 11);
	shutdown(fd, SHUT_RDWR);
}

static void silence(struct server *s, int fd, const char *head)
{
	char c;

	(void)s, (void)head;
	(void)!recv(fd, &c, 1, 0);
}

static void failures_are_told(void **state)
{
	static const struct {
		void (*handle)(struct server *, int, const char *);
		int sys;
	} cases[] = {
		{hang_up, ECONNRESET},
		{half, ECONNRESET},
		{nonsense, EPROTO},
		{silence, ETIMEDOUT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* 0: the default, which none of the others runs into */
		struct http_request req = {.timeout_ms = cases[i].sys == ETIMEDOUT ? 500 : 0};
		struct http_response r = {0};
		struct error err = {0};

		assert_int_equal(get_from(cases[i].handle, &req, &r, &err), -1);
		assert_int_equal(err.code, ERR_FAILED);
		assert_int_equal(err.sys, cases[i].sys);
	}
}

static void lost_way_is_told(void **state)
{
	struct http_request req = {0};
	struct http_response r = {0};
	struct error err = {0};
	struct server s;
	struct way w;

	(void)state;
	server_start(&s, silence);
	way_open(&w, &s);
	w.fail_at = 3;
	assert_int_equal(get(&w, &req, &r, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	assert_string_equal(err.msg, "the way is lost");
	way_close(&w);
	server_stop(&s);
}

/* A wait that did not see the stream would take 200 ms, each time and for each of the two
 * directions: the fastest of many tells, on the busiest machine. */
static void nothing_waits(void **state)
{
	uint64_t fastest = UINT64_MAX;

	(void)state;
	for (int i = 0; i < 30 || (i < 300 && fastest >= 150); i++) {
		struct http_request req = {0};
		struct http_response r = {0};
		struct error err = {0};
		uint64_t started = now_ms(), took;

		if (get_from(head_back, &req, &r, &err) < 0)
			fail_msg("%s", err.msg);
		took = now_ms() - started;
		fastest = took < fastest ? took : fastest;
		http_response_release(&r);
	}
	assert_true(fastest < 150);
}

/* Descriptors of a request end with it. */
static void nothing_is_left(void **state)
{
	int before, after;

	(void)state;
	before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	for (int i = 0; i < 3; i++) {
		struct http_request req = {.timeout_ms = 100};
		struct http_response r = {0};
		struct error err = {0};

		assert_int_equal(get_from(silence, &req, &r, &err), -1);
	}
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_back), cmocka_unit_test(much_comes_back),
		cmocka_unit_test(end_is_seen),	     cmocka_unit_test(failures_are_told),
		cmocka_unit_test(lost_way_is_told),  cmocka_unit_test(nothing_waits),
		cmocka_unit_test(nothing_is_left),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
