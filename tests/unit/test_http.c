/* jdiag */
#include "jdiag/http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "tests/unit/server.h"

static struct http_client *new_client(void)
{
	const struct http_options o = {.no_proxy = true, .code = ERR_API};

	return http_client_new(&o);
}

/* One GET of path from a server that behaves as handle does. */
static int get(void (*handle)(struct server *, int, const char *), struct http_request *req,
	       struct http_response *r, struct error *err)
{
	struct server s;
	struct http_client *c = new_client();
	char url[128];
	int rc;

	server_start(&s, handle);
	snprintf(url, sizeof(url), "%s%s", s.url, req->url ? req->url : "/");
	req->url = url;
	if (!req->method)
		req->method = "GET";
	rc = http_do(c, req, r, err);
	req->url = NULL;
	http_client_free(c);
	server_stop(&s);
	return rc;
}

static void echo(struct server *s, int fd, const char *head)
{
	const char *length = strcasestr(head, "\r\nContent-Length: ");
	size_t n = length ? strtoul(length + 18, NULL, 10) : 0;

	(void)s;
	server_take(fd, n);
	server_answer(fd, "200 OK", "X-Twice: a\r\nx-twice:  b \r\n", head);
}

static void answer_comes_back(void **state)
{
	const char *const headers[] = {"Authorization: Bearer abc", NULL};
	struct http_request req = {.url = "/x?y=z", .headers = headers};
	struct http_response r = {0};
	struct error err = {0};
	char value[8];

	(void)state;
	assert_int_equal(get(echo, &req, &r, &err), 0);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(buf_str(&r.body), "GET /x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(buf_str(&r.body), "\r\nAuthorization: Bearer abc\r\n"));
	assert_null(strcasestr(buf_str(&r.body), "expect:"));
	assert_true(http_response_header(&r, "X-TWICE", value, sizeof(value)));
	assert_string_equal(value, "b");
	assert_false(http_response_header(&r, "X-Twic", value, sizeof(value)));
	assert_false(http_response_header(&r, "Content-Length", value, 2));
	http_response_release(&r);
}

static void body_is_sent(void **state)
{
	struct http_request req = {.method = "POST", .body = "hello", .body_len = 5};
	struct http_request empty = {.method = "PUT"};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(get(echo, &req, &r, &err), 0);
	assert_non_null(strstr(buf_str(&r.body), "POST / HTTP/1.1\r\n"));
	assert_non_null(strstr(buf_str(&r.body), "Content-Length: 5\r\n"));
	assert_null(strcasestr(buf_str(&r.body), "urlencoded"));
	http_response_release(&r);
	assert_int_equal(get(echo, &empty, &r, &err), 0);
	assert_non_null(strstr(buf_str(&r.body), "PUT / HTTP/1.1\r\n"));
	assert_non_null(strstr(buf_str(&r.body), "Content-Length: 0\r\n"));
	http_response_release(&r);
}

/* A server that is used as a proxy: the whole URL arrives, the name is for it to resolve. */
static void proxy_gets_the_url(void **state)
{
	struct server s;
	struct http_options o = {.code = ERR_API};
	struct http_request req = {.method = "GET", .url = "http://api.invalid/x"};
	struct http_response r = {0};
	struct error err = {0};
	struct http_client *c;

	(void)state;
	server_start(&s, echo);
	o.proxy = s.url;
	setenv("no_proxy", "*", 1); /* is not about a proxy that was named */
	c = http_client_new(&o);
	assert_int_equal(http_do(c, &req, &r, &err), 0);
	assert_non_null(strstr(buf_str(&r.body), "GET http://api.invalid/x HTTP/1.1\r\n"));
	http_response_release(&r);
	http_client_free(c);
	unsetenv("no_proxy");
	server_stop(&s);
}

static void environment_proxy_is_used_where_it_should(void **state)
{
	struct server proxy, s;
	struct http_options o = {.code = ERR_API};
	struct http_request req = {.method = "GET", .url = "http://api.invalid/x"};
	struct http_response r = {0};
	struct error err = {0};
	struct http_client *c;

	(void)state;
	server_start(&proxy, echo);
	server_start(&s, echo);
	setenv("http_proxy", proxy.url, 1);
	c = http_client_new(&o);
	assert_int_equal(http_do(c, &req, &r, &err), 0);
	assert_int_equal(proxy.requests, 1);
	http_response_release(&r);
	req.url = s.url; /* loopback */
	assert_int_equal(http_do(c, &req, &r, &err), 0);
	assert_int_equal(proxy.requests, 1);
	http_response_release(&r);
	http_client_free(c);
	o.no_proxy = true;
	c = http_client_new(&o);
	req.url = "http://api.invalid/x";
	req.timeout_ms = 2000; /* some resolvers think long about it */
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(proxy.requests, 1);
	http_client_free(c);
	unsetenv("http_proxy");
	server_stop(&s);
	server_stop(&proxy);
}

static void refuse_to_proxy(struct server *s, int fd, const char *head)
{
	(void)s;
	assert_non_null(strstr(head, "CONNECT api.invalid:443 HTTP/1.1\r\n"));
	server_answer(fd, "407 Proxy Authentication Required", "", "");
}

static void refusal_of_a_proxy_is_final(void **state)
{
	struct server s;
	struct http_options o = {.code = ERR_API};
	struct http_request req = {.method = "GET", .url = "https://api.invalid/x"};
	struct http_response r = {0};
	struct error err = {0};
	struct http_client *c;
	char proxy[128];

	(void)state;
	server_start(&s, refuse_to_proxy);
	snprintf(proxy, sizeof(proxy), "http://user:canary@127.0.0.1:%u", s.port);
	o.proxy = proxy;
	c = http_client_new(&o);
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.sys, EPROTO);
	assert_non_null(strstr(err.msg, "407"));
	assert_null(strstr(err.msg, "canary"));
	http_client_free(c);
	server_stop(&s);
}

static void redirect(struct server *s, int fd, const char *head)
{
	char location[128];

	(void)head;
	snprintf(location, sizeof(location), "Location: %s/elsewhere\r\n", s->url);
	server_answer(fd, "302 Found", location, "");
}

/* row 32: a redirect that would carry credentials elsewhere */
static void redirect_is_not_followed(void **state)
{
	struct server s;
	struct http_client *c = new_client();
	struct http_request req = {.method = "GET"};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	server_start(&s, redirect);
	req.url = s.url;
	assert_int_equal(http_do(c, &req, &r, &err), 0);
	assert_int_equal(r.status, 302);
	assert_int_equal(s.requests, 1);
	http_response_release(&r);
	http_client_free(c);
	server_stop(&s);
}

static void flood(struct server *s, int fd, const char *head)
{
	static const char head_only[] = "HTTP/1.1 200 OK\r\n\r\n";
	char chunk[4096];

	(void)s;
	(void)head;
	memset(chunk, 'x', sizeof(chunk));
	server_send(fd, head_only, strlen(head_only));
	for (int i = 0; i < 4096 && send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0; i++)
		;
	shutdown(fd, SHUT_RDWR);
}

static void flood_is_bounded(void **state)
{
	struct http_request req = {.max_body = 100000};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(get(flood, &req, &r, &err), -1);
	assert_int_equal(err.code, ERR_API);
	assert_int_equal(err.sys, EFBIG);
	assert_non_null(strstr(err.msg, "larger than 100000 bytes"));
	assert_null(r.body.data);
}

static void header_flood(struct server *s, int fd, const char *head)
{
	char line[1024];

	(void)s;
	(void)head;
	memset(line, 'h', sizeof(line));
	memcpy(line, "X-Flood: ", 9);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	server_send(fd, "HTTP/1.1 200 OK\r\n", 17);
	for (int i = 0; i < 1024 && send(fd, line, sizeof(line), MSG_NOSIGNAL) > 0; i++)
		;
	shutdown(fd, SHUT_RDWR);
}

static void header_flood_is_bounded(void **state)
{
	struct http_request req = {0};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(get(header_flood, &req, &r, &err), -1);
	assert_int_equal(err.sys, EFBIG);
}

static void hang(struct server *s, int fd, const char *head)
{
	char byte;

	(void)s;
	(void)head;
	while (recv(fd, &byte, 1, 0) > 0) /* until the client gives up */
		;
}

static void hang_times_out(void **state)
{
	struct http_request req = {.timeout_ms = 300};
	struct http_response r = {0};
	struct error err = {0};
	uint64_t start = now_ms();

	(void)state;
	assert_int_equal(get(hang, &req, &r, &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_in_range(now_ms() - start, 250, 25000);
	assert_non_null(strstr(err.msg, "no answer from 'http://127.0.0.1:"));
}

static int stop_now(void *ctx, struct error *err)
{
	++*(int *)ctx;
	return error_set(err, ERR_FAILED, "tick says stop");
}

static void tick_stops_a_request(void **state)
{
	struct server s;
	struct http_client *c = new_client();
	struct http_request req = {.method = "GET", .timeout_ms = 300};
	struct http_response r = {0};
	struct error err = {0};
	int ticks = 0;

	(void)state;
	server_start(&s, hang);
	http_client_set_tick(c, stop_now, &ticks);
	req.url = s.url;
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_string_equal(err.msg, "tick says stop");
	assert_int_equal(ticks, 1);
	req.cleaning_up = true;
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_int_equal(ticks, 1);
	http_client_free(c);
	server_stop(&s);
}

static void nonsense(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_send(fd, "\033]0;owned\a", 10);
	shutdown(fd, SHUT_RDWR);
}

static void nonsense_is_refused(void **state)
{
	struct http_request req = {0};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(get(nonsense, &req, &r, &err), -1);
	assert_int_equal(err.sys, EPROTO);
	assert_null(strchr(err.msg, '\033'));
}

/* The port is ours, so nobody else comes to listen there. */
static int bind_only(uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void nobody_listens(void **state)
{
	struct http_client *c = new_client();
	struct http_request req = {.method = "GET"};
	struct http_response r = {0};
	struct error err = {0};
	char url[128];
	uint16_t port;
	int fd = bind_only(&port);

	(void)state;
	snprintf(url, sizeof(url), "http://u:canary@127.0.0.1:%u/path?upload_id=canary", port);
	req.url = url;
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.sys, ECONNREFUSED);
	assert_non_null(strstr(err.msg, "/path'"));
	assert_null(strstr(err.msg, "canary"));
	req.secret_url = true;
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_null(strstr(err.msg, "/path"));
	http_client_free(c);
	close(fd);
}

static void bad_requests_are_refused(void **state)
{
	const char *const headers[] = {"Authorization: Bearer canary\r\nX-Evil: 1", NULL};
	const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/x", "", "http://", "::"};
	struct http_client *c = new_client();
	struct http_request req = {
		.method = "GET", .url = "http://127.0.0.1:1/", .headers = headers};
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(http_do(c, &req, &r, &err), -1);
	assert_int_equal(err.sys, EINVAL);
	assert_non_null(strstr(err.msg, "'Authorization'"));
	assert_null(strstr(err.msg, "canary"));
	req.headers = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		req.url = urls[i];
		assert_int_equal(http_do(c, &req, &r, &err), -1);
		assert_int_equal(err.sys, EINVAL);
	}
	http_client_free(c);
}

static void retry_after_is_read(void **state)
{
	struct http_response r = {.headers = BUF_INIT(1000)};
	char date[64];
	time_t soon = time(NULL) + 100;
	struct tm tm;

	(void)state;
	assert_int_equal(http_retry_after_ms(&r), 0);
	buf_adds(&r.headers, "HTTP/1.1 429 Too Many\nRetry-After: 3\n");
	assert_int_equal(http_retry_after_ms(&r), 3000);
	buf_adds(&r.headers, "Retry-After: 99999999\n");
	assert_int_equal(http_retry_after_ms(&r), 600000);
	buf_adds(&r.headers, "Retry-After: 18446744073709551615\n");
	assert_int_equal(http_retry_after_ms(&r), 600000);
	buf_adds(&r.headers, "Retry-After: tomorrow\n");
	assert_int_equal(http_retry_after_ms(&r), 0);
	gmtime_r(&soon, &tm);
	strftime(date, sizeof(date), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\n", &tm);
	buf_adds(&r.headers, date);
	assert_in_range(http_retry_after_ms(&r), 90000, 100000);
	buf_adds(&r.headers, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\n");
	assert_int_equal(http_retry_after_ms(&r), 0);
	http_response_release(&r);
}

static void escape_leaves_unreserved(void **state)
{
	auto_buf struct buf b = BUF_INIT(100);

	(void)state;
	http_escape(&b, "aZ09-._~ /?=&%\xc3\xa9");
	assert_string_equal(buf_str(&b), "aZ09-._~%20%2F%3F%3D%26%25%C3%A9");
}

#define PUT_BYTES (3 * MiB)

static void take_put(struct server *s, int fd, const char *head)
{
	char text[32];

	(void)s;
	(void)head;
	snprintf(text, sizeof(text), "%zu", server_take(fd, PUT_BYTES));
	server_answer(fd, "200 OK", "", text);
}

/* Push `bytes` in odd pieces; 0 when all were taken or an answer came. */
static int push(struct http_put *p, size_t bytes, bool *answered, struct error *err)
{
	static char piece[100003];
	size_t n;

	*answered = false;
	for (size_t at = 0; at < bytes && !*answered; at += n) {
		n = bytes - at < sizeof(piece) ? bytes - at : sizeof(piece);
		if (http_put_write(p, piece, n, answered, err) != 0)
			return -1;
	}
	return 0;
}

/* stall_ms: as in http_options. */
static int put_within(uint64_t stall_ms, void (*handle)(struct server *, int, const char *),
		      struct http_response *r, bool *answered, struct error *err)
{
	const struct http_options o = {
		.no_proxy = true, .code = ERR_API, .stall_timeout_ms = stall_ms};
	struct server s;
	struct http_client *c = http_client_new(&o);
	struct http_put *p = NULL;
	char url[128];
	int rc;

	server_start(&s, handle);
	snprintf(url, sizeof(url), "%s/upload?upload_id=canary", s.url);
	rc = http_put_begin(c, url, NULL, PUT_BYTES, &p, err);
	if (rc == 0)
		rc = push(p, PUT_BYTES, answered, err);
	if (rc == 0)
		rc = http_put_finish(p, r, err);
	http_put_abort(p);
	http_client_free(c);
	server_stop(&s);
	return rc;
}

static int put(void (*handle)(struct server *, int, const char *), struct http_response *r,
	       bool *answered, struct error *err)
{
	return put_within(0, handle, r, answered, err);
}

static void put_arrives_whole(void **state)
{
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	assert_int_equal(put(take_put, &r, &answered, &err), 0);
	assert_false(answered);
	assert_int_equal(r.status, 200);
	assert_string_equal(buf_str(&r.body), "3145728");
	http_response_release(&r);
}

static void answer_early(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_take(fd, 1000);
	server_answer(fd, "403 Forbidden", "", "no");
	server_take(fd, PUT_BYTES);
}

static void early_answer_ends_the_put(void **state)
{
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	assert_int_equal(put(answer_early, &r, &answered, &err), 0);
	assert_int_equal(r.status, 403);
	assert_string_equal(buf_str(&r.body), "no");
	http_response_release(&r);
}

static void reset_midway(struct server *s, int fd, const char *head)
{
	(void)s;
	(void)head;
	server_take(fd, 100000);
	server_reset(fd);
	shutdown(fd, SHUT_RD);
	s->stopping = true; /* leaves the connection's loop: closed with a reset */
}

static void reset_is_told(void **state)
{
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	assert_int_equal(put(reset_midway, &r, &answered, &err), -1);
	assert_int_equal(err.sys, ECONNRESET);
	assert_null(strstr(err.msg, "canary"));
	assert_null(strstr(err.msg, "/upload"));
}

static void stop_reading(struct server *s, int fd, const char *head)
{
	(void)head;
	server_take(fd, 1000);
	/* with its window full the client's end never arrives: the test says when */
	while (!s->stopping)
		poll(NULL, 0, 20);
}

static void stall_is_told(void **state)
{
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	assert_int_equal(put_within(700, stop_reading, &r, &answered, &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
	assert_non_null(strstr(err.msg, "no progress"));
}

static void silent_after_put(struct server *s, int fd, const char *head)
{
	server_take(fd, PUT_BYTES);
	hang(s, fd, head);
}

static void missing_answer_is_told(void **state)
{
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	assert_int_equal(put_within(700, silent_after_put, &r, &answered, &err), -1);
	assert_int_equal(err.sys, ETIMEDOUT);
}

static void put_length_is_kept(void **state)
{
	struct server s;
	struct http_client *c = new_client();
	struct http_put *p;
	struct http_response r = {0};
	struct error err = {0};
	bool answered;

	(void)state;
	server_start(&s, hang);
	assert_int_equal(http_put_begin(c, s.url, NULL, 10, &p, &err), 0);
	assert_int_equal(http_put_write(p, "12345", 5, &answered, &err), 0);
	assert_int_equal(http_put_write(p, "123456", 6, &answered, &err), -1);
	assert_int_equal(http_put_finish(p, &r, &err), -1);
	http_put_abort(p);
	http_client_free(c);
	server_stop(&s);
}

static void empty_put(void **state)
{
	struct server s;
	struct http_client *c = new_client();
	struct http_put *p;
	struct http_response r = {0};
	struct error err = {0};

	(void)state;
	server_start(&s, echo);
	assert_int_equal(http_put_begin(c, s.url, NULL, 0, &p, &err), 0);
	assert_int_equal(http_put_finish(p, &r, &err), 0);
	assert_non_null(strstr(buf_str(&r.body), "Content-Length: 0"));
	http_response_release(&r);
	http_put_abort(p);
	http_client_free(c);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_back),
		cmocka_unit_test(body_is_sent),
		cmocka_unit_test(proxy_gets_the_url),
		cmocka_unit_test(environment_proxy_is_used_where_it_should),
		cmocka_unit_test(refusal_of_a_proxy_is_final),
		cmocka_unit_test(redirect_is_not_followed),
		cmocka_unit_test(flood_is_bounded),
		cmocka_unit_test(header_flood_is_bounded),
		cmocka_unit_test(hang_times_out),
		cmocka_unit_test(tick_stops_a_request),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(retry_after_is_read),
		cmocka_unit_test(escape_leaves_unreserved),
		cmocka_unit_test(put_arrives_whole),
		cmocka_unit_test(early_answer_ends_the_put),
		cmocka_unit_test(reset_is_told),
		cmocka_unit_test(stall_is_told),
		cmocka_unit_test(missing_answer_is_told),
		cmocka_unit_test(put_length_is_kept),
		cmocka_unit_test(empty_put),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
