/* remote: an upload by the node's own curl */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/upload/curl.h"
#include "tests/unit/deny.h"

#define SECONDS 30

static struct error err;

static void test_headers(void **state)
{
	static const char *const bad[] = {"",	    "X",     ": x",   "@/etc/shadow: x", "X:y",
					  "X y: z", "X: \"", "X: \n", "X: \\n"};

	(void)state;
	assert_true(curl_header_is_safe("Content-Range: bytes 0-9/10"));
	assert_true(curl_header_is_safe("x-goog-hash: crc32c=AAAAAA=="));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(curl_header_is_safe(bad[i]));
}

static int listen_here(char *uri, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(uri, size, "http://127.0.0.1:%d/session?id=1", ntohs(a.sin_port));
	return fd;
}

/* Take one request of which `end` is the last, answer it, and see that it is what it should be. */
static void serve_one(int listener, const char *end)
{
	static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
	char text[4096] = "";
	size_t n = 0;
	int fd;

	assert_int_equal(io_wait(listener, POLLIN, now_ms() + SECONDS * 1000), 1);
	fd = accept(listener, NULL, NULL);
	while (!strstr(text, end)) {
		ssize_t got;

		assert_int_equal(io_wait(fd, POLLIN, now_ms() + SECONDS * 1000), 1);
		got = read(fd, text + n, sizeof(text) - 1 - n);
		assert_true(got > 0);
		n += (size_t)got;
		text[n] = '\0';
	}
	assert_non_null(strstr(text, "PUT /session?id=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 5\r\n"));
	assert_non_null(strstr(text, "\r\nX-Test: a b\r\n"));
	assert_int_equal(io_write_full(fd, answer, sizeof(answer) - 1), 0);
	close(fd);
}

static unsigned int owner_of(pid_t pid)
{
	char path[64], *uid;
	FILE *f;
	size_t n;
	char text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	uid = strstr(text, "\nUid:\t");
	assert_non_null(uid);
	return (unsigned int)strtoul(uid + 6, NULL, 10);
}

static void test_put(void **state)
{
	const char *headers[] = {"X-Test: a b"};
	struct curl c = CURL_INIT;
	unsigned int status = 0;
	char uri[128];
	int listener = listen_here(uri, sizeof(uri));

	(void)state;
	unsetenv("http_proxy");
	if (curl_start(&c, uri, headers, 1, 5, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(curl_write(&c, "bytes", 5), 5);
	curl_finish(&c);
	serve_one(listener, "\r\n\r\nbytes");
	while (!curl_read(&c, &status))
		assert_int_equal(io_wait(c.out, POLLIN, now_ms() + SECONDS * 1000), 1);
	assert_int_equal(status, 201);
	assert_string_equal(buf_str(&c.said), "ok");
	curl_stop(&c);
	close(listener);
}

/* Not root, and nobody's whom others may be as well. */
static void test_identity(void **state)
{
	struct curl c = CURL_INIT;
	char uri[128];
	int listener = listen_here(uri, sizeof(uri));

	(void)state;
	if (curl_start(&c, uri, NULL, 0, 5, &err) < 0)
		fail_msg("%s", err.msg);
	/* It has connected: it is curl by now. */
	assert_int_equal(io_wait(listener, POLLIN, now_ms() + SECONDS * 1000), 1);
	assert_true(owner_of(c.pid) > 65535);
	curl_stop(&c);
	close(listener);
}

static void test_put_without_close_range(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		deny_syscall(SYS_close_range, ENOSYS);
		test_put(state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_put_without_close_range),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
