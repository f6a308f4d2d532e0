/* jdiag: the HTTP server, and clients that ask badly, slowly, or not at all */
#include "jdiag/httpd/httpd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"

#define PATIENCE_MS 30000
#define IDLE_MS 5000   /* after which a connection ends on which nothing moves */
#define SOONER_MS 4500 /* than that */
#define TRIES 10       /* where a busy machine may hold us up */

/* ---- a client ---- */

static int connect_to(const struct httpd *h)
{
	const char *port = strrchr(httpd_address(h), ':') + 1;
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Whether it has ended the connection already is seen by what one hears. */
static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* What comes until the other side ends; "" for a reset. */
static char *hear(int fd)
{
	struct buf b = BUF_INIT(1 << 20);
	char chunk[4096];
	ssize_t n;

	buf_adds(&b, "");
	while (io_wait(fd, POLLIN, now_ms() + PATIENCE_MS) == 1 &&
	       (n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		buf_add(&b, chunk, (size_t)n);
	return b.data;
}

static uint64_t life; /* of a connection, in ms */

/* The whole answer to one request; once more when so much time went by that the connection may have
 * ended before we came to ask. */
static char *ask(const struct httpd *h, const char *request)
{
	for (int i = 1;; i++) {
		uint64_t start = now_ms();
		auto_fd int fd = connect_to(h);
		char *answer;

		say(fd, request);
		answer = hear(fd);
		if (*answer || now_ms() - start < life / 2 || i == TRIES)
			return answer;
		free(answer);
	}
}

static void assert_answer(const struct httpd *h, const char *request, const char *status,
			  const char *body)
{
	auto_free char *answer = ask(h, request);
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	assert_memory_equal(answer, "HTTP/1.1 ", 9);
	assert_memory_equal(answer + 9, status, strlen(status));
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	assert_string_equal(end + 4, body);
}

/* ---- the server ---- */

static void answer_page(void *ctx, const char *path, struct httpd_answer *ret)
{
	int *asked = ctx;

	(*asked)++;
	if (strcmp(path, "/page") == 0 || strcmp(path, "/large") == 0) {
		ret->status = 200;
		ret->type = "application/json";
		ret->body.max = 64 << 20;
		buf_reset(&ret->body);
		buf_adds(&ret->body, "{}\n");
	}
	if (strcmp(path, "/large") == 0)
		for (int i = 0; i < 1 << 20; i++)
			buf_adds(&ret->body, "0123456789abcdef");
}

static int asked;

static struct httpd *begin(uint64_t life_ms)
{
	struct httpd *h = NULL;
	struct error err = {0};

	asked = 0;
	life = life_ms ? life_ms : IDLE_MS;
	assert_int_equal(httpd_open(&h, "127.0.0.1:0", &err), 0);
	if (life_ms)
		httpd_set_life(h, life_ms);
	assert_int_equal(httpd_start(h, answer_page, &asked, &err), 0);
	return h;
}

/* What has that as its link becomes a descriptor of something else. */
static void spoil_descriptor(const char *target)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int found = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char link[64] = "";

		if (readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1) > 0 &&
		    strcmp(link, target) == 0) {
			assert_true(dup2(dirfd(d), (int)strtol(e->d_name, NULL, 10)) >= 0);
			found++;
		}
	}
	closedir(d);
	assert_int_equal(found, 1);
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- tests ---- */

static void addresses(void **state)
{
	static const char *const good[] = {"0", ":0", "localhost:0", "127.0.0.1:0", "0.0.0.0:0"};
	static const char *const bad[] = {
		"",
		":",
		"x",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"[::1",
		"::1:80",
		"[::1]",
		"example.com:80",
		"256.0.0.1:80",
		"127.0.0.1:+80",
		"[]:80",
		"127.1:80",
		"1.2.3.4:80 ",
		"[127.0.0.1:80",
		"[fe80::1%lo]:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct httpd *h = NULL;
		struct error err = {0};

		assert_int_equal(httpd_open(&h, good[i], &err), 0);
		assert_memory_equal(httpd_address(h),
				    i < 4 ? "127.0.0.1:" : "0.0.0.0:", i < 4 ? 10 : 8);
		httpd_close(h);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct httpd *h = NULL;
		struct error err = {0};

		assert_int_equal(httpd_open(&h, bad[i], &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.msg, "cannot listen on"));
		assert_non_null(strstr(err.hint, "127.0.0.1:9405"));
	}
}

static void address_in_use(void **state)
{
	struct httpd *h = NULL, *second = NULL;
	struct error err = {0};

	(void)state;
	assert_int_equal(httpd_open(&h, "0", &err), 0);
	assert_int_equal(httpd_open(&second, httpd_address(h), &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(err.sys, EADDRINUSE);
	httpd_close(h);
	err = (struct error){0};
	assert_int_equal(httpd_open(&h, "192.0.2.1:0", &err), -1);
	assert_int_equal(err.sys, EADDRNOTAVAIL);
}

static void answers(void **state)
{
	struct httpd *h = begin(0);

	(void)state;
	assert_answer(h, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	assert_answer(h, "GET /page?a=b&c HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	assert_answer(h, "GET /%70age HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	assert_answer(h, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", "404 ", "not found\n");
	assert_answer(h, "GET /page/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 ",
		      "not found\n");
	assert_int_equal(asked, 5);
	/* the head of the same answer */
	assert_answer(h, "HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "");
	httpd_close(h);
}

static void head_says_what_get_would(void **state)
{
	struct httpd *h = begin(0);
	auto_free char *head = ask(h, "HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	assert_non_null(strstr(head, "\r\nContent-Length: 3\r\n"));
	assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(head, "\r\nX-Content-Type-Options: nosniff\r\n"));
	httpd_close(h);
}

static void only_get_and_head(void **state)
{
	static const char *const methods[] = {"POST",  "PUT", "DELETE", "OPTIONS",
					      "TRACE", "get", "X"};
	struct httpd *h = begin(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		auto_free char *request =
			xasprintf("%s /page HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
		auto_free char *answer = ask(h, request);

		assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
		assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
	}
	assert_int_equal(asked, 0);
	httpd_close(h);
}

/* It says that a gigabyte comes; nobody waits for it. */
static void body_is_not_read(void **state)
{
	struct httpd *h = begin(0);

	(void)state;
	assert_answer(h, "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\nsome",
		      "405 ", "only GET and HEAD\n");
	assert_answer(h, "GET /page HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\nsome",
		      "200 ", "{}\n");
	httpd_close(h);
}

static void one_request_a_connection(void **state)
{
	struct httpd *h = begin(0);
	const char *two = "GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
			  "GET /page HTTP/1.1\r\nHost: x\r\n\r\n";

	(void)state;
	assert_answer(h, two, "200 ", "{}\n");
	assert_int_equal(asked, 1);
	httpd_close(h);
}

static void nonsense(void **state)
{
	struct httpd *h = begin(0);
	auto_buf struct buf b = BUF_INIT(1 << 20);
	auto_free char *answer = NULL, *other = NULL;
	auto_fd int fd = connect_to(h);

	(void)state;
	/* a head that does not end within the limit */
	buf_adds(&b, "GET /page HTTP/1.1\r\nHost: x\r\n");
	while (b.len < 4 * HTTPD_HEAD)
		buf_adds(&b, "X-Much: more\r\n");
	(void)!send(fd, b.data, b.len, MSG_NOSIGNAL);
	answer = hear(fd);
	assert_null(strstr(answer, "200 OK"));
	other = ask(h, "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n");
	assert_null(strstr(other, "200 OK"));
	assert_int_equal(asked, 0);
	assert_answer(h, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	httpd_close(h);
}

/* Something moves all the time: only the whole life bounds it, also after many others. */
static void slow_client_is_ended(void **state)
{
	struct httpd *h = begin(400);
	auto_fd int fd = -1;
	uint64_t start;
	bool ended = false;

	(void)state;
	for (int i = 0; i < 2 * HTTPD_CONNECTIONS; i++)
		assert_answer(h, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	/* what is still noted of them would be over by now */
	usleep(500000);
	asked = 0;
	start = now_ms();
	fd = connect_to(h);
	say(fd, "GET /page HTTP/1.1\r\n");
	while (!ended && now_ms() < start + PATIENCE_MS) {
		char ch;

		(void)!send(fd, "X", 1, MSG_NOSIGNAL);
		ended = io_wait(fd, POLLIN, now_ms() + 20) == 1 && recv(fd, &ch, 1, 0) <= 0;
	}
	assert_true(ended);
	assert_true(now_ms() - start >= 300);
	assert_int_equal(asked, 0);
	httpd_close(h);
}

/* Whether one who asks for 16 MiB and reads none of it is ended in time. */
static bool ends_slow_reader(const struct httpd *h, size_t before)
{
	uint64_t start = now_ms();
	auto_fd int fd = connect_to(h);
	size_t now;

	say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	do {
		usleep(10000);
		now = open_descriptors();
	} while ((now > before + 1 || now_ms() < start + 300) && now_ms() < start + SOONER_MS);
	return now == before + 1; /* ours */
}

static void slow_reader_is_ended(void **state)
{
	struct httpd *h = begin(400);
	size_t before = open_descriptors();
	bool ended = false;

	(void)state;
	for (int i = 0; i < TRIES && !ended; i++) {
		ended = ends_slow_reader(h, before);
		for (uint64_t end = now_ms() + PATIENCE_MS; open_descriptors() > before;) {
			assert_true(now_ms() < end);
			usleep(10000);
		}
	}
	assert_true(ended);
	httpd_close(h);
}

/* All places are taken by those who say nothing; how long it takes until the next one is served. */
static uint64_t served_after_silent_clients(const struct httpd *h)
{
	int fds[HTTPD_CONNECTIONS];
	uint64_t start = now_ms();

	for (size_t i = 0; i < HTTPD_CONNECTIONS; i++)
		fds[i] = connect_to(h);
	assert_answer(h, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", "200 ", "{}\n");
	for (size_t i = 0; i < HTTPD_CONNECTIONS; i++)
		close(fds[i]);
	return now_ms() - start;
}

/* When their time is over. */
static void silent_clients_hold_nobody_up(void **state)
{
	struct httpd *h = begin(400);
	uint64_t took = SOONER_MS;

	(void)state;
	for (int i = 0; i < TRIES && took >= SOONER_MS; i++)
		took = served_after_silent_clients(h);
	assert_true(took < SOONER_MS);
	httpd_close(h);
}

/* Nothing that a client does: what it waits with is gone. */
static void failure_is_told(void **state)
{
	struct httpd *h = begin(0);
	struct error err = {0};
	uint64_t deadline = now_ms() + PATIENCE_MS;

	(void)state;
	assert_int_equal(httpd_check(h, &err), 0);
	spoil_descriptor("anon_inode:[eventpoll]");
	while (httpd_check(h, &err) == 0 && now_ms() < deadline)
		poll(NULL, 0, 5);
	assert_int_equal(err.code, ERR_FAILED);
	assert_non_null(strstr(err.msg, "has failed"));
	httpd_close(h);
}

static void close_ends_connections(void **state)
{
	size_t before = open_descriptors();
	struct httpd *h = begin(0);
	auto_fd int fd = connect_to(h);
	uint64_t start;

	(void)state;
	say(fd, "GET /page");
	start = now_ms();
	httpd_close(h);
	assert_true(now_ms() - start < PATIENCE_MS);
	assert_int_equal(open_descriptors(), before + 1);
	/* one that was opened and not started */
	assert_int_equal(httpd_open(&h, "0", NULL), 0);
	httpd_close(h);
	httpd_close(NULL);
	assert_int_equal(open_descriptors(), before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(address_in_use),
		cmocka_unit_test(answers),
		cmocka_unit_test(head_says_what_get_would),
		cmocka_unit_test(only_get_and_head),
		cmocka_unit_test(body_is_not_read),
		cmocka_unit_test(one_request_a_connection),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(slow_client_is_ended),
		cmocka_unit_test(slow_reader_is_ended),
		cmocka_unit_test(silent_clients_hold_nobody_up),
		cmocka_unit_test(close_ends_connections),
		cmocka_unit_test(failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
