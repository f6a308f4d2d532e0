/* jdiag: what a helper may answer to survey and connect, against one that answers by a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jdiag/helper/connection.h"
#include "jdiag/json.h"
#include "jdiag/podnet.h"
#include "jdiag/scrape.h"
#include "jdiag/survey.h"
#include "remote/base/io.h"
#include "tests/unit/fake_ssh.h"

#define HELLO "{\"min\":1,\"max\":1,\"program\":\"jdiag-helper\",\"version\":\"t\",\"pid\":7}"

static const char image[300] = "\x7f"
			       "ELF";
static const struct jvmref jvm = {.pid = 7, .start_time = 8};

struct rig {
	struct fake f;
	struct buf script;
	struct helper *h;
};

static void frame(struct rig *r, enum frame_type type, const char *body)
{
	frame_add(&r->script, type, 1, body, strlen(body));
}

static void data(struct rig *r, uint64_t offset, const char *text)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_DATA + 8);
	unsigned char number[8];

	wire_put_u64(number, offset);
	buf_add(&b, number, sizeof(number));
	buf_adds(&b, text);
	frame_add(&r->script, FRAME_DATA, 1, b.data, b.len);
}

static void rig_open(struct rig *r)
{
	r->script = BUF_INIT(64 * MiB);
	buf_add(&r->script, wire_magic, WIRE_MAGIC_SIZE);
	frame_add(&r->script, FRAME_HELLO, 0, HELLO, strlen(HELLO));
}

/* The script is whole. Everything but the hello comes once the request was sent. */
static void rig_start(struct rig *r)
{
	const struct helper_options o = {.start_timeout_ms = 60000};
	size_t all = r->script.len;
	struct error err = {0};

	fake_init(&r->f, r->script.data, WIRE_MAGIC_SIZE + WIRE_HEADER_SIZE + strlen(HELLO));
	r->f.keep_open = true;
	r->f.hold_out = true;
	r->f.expect_in = sizeof(image);
	if (helper_push(&r->h, &r->f.base, &o, "x86_64", image, sizeof(image), &err) < 0)
		fail_msg("%s", err.msg);
	r->f.out_len = all;
	r->f.hold_out = true;
	r->f.expect_in = r->f.in.len + 1;
}

static void rig_close(struct rig *r)
{
	helper_stop(r->h);
	fake_release(&r->f);
	buf_release(&r->script);
}

static void assert_sent(const struct rig *r, const char *text)
{
	assert_non_null(memmem(r->f.in.data, r->f.in.len, text, strlen(text)));
}

/* ---- survey ---- */

static int survey_of(const char *answer, json_t **ret, struct error *err)
{
	struct rig r = {0};
	int rc;

	rig_open(&r);
	frame(&r, FRAME_RESULT, answer);
	rig_start(&r);
	rc = survey(r.h, &jvm, ret, err);
	rig_close(&r);
	return rc;
}

#define REST                                                              \
	"\"jars\":[\"/a.jar\"],\"agents\":[],\"security_manager\":false," \
	"\"memory\":{\"limit\":0,\"usage\":5},\"truncated\":false}"

static void survey_is_read(void **state)
{
	auto_json json_t *answer = NULL;
	struct error err = {0};

	(void)state;
	if (survey_of("{\"listening\":[{\"address\":\"::\",\"port\":9404,\"inode\":1},"
		      "{\"address\":\"127.0.0.1\",\"port\":80,\"inode\":2}],\"own\":[80]," REST,
		      &answer, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(survey_listens(answer, 9404));
	assert_true(survey_listens(answer, 80));
	assert_false(survey_listens(answer, 81));
	assert_true(survey_listens_self(answer, 80));
	assert_false(survey_listens_self(answer, 9404));
}

/* Where not all sockets could be told, no port counts as free. */
static void crowds_are_not_free(void **state)
{
	auto_json json_t *answer = NULL;
	struct error err = {0};

	(void)state;
	if (survey_of("{\"listening\":[],\"crowded\":true,\"own\":[]," REST, &answer, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(survey_listens(answer, 9404));
	assert_false(survey_listens_self(answer, 9404));
	assert_null(survey_interface(answer, 9404));
}

static int survey_of_port(const char *answer, json_t **ret, struct error *err)
{
	struct rig r = {0};
	int rc;

	rig_open(&r);
	frame(&r, FRAME_RESULT, answer);
	rig_start(&r);
	rc = survey_with(r.h, &jvm, 9404, "HOME", ret, err);
	assert_sent(&r, "\"port\":9404");
	assert_sent(&r, "\"variable\":\"HOME\"");
	rig_close(&r);
	return rc;
}

/* A port that was asked for is not free because nothing is said about it. */
static void ports_that_are_tried(void **state)
{
	auto_json json_t *in_use = NULL, *none = NULL;
	struct error err = {0};

	(void)state;
	if (survey_of_port("{\"bind\":98,\"next\":9404,\"listening\":[],\"own\":[]," REST, &in_use,
			   &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(survey_bind(in_use), EADDRINUSE);
	assert_int_equal(survey_next(in_use), 9404);
	assert_int_equal(survey_of_port("{\"listening\":[],\"own\":[]," REST, &none, &err), -1);
	assert_int_equal(
		survey_of_port("{\"bind\":0,\"listening\":[],\"own\":[]," REST, &none, &err), -1);
	assert_int_equal(survey_of_port("{\"bind\":-1,\"next\":1,\"listening\":[],\"own\":[]," REST,
					&none, &err),
			 -1);
}

static void addresses_of_interfaces(void **state)
{
	auto_json json_t *answer = NULL;
	struct error err = {0};

	(void)state;
	if (survey_of(
		    "{\"listening\":[{\"address\":\"::\",\"port\":1},"
		    "{\"address\":\"127.0.0.2\",\"port\":1},{\"address\":\"10.1.2.3\",\"port\":2},"
		    "{\"address\":\"fd00::1\",\"port\":1}],\"own\":[]," REST,
		    &answer, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(survey_interface(answer, 1), "fd00::1");
	assert_string_equal(survey_interface(answer, 2), "10.1.2.3");
	assert_null(survey_interface(answer, 3));
}

static void hostile_surveys(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"listening\":[]}",
		"{\"listening\":{},\"own\":[]," REST,
		"{\"listening\":[7],\"own\":[]," REST,
		"{\"listening\":[{\"address\":7,\"port\":80}],\"own\":[]," REST,
		"{\"listening\":[{\"address\":\"x\",\"port\":65536}],\"own\":[]," REST,
		"{\"listening\":[],\"own\":[0]," REST,
		"{\"listening\":[],\"own\":[\"80\"]," REST,
		"{\"listening\":[],\"own\":[],\"jars\":[null],\"agents\":[],\"security_manager\":"
		"false,\"memory\":{\"limit\":0,\"usage\":5},\"truncated\":false}",
		"{\"listening\":[],\"own\":[],\"jars\":[],\"agents\":[],\"security_manager\":"
		"false,\"memory\":{\"limit\":-1,\"usage\":5},\"truncated\":false}",
		"{\"listening\":[],\"own\":[],\"jars\":[],\"agents\":[],\"security_manager\":"
		"1,\"memory\":{\"limit\":1,\"usage\":5},\"truncated\":false}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = {0};
		json_t *answer = NULL;

		assert_int_equal(survey_of(bad[i], &answer, &err), -1);
		assert_null(answer);
		assert_non_null(strstr(err.msg, "protocol error"));
	}
}

/* ---- connect ---- */

static void refusal_is_told(void **state)
{
	struct rig r = {0};
	struct podnet *p = NULL;
	struct error err = {0};

	(void)state;
	rig_open(&r);
	frame(&r, FRAME_ERROR,
	      "{\"code\":\"failed\",\"errno\":111,\"message\":\"refused\",\"hint\":\"\"}");
	rig_start(&r);
	assert_int_equal(podnet_open(&p, r.h, &jvm, NULL, 80, &err), -1);
	assert_null(p);
	assert_int_equal(err.sys, ECONNREFUSED);
	assert_sent(&r, "\"port\":80");
	rig_close(&r);
}

static void first_word_is_checked(void **state)
{
	static const enum frame_type types[] = {FRAME_RESULT, FRAME_END};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rig r = {0};
		struct podnet *p = NULL;
		struct error err = {0};

		rig_open(&r);
		frame(&r, types[i], "{}");
		rig_start(&r);
		assert_int_equal(podnet_open(&p, r.h, &jvm, "127.0.0.1", 80, &err), -1);
		assert_non_null(strstr(err.msg, "protocol error"));
		rig_close(&r);
	}
}

/* Connected, joined with a pair; then pumped until it fails or nothing comes any more. */
static int talk(struct rig *r, const char *request, struct buf *answer, bool *ended,
		struct error *err)
{
	struct podnet *p = NULL;
	char piece[65536];
	int pair[2], rc = 0;
	ssize_t n = -1;

	rig_start(r);
	if (podnet_open(&p, r->h, &jvm, NULL, 80, err) < 0)
		fail_msg("%s", err->msg);
	assert_string_equal(podnet_address(p), "127.0.0.1");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	podnet_attach(p, pair[1]);
	assert_int_equal(write(pair[0], request, strlen(request)), strlen(request));
	for (int i = 0; i < 1000 && rc == 0 && n != 0; i++) {
		struct pollfd fds[8];

		rc = podnet_pump(p, err);
		assert_true(podnet_poll(p, fds, 8) <= 8);
		while ((n = read(pair[0], piece, sizeof(piece))) > 0)
			buf_add(answer, piece, (size_t)n);
	}
	*ended = n == 0;
	podnet_close(p);
	close(pair[0]);
	return rc;
}

static void connected(struct rig *r)
{
	rig_open(r);
	frame(r, FRAME_PROGRESS, "{\"connected\":\"127.0.0.1\"}");
}

static void bytes_go_both_ways(void **state)
{
	auto_buf struct buf answer = BUF_INIT(4 * MiB);
	auto_free char *big = xmalloc(200001);
	struct rig r = {0};
	struct error err = {0};
	bool ended;

	(void)state;
	memset(big, 'x', 200000);
	big[200000] = '\0';
	connected(&r);
	data(&r, 0, "hello ");
	for (int i = 0; i < 10; i++)
		data(&r, 6 + (uint64_t)i * 200000, big);
	frame(&r, FRAME_END, "{\"length\":2000006}");
	if (talk(&r, "GET /", &answer, &ended, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(answer.len, 2000006);
	assert_memory_equal(answer.data, "hello xxx", 9);
	assert_true(ended);
	assert_memory_equal(r.f.in.data + r.f.in.len - 5, "GET /", 5);
	rig_close(&r);
}

static void break_is_an_end(void **state)
{
	auto_buf struct buf answer = BUF_INIT(4096);
	struct rig r = {0};
	struct error err = {0};
	bool ended;

	(void)state;
	connected(&r);
	data(&r, 0, "half");
	frame(&r, FRAME_ERROR,
	      "{\"code\":\"failed\",\"errno\":104,\"message\":\"reset\",\"hint\":\"\"}");
	assert_int_equal(talk(&r, "x", &answer, &ended, &err), 0);
	assert_string_equal(buf_str(&answer), "half");
	assert_true(ended);
	rig_close(&r);
}

/* Of a megabyte no more goes out than the helper has confirmed room for. */
static void credit_is_kept(void **state)
{
	auto_buf struct buf answer = BUF_INIT(4096), request = BUF_INIT(1 * MiB);
	struct rig r = {0};
	struct error err = {0};
	struct podnet *p = NULL;
	char piece[4096];
	int pair[2];
	size_t before, sent = 0;

	(void)state;
	memset(piece, 'y', sizeof(piece));
	connected(&r);
	rig_start(&r);
	assert_int_equal(podnet_open(&p, r.h, &jvm, NULL, 80, &err), 0);
	before = r.f.in.len;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	podnet_attach(p, pair[1]);
	for (int i = 0; i < 1000; i++) {
		ssize_t n = write(pair[0], piece, sizeof(piece));

		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(podnet_pump(p, &err), 0);
	}
	assert_true(sent > 256 * KiB);
	assert_in_range(r.f.in.len - before, 256 * KiB, 256 * KiB + 4096);
	podnet_close(p);
	close(pair[0]);
	rig_close(&r);
}

static void lies_are_refused(void **state)
{
	static const struct {
		enum frame_type type;
		const char *body;
	} cases[] = {
		{FRAME_RESULT, "{}"},
		{FRAME_PROGRESS, "{\"taken\":2}"},
		{FRAME_PROGRESS, "{\"taken\":999999999999}"},
	};

	(void)state;
	for (size_t i = 0; i <= 3; i++) {
		auto_buf struct buf answer = BUF_INIT(4096);
		struct rig r = {0};
		struct error err = {0};
		bool ended;

		connected(&r);
		if (i < 3)
			frame(&r, cases[i].type, cases[i].body);
		else
			data(&r, 1, "a gap");
		assert_int_equal(talk(&r, "x", &answer, &ended, &err), -1);
		assert_non_null(strstr(err.msg, "protocol error"));
		assert_int_equal(answer.len, 0);
		rig_close(&r);
	}
}

/* ---- scrape ---- */

static int scrape_of(const char *answer, struct scrape *s, struct error *err)
{
	struct rig r = {0};
	int rc;

	connected(&r);
	data(&r, 0, answer);
	frame(&r, FRAME_END, "{\"length\":1}");
	rig_start(&r);
	rc = scrape_pod(r.h, &jvm, 9404, "/metrics", 0, s, err);
	if (rc == 0) {
		assert_sent(&r, "\"port\":9404");
		assert_string_equal(s->address, "127.0.0.1");
	}
	rig_close(&r);
	return rc;
}

static void pages_are_judged(void **state)
{
	static const struct {
		const char *answer;
		int sys;
		const char *says;
	} bad[] = {
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", EPROTO, "HTTP status 404"},
		{"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n",
		 EPROTO, "HTTP status 302"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", EPROTO, "no sample"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", EPROTO, "line 1"},
		{"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text\r\n"
		 "Content-Length: 4\r\n\r\na 1\n",
		 EPROTO, "# EOF"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\na 1\n", ECONNRESET, "broke"},
		{"SSH-2.0-OpenSSH\r\n", EPROTO, "HTTP"},
	};
	struct scrape s = {0};
	struct error err = {0};

	(void)state;
	if (scrape_of("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n", &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.summary.samples, 1);
	assert_int_equal(s.bytes, 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct error){0};
		assert_int_equal(scrape_of(bad[i].answer, &s, &err), -1);
		assert_int_equal(err.code, ERR_FAILED);
		if (err.sys != bad[i].sys || !strstr(err.msg, bad[i].says))
			fail_msg("%zu: %d, %s", i, err.sys, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survey_is_read),	 cmocka_unit_test(hostile_surveys),
		cmocka_unit_test(crowds_are_not_free),	 cmocka_unit_test(addresses_of_interfaces),
		cmocka_unit_test(ports_that_are_tried),	 cmocka_unit_test(refusal_is_told),
		cmocka_unit_test(first_word_is_checked), cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(break_is_an_end),	 cmocka_unit_test(credit_is_kept),
		cmocka_unit_test(lies_are_refused),	 cmocka_unit_test(pages_are_judged),
	};

	if (io_secure_stdio() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
