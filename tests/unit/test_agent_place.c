/* jdiag: placing a file, against a node that answers by a script. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "jdiag/agent/place.h"
#include "jdiag/helper/connection.h"
#include "jdiag/json.h"
#include "tests/unit/fake_ssh.h"

#define HELLO "{\"min\":1,\"max\":1}"
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct jvmref jvm = {.pid = 4711, .start_time = 99, .container = "c"};
static const char image[4] = "bin";

struct talk {
	struct fake fake;
	struct buf out;
	struct helper *h;
	struct error err;
	struct placed placed;
};

/* `says` is what the node answers once, as a frame of that type. */
static void start(struct talk *t, enum frame_type type, const char *says)
{
	const struct helper_options o = {.start_timeout_ms = 60000};
	size_t greeting;

	*t = (struct talk){.out = BUF_INIT(1 * MiB)};
	buf_add(&t->out, wire_magic, WIRE_MAGIC_SIZE);
	frame_add(&t->out, FRAME_HELLO, 0, HELLO, strlen(HELLO));
	greeting = t->out.len;
	if (says)
		frame_add(&t->out, type, 1, says, strlen(says));
	fake_init(&t->fake, t->out.data, greeting);
	t->fake.keep_open = true;
	t->fake.hold_out = true;
	t->fake.expect_in = sizeof(image);
	if (helper_push(&t->h, &t->fake.base, &o, "x86_64", image, sizeof(image), &t->err) < 0)
		fail_msg("%s", t->err.msg);
	t->fake.in.len = 0;
	t->fake.out_len = t->out.len;
}

static void stop(struct talk *t)
{
	helper_stop(t->h);
	fake_release(&t->fake);
	buf_release(&t->out);
}

static int place(struct talk *t, const char *data, size_t len, const char *replace)
{
	return agent_place(t->h, &jvm, "a.jar", data, len, SHA, false, replace, &t->placed,
			   &t->err);
}

/* The request, to be freed, and how many bytes of DATA followed, which have to be those. */
static json_t *sent(const struct talk *t, const char *data, size_t *ret_bytes)
{
	const char *p = buf_str(&t->fake.in);
	size_t len = t->fake.in.len;
	struct error ignored;
	struct frame_reader r;
	json_t *request = NULL;
	struct frame f;

	*ret_bytes = 0;
	frame_reader_init(&r, WIRE_HELPER);
	while (frame_reader_take(&r, &p, &len, &f, &ignored) == 1) {
		if (f.type == FRAME_REQUEST)
			request = json_from_text(f.body, f.len, "request", ERR_FAILED, &ignored);
		if (f.type != FRAME_DATA)
			continue;
		assert_memory_equal(f.body + 8, data + *ret_bytes, f.len - 8);
		*ret_bytes += f.len - 8;
	}
	frame_reader_release(&r);
	assert_non_null(request);
	return request;
}

static void placed_and_told(void **state)
{
	auto_free char *data = xcalloc(1, 3000000);
	auto_json json_t *request = NULL;
	struct talk t;
	size_t bytes;

	(void)state;
	memset(data + 1000000, 'x', 1500000);
	start(&t, FRAME_RESULT,
	      "{\"path\":\"/var/tmp/.jdiag-agents/a.jar\",\"how\":\"directory\","
	      "\"why\":\"/tmp: \\u001b[31mRead-only file system\"}");
	t.fake.hold_out = true; /* it answers when all is there */
	t.fake.expect_in = 3000000;
	assert_int_equal(place(&t, data, 3000000, NULL), 0);
	assert_string_equal(t.placed.path, "/var/tmp/.jdiag-agents/a.jar");
	assert_string_equal(t.placed.why, "/tmp: \\x1b[31mRead-only file system");
	assert_false(t.placed.mounted);
	assert_false(t.placed.existed);
	request = sent(&t, data, &bytes);
	assert_int_equal(bytes, 3000000);
	assert_string_equal(json_str_at(request, "op", ""), "place");
	assert_string_equal(json_str_at(request, "name", ""), "a.jar");
	assert_string_equal(json_str_at(request, "sha256", ""), SHA);
	assert_string_equal(json_str_at(request, "path", "?"), "");
	assert_int_equal(json_u64_at(request, "size", 0), 3000000);
	assert_int_equal(json_u64_at(request, "pid", 0), 4711);
	assert_int_equal(json_u64_at(request, "start_time", 0), 99);
	assert_false(json_bool_at(request, "exec", true));
	stop(&t);
}

static void replaced_where_it_was(void **state)
{
	static const char *const answer =
		"{\"path\":\"/mnt/a.jar\",\"how\":\"mount\",\"why\":\"\",\"existed\":true}";
	struct talk t;

	(void)state;
	start(&t, FRAME_RESULT, answer);
	assert_int_equal(place(&t, "abc", 3, "/mnt/a.jar"), 0);
	assert_true(t.placed.mounted);
	assert_true(t.placed.existed);
	stop(&t);
	start(&t, FRAME_RESULT, answer);
	assert_int_equal(place(&t, "abc", 3, "/srv/a.jar"), -1);
	assert_non_null(strstr(t.err.msg, "'/mnt/a.jar'"));
	stop(&t);
}

/* It is known before all has been sent. */
static void a_refusal_ends_it(void **state)
{
	auto_free char *data = xcalloc(1, 20 * MiB);
	auto_json json_t *request = NULL;
	struct talk t;
	size_t bytes;

	(void)state;
	start(&t, FRAME_ERROR,
	      "{\"code\":\"node\",\"errno\":28,\"message\":\"full\",\"hint\":\"h\"}");
	assert_int_equal(place(&t, data, 20 * MiB, NULL), -1);
	assert_int_equal(t.err.code, ERR_NODE);
	assert_int_equal(t.err.sys, ENOSPC);
	assert_string_equal(t.err.msg, "full");
	request = sent(&t, data, &bytes);
	assert_true(bytes <= 2 * MiB);
	stop(&t);
}

static void too_large_is_not_sent(void **state)
{
	struct talk t;

	(void)state;
	start(&t, FRAME_RESULT, NULL);
	assert_int_equal(place(&t, "", 0, NULL), -1);
	assert_int_equal(t.err.code, ERR_USAGE);
	assert_int_equal(place(&t, "", MAX_PLACED + 1, NULL), -1);
	assert_int_equal(t.err.code, ERR_USAGE);
	assert_int_equal(t.fake.in.len, 0);
	stop(&t);
}

/* A node that lies: its path becomes part of what the JVM is told. */
static void answers_are_checked(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"path\":\"/tmp/a.jar\"}",
		"{\"path\":\"/tmp/a.jar\",\"how\":\"magic\"}",
		"{\"path\":\"tmp/a.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/tmp/b.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/tmpa.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/tmp=x/a.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/t p/a.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/t\\u001bp/a.jar\",\"how\":\"mount\"}",
		"{\"path\":\"/tmp/../a.jar\",\"how\":\"mount\"}",
		"{\"path\":[],\"how\":\"mount\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct talk t;

		start(&t, FRAME_RESULT, bad[i]);
		if (place(&t, "abc", 3, NULL) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(t.err.code, ERR_FAILED);
		assert_non_null(strstr(t.err.msg, "protocol error"));
		stop(&t);
	}
}

static void answered_with_something_else(void **state)
{
	auto_free char *data = xcalloc(1, 5 * MiB);
	struct talk t;

	(void)state;
	start(&t, FRAME_END, "{}");
	assert_int_equal(place(&t, "abc", 3, NULL), -1);
	assert_non_null(strstr(t.err.msg, "protocol error"));
	stop(&t);
	start(&t, FRAME_RESULT, "{\"path\":\"/mnt/a.jar\",\"how\":\"mount\"}");
	assert_int_equal(place(&t, data, 5 * MiB, NULL), -1);
	assert_non_null(strstr(t.err.msg, "too early"));
	stop(&t);
}

static void unplaced(void **state)
{
	struct talk t;
	char name[101];
	bool removed;

	(void)state;
	start(&t, FRAME_RESULT, "{\"removed\":true,\"name\":\"jmx-9500-17.yaml\"}");
	assert_int_equal(agent_unplace_like(t.h, &jvm, "/mnt/-17.yaml", "jmx-", name, &t.err), 0);
	assert_string_equal(name, "jmx-9500-17.yaml");
	stop(&t);
	start(&t, FRAME_RESULT, "{\"removed\":true}");
	assert_int_equal(agent_unplace(t.h, &jvm, "/mnt/a.jar", &removed, &t.err), 0);
	assert_true(removed);
	stop(&t);
	start(&t, FRAME_RESULT, "{\"removed\":false}");
	assert_int_equal(agent_unplace(t.h, &jvm, "/mnt/a.jar", &removed, &t.err), 0);
	assert_false(removed);
	stop(&t);
	start(&t, FRAME_ERROR, "{\"code\":\"usage\",\"message\":\"no\"}");
	assert_int_equal(agent_unplace(t.h, &jvm, "/etc/passwd", &removed, &t.err), -1);
	assert_int_equal(t.err.code, ERR_USAGE);
	stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placed_and_told),
		cmocka_unit_test(replaced_where_it_was),
		cmocka_unit_test(a_refusal_ends_it),
		cmocka_unit_test(too_large_is_not_sent),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(answered_with_something_else),
		cmocka_unit_test(unplaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
