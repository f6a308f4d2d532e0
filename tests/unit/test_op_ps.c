/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/ops.h"
#include "tests/unit/tree.h"

#define A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define C "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"

/* What was sent: the operation is linked with this conn_send_json instead of conn.c's. */
struct sink {
	struct connection conn; /* first: found again by its address */
	struct buf result;
	unsigned int sent;
};

void conn_send_json(struct connection *c, enum frame_type type, uint32_t request,
		    const struct buf *body)
{
	struct sink *s = (struct sink *)c;

	assert_int_equal(type, FRAME_RESULT);
	assert_int_equal(request, 5);
	buf_add(&s->result, buf_str(body), body->len);
	s->sent++;
}

struct fixture {
	struct tree t;
	struct sink sink;
	struct helper_state h;
};

static void put(struct fixture *f, int pid, const char *file, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), "%d/%s", pid, file);
	tree_text(&f->t, path, text);
}

static void add_process(struct fixture *f, int pid, const char *cgroup, bool jvm)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "State:\tS (x)\nPid:\t%d\nUid:\t9\t9\t9\t9\nGid:\t8\t8\t8\t8\n"
		 "SigBlk:\t0\nSigIgn:\t0\nSigCgt:\t4\n",
		 pid);
	put(f, pid, "status", text);
	snprintf(text, sizeof(text), "%d (x) S 1 1 1 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 %d 1\n", pid,
		 pid * 100);
	put(f, pid, "stat", text);
	put(f, pid, "maps",
	    jvm ? "1-2 r-xp 0 fe:00 1   /j/lib/server/libjvm.so\n"
		: "1-2 r-xp 0 fe:00 1   /bin/sh\n");
	snprintf(text, sizeof(text), "0::%s\n", cgroup);
	put(f, pid, "cgroup", text);
	snprintf(text, sizeof(text), "%d/root/tmp", pid);
	tree_dir(&f->t, text);
}

static void setup(struct fixture *f)
{
	*f = (struct fixture){.sink.result = BUF_INIT(1 << 20)};
	f->h.conn = &f->sink.conn;
	tree_open(&f->t);
	assert_int_equal(procfs_open(&f->h.proc, f->t.path), 0);
	tree_text(&f->t, "stat", "cpu 1\nbtime 1000\n");
	add_process(f, 10, "/docker/" A, true);
	add_process(f, 11, "/docker/" A, false);
	add_process(f, 12, "/docker/" B "/docker/" A, true);
	add_process(f, 13, "/system.slice/app.service", true);
	add_process(f, 14, "/docker/" B, false);
	add_process(f, 15, "/libpod-conmon-" A ".scope", false);
	tree_dir(&f->t, "16"); /* ends while we look */
}

static void teardown(struct fixture *f)
{
	procfs_close(&f->h.proc);
	tree_close(&f->t);
	buf_release(&f->sink.result);
}

/* As the dispatcher does it. 1 or -1. */
static int run(struct fixture *f, const char *params, struct error *err)
{
	struct op_request r = {.id = 5, .op = &op_ps};
	int done, interval = 100;

	assert_int_equal(jsonr_parse(&r.params, params, strlen(params), err), 0);
	buf_reset(&f->sink.result);
	f->sink.sent = 0;
	done = op_ps.start(&f->h, &r, err);
	r.params = (struct jsonr){0};
	while (done == 0) {
		assert_int_equal(op_ps.poll(&r, NULL, 0, &interval), 0);
		assert_int_equal(interval, 0);
		done = op_ps.step(&f->h, &r, err);
	}
	op_ps.end(&f->h, &r);
	assert_null(r.state);
	assert_int_equal(f->sink.sent, done == 1);
	return done;
}

static unsigned int count(const struct fixture *f, const char *text)
{
	unsigned int n = 0;

	for (const char *s = buf_str(&f->sink.result); (s = strstr(s, text)) != NULL; s++)
		n++;
	return n;
}

static void test_every_process(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(run(&f, "{\"op\":\"ps\"}", NULL), 1);
	assert_int_equal(count(&f, "\"pid\":"), 3);
	assert_int_equal(count(&f,
			       "\"pid\":10,\"ns_pid\":10,\"start_time\":1000,\"started\":1010,"
			       "\"container\":\"" A "\",\"uid\":9,\"gid\":8,\"vm\":\"hotspot\""),
			 1);
	assert_int_equal(count(&f, "\"pid\":13,"), 1);
	assert_int_equal(count(&f, "\"container\":\"\""), 1);
	assert_int_equal(count(&f, "\"attachable\":true,\"reason\":\"\",\"listening\":false"), 3);
	assert_int_equal(count(&f, "\"truncated\":false,\"unnamed\":false,\"containers\":[]}"), 1);
	teardown(&f);
}

static void test_some_containers(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(run(&f, "{\"containers\":[\"" B "\",\"" C "\"]}", NULL), 1);
	/* The JVM in the container inside counts as the outer's. */
	assert_int_equal(count(&f, "\"pid\":"), 1);
	assert_int_equal(count(&f, "\"pid\":12,"), 1);
	assert_int_equal(count(&f, "\"container\":\"" B "\""), 1);
	assert_int_equal(count(&f, "{\"id\":\"" B "\",\"processes\":2}"), 1);
	assert_int_equal(count(&f, "{\"id\":\"" C "\",\"processes\":0}"), 1);
	assert_int_equal(run(&f, "{\"containers\":[]}", NULL), 1);
	assert_string_equal(
		buf_str(&f.sink.result),
		"{\"jvms\":[],\"truncated\":false,\"unnamed\":false,\"containers\":[]}");
	teardown(&f);
}

static void test_one_process(void **state)
{
	struct error err = {0};
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(run(&f, "{\"pid\":13}", NULL), 1);
	assert_int_equal(count(&f, "\"pid\":13,"), 1);
	assert_int_equal(run(&f, "{\"pid\":14}", &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	assert_string_equal(err.msg, "process '14' is not a JVM");
	assert_int_equal(run(&f, "{\"pid\":99}", &err), -1);
	assert_string_equal(err.msg, "process '99' has ended");
	assert_int_equal(run(&f, "{\"pid\":99999999999}", &err), -1);
	assert_int_equal(err.code, ERR_TARGET);
	teardown(&f);
}

static void test_bad_parameters(void **state)
{
	static const char *const bad[] = {
		"{\"pid\":\"1\"}",	   "{\"pid\":-1}",
		"{\"containers\":\"x\"}",  "{\"containers\":[1]}",
		"{\"containers\":[\"\"]}", "{\"containers\":[\"" A A A "\"]}",
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = {0};

		assert_int_equal(run(&f, bad[i], &err), -1);
		assert_true(err.code != ERR_NONE && err.msg[0]);
	}
	teardown(&f);
}

/* More JVMs than one answer can hold: as many as fit, and the answer says so. */
static void test_answer_is_bounded(void **state)
{
	char maps[600] = "1-2 r-xp 0 fe:00 1   /";
	struct fixture f;

	(void)state;
	setup(&f);
	memset(maps + strlen(maps), 1, 480); /* each byte takes six in JSON */
	strncat(maps, "/libjvm.so\n", sizeof(maps) - strlen(maps) - 1);
	for (int pid = 1000; pid < 1400; pid++) {
		add_process(&f, pid, "/docker/" A, true);
		put(&f, pid, "maps", maps);
	}
	assert_int_equal(run(&f, "{\"op\":\"ps\"}", NULL), 1);
	assert_int_equal(count(&f, "\"truncated\":true"), 1);
	assert_true(count(&f, "\"pid\":") > 100);
	assert_true(f.sink.result.len <= 1 << 20);
	teardown(&f);
}

/* Cancelled before its start, and during it. */
static void test_end_in_the_middle(void **state)
{
	struct op_request r = {.id = 5, .op = &op_ps};
	struct fixture f;

	(void)state;
	setup(&f);
	op_ps.end(&f.h, &r);
	for (int pid = 1000; pid < 1200; pid++)
		add_process(&f, pid, "/docker/" A, true);
	assert_int_equal(jsonr_parse(&r.params, "{}", 2, NULL), 0);
	if (op_ps.start(&f.h, &r, NULL) == 0)
		assert_int_equal(f.sink.sent, 0);
	op_ps.end(&f.h, &r);
	assert_null(r.state);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_process),	  cmocka_unit_test(test_some_containers),
		cmocka_unit_test(test_one_process),	  cmocka_unit_test(test_bad_parameters),
		cmocka_unit_test(test_answer_is_bounded), cmocka_unit_test(test_end_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
