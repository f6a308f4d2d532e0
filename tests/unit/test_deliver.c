/* jdiag */
/* The way of a capture from a (fake) helper to a (fake) sink: order, checks, going back,
 * connections that break at every message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/deliver.h"
#include "jdiag/helper/helper.h"
#include "jdiag/node_upload.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/sha256.h"

#define ID "0123456789abcdef"

/* The artifact; what is in it does not matter here. */
static const unsigned char dump[] = {
	'J', 'A', 'V', 'A', ' ', 'P', 'R', 'O', 'F',  'I', 'L', 'E', ' ', '1',	'.', '0', '.', '2',
	0,   0,	  0,   0,   8,	 0,   0,   0,	0,    0,   0,	0,   0,	  0x01, 0,   0,	  0,   0,
	0,   0,	  0,   9,   0,	 0,   0,   0,	0,    0,   0,	1,   'x', 0x1c, 0,   0,	  0,   0,
	0,   0,	  0,   4,   1,	 2,   3,   4,	0x2c, 0,   0,	0,   0,	  0,	0,   0,	  0,
};

/* The node. What it knows outlives a connection; requests do not. */
struct helper {
	uint64_t length; /* of what it plays */
	uint32_t piece;	 /* bytes a DATA frame */
	bool ring;
	unsigned int begun;				 /* captures that were started */
	bool forgets;					 /* ... and are not there afterwards */
	uint64_t skew;					 /* added to offsets */
	uint64_t lie;					 /* taken off the length of the state */
	const char *sha256;				 /* what END claims; NULL: the truth */
	struct error fail_begin, fail_watch, fail_fetch; /* code set: it ends so */
	bool fail_fetch_once;
	int break_at; /* messages and requests until the connection breaks; -1: never */
	bool breaks_again;
	/* of this connection */
	uint32_t last_id, begin_id, watch_id, fetch_id;
	unsigned int told; /* by this watch */
	uint64_t at;
	bool cancelled, broken;
	/* of all */
	unsigned int connections, watches, fetches;
	json_t *body;
};

static int check_link(struct helper *h, struct error *err)
{
	if (h->break_at >= 0 && h->break_at-- == 0) {
		h->broken = true;
		h->break_at = h->breaks_again ? 9 : -1;
	}
	return h->broken ? error_set(err, ERR_SSH, "lost") : 0;
}

int session_reconnect(struct session *s, struct reconnect *r, struct progress *p,
		      const struct error *why, struct error *err)
{
	struct helper *h = s->helper;

	(void)p;
	(void)err;
	assert_int_equal(why->code, ERR_SSH);
	r->tries++;
	h->connections++;
	h->last_id = h->begin_id = h->watch_id = h->fetch_id = 0;
	h->cancelled = h->broken = false;
	return 0;
}

int helper_request(struct helper *h, const char *op, const json_t *params, uint32_t *ret_id,
		   struct error *err)
{
	const char *id = json_string_value(json_object_get(params, "id"));

	assert_string_equal(id, ID);
	if (check_link(h, err) < 0)
		return -1;
	*ret_id = ++h->last_id;
	if (strcmp(op, "begin") == 0) {
		h->begin_id = h->last_id;
		if (!h->begun && !h->fail_begin.code)
			h->begun++;
	} else if (strcmp(op, "watch") == 0) {
		h->watch_id = h->last_id;
		h->told = 0;
		h->watches++;
	} else {
		assert_string_equal(op, "fetch");
		assert_int_equal(h->fetch_id, 0); /* one after the other */
		h->fetch_id = h->last_id;
		h->at = (uint64_t)json_integer_value(json_object_get(params, "offset"));
		h->fetches++;
	}
	return 0;
}

int helper_cancel(struct helper *h, uint32_t id, struct error *err)
{
	assert_int_equal(id, h->fetch_id);
	h->cancelled = true;
	return check_link(h, err);
}

int helper_call(struct helper *h, const char *op, const json_t *params, uint64_t timeout_ms,
		json_t **ret, struct error *err)
{
	(void)h, (void)op, (void)params, (void)timeout_ms, (void)ret, (void)err;
	fail_msg("nothing is called while bytes come");
	return -1;
}

static void say(struct helper *h, struct helper_message *m, int kind, uint32_t id, json_t *body)
{
	json_decref(h->body);
	h->body = body;
	*m = (struct helper_message){.request = id, .json = body};
	m->kind = kind;
}

static void say_error(struct helper *h, struct helper_message *m, uint32_t *id,
		      const struct error *e)
{
	say(h, m, HELPER_ERROR, *id, NULL);
	m->error = *e;
	*id = 0;
}

static json_t *end_body(const struct helper *h)
{
	struct sha256 *s = sha256_new();
	char hex[SHA256_HEX_SIZE];

	sha256_add(s, dump, h->length);
	sha256_hex(s, hex);
	sha256_free(s);
	return json_pack("{s:I, s:s}", "length", (json_int_t)h->length, "sha256",
			 h->sha256 ? h->sha256 : hex);
}

static void say_data(struct helper *h, struct helper_message *m)
{
	uint32_t n = h->piece < h->length - h->at ? h->piece : (uint32_t)(h->length - h->at);

	say(h, m, HELPER_DATA, h->fetch_id, NULL);
	m->offset = h->at + h->skew;
	m->data = (const char *)dump + h->at;
	m->len = n;
	h->at += n;
}

static json_t *state_body(const struct helper *h, const char *phase, uint64_t readable)
{
	return json_pack("{s:s, s:b, s:I, s:I, s:i, s:i, s:s, s:[{s:I, s:b}]}", "phase", phase,
			 "ring", h->ring, "raw", (json_int_t)1000, "stored",
			 (json_int_t)(h->length - h->lie), "pause_ms", 7, "records", 3, "format",
			 "hprof.gz", "parts", "bytes", (json_int_t)readable, "final", 0);
}

/* What a watch tells: a state at once, one more, the result when half of the bytes have gone. */
static bool say_state(struct helper *h, struct helper_message *m)
{
	static const char *const phases[] = {"dump", "spool"};
	const struct error absent = {.code = ERR_TARGET, .msg = "no such capture"};

	if (!h->begun || h->forgets) {
		say_error(h, m, &h->watch_id, &absent);
	} else if (h->told < 2) {
		say(h, m, HELPER_PROGRESS, h->watch_id,
		    state_body(h, phases[h->told], h->length / 3 * (h->told + 1)));
		h->told++;
	} else if (h->fail_watch.code) {
		say_error(h, m, &h->watch_id, &h->fail_watch);
	} else if (h->at >= h->length / 2 || !h->fetch_id) {
		say(h, m, HELPER_RESULT, h->watch_id, state_body(h, "complete", h->length));
		h->watch_id = 0;
	} else {
		return false;
	}
	return true;
}

static void say_bytes(struct helper *h, struct helper_message *m)
{
	const struct error cancelled = {.code = ERR_INTERRUPTED};

	if (h->cancelled && (h->at >= h->length / 2)) { /* after data that was on its way */
		h->cancelled = false;
		say_error(h, m, &h->fetch_id, &cancelled);
	} else if (h->fail_fetch.code) {
		say_error(h, m, &h->fetch_id, &h->fail_fetch);
		h->fail_fetch.code = h->fail_fetch_once ? ERR_NONE : h->fail_fetch.code;
	} else if (h->at < h->length) {
		say_data(h, m);
	} else {
		say(h, m, HELPER_END, h->fetch_id, end_body(h));
		h->fetch_id = 0;
	}
}

int helper_next(struct helper *h, uint64_t timeout_ms, struct helper_message *m, struct error *err)
{
	(void)timeout_ms;
	if (check_link(h, err) < 0)
		return -1;
	if (h->begin_id && h->fail_begin.code) {
		say_error(h, m, &h->begin_id, &h->fail_begin);
	} else if (h->begin_id) {
		say(h, m, HELPER_RESULT, h->begin_id, json_pack("{s:s}", "id", ID));
		h->begin_id = 0;
	} else if (h->watch_id && say_state(h, m)) {
		;
	} else if (h->fetch_id) {
		say_bytes(h, m);
	} else {
		fail_msg("the client waits for a message that cannot come");
	}
	return 0;
}

struct sink {
	unsigned char got[sizeof(dump)];
	uint64_t at;
	int64_t rewind_at, rewind_to; /* once, when `at` passes rewind_at */
	int64_t finish_rewind_to;     /* once */
	uint64_t extent;
	bool final;
	unsigned int finished;
	bool fail; /* the disk is full */
};

int sink_extent(struct sink *s, uint64_t available, bool final, struct error *err)
{
	(void)err;
	assert_true(available >= s->extent);
	assert_false(s->final && !final);
	s->extent = available;
	s->final = final;
	return 0;
}

int sink_write(struct sink *s, const void *data, size_t len, uint64_t *ret_offset,
	       struct error *err)
{
	if (s->fail)
		return error_sys(err, ERR_FAILED, 28, "cannot write");
	assert_true(s->at + len <= sizeof(s->got));
	assert_true(s->at + len <= s->extent); /* never more than the sink was told of */
	memcpy(s->got + s->at, data, len);
	s->at += len;
	if (s->rewind_at < 0 || s->at < (uint64_t)s->rewind_at)
		return 0;
	s->rewind_at = -1;
	s->at = *ret_offset = (uint64_t)s->rewind_to;
	return SINK_REWIND;
}

int sink_finish(struct sink *s, uint64_t *ret_offset, struct error *err)
{
	(void)err;
	if (s->finish_rewind_to >= 0) {
		s->at = *ret_offset = (uint64_t)s->finish_rewind_to;
		s->finish_rewind_to = -1;
		return SINK_REWIND;
	}
	s->finished++;
	return 0;
}

/* The node's own upload: how each try ends, and how much the bucket has then. */
struct upload {
	int rc;
	enum err_code code;
	uint64_t offset;
};
static const struct upload *uploads;

int upload_from_node(struct helper *h, struct sink *s, struct node_upload *u,
		     struct progress *progress, struct error *why, struct error *err)
{
	const struct upload now = *uploads++;

	(void)progress;
	assert_int_equal(u->size, h->length);
	assert_true(now.offset >= u->offset && now.offset <= sizeof(dump));
	u->offset = s->at = now.offset;
	memcpy(s->got, dump, now.offset);
	if (now.rc)
		error_set(now.rc > 0 ? why : err, now.code, "try ended");
	else
		s->finished++;
	h->broken = now.code == ERR_SSH;
	return now.rc;
}

struct play {
	struct helper helper;
	struct sink sink;
	bool exists, detach; /* resumed; without a sink */
	bool from_node;
	struct delivery_result result;
	struct error err;
};

static struct play play_init(void)
{
	return (struct play){
		.helper = {.length = sizeof(dump), .piece = 7, .break_at = -1},
		.sink = {.rewind_at = -1, .finish_rewind_to = -1},
	};
}

static int play_run(struct play *p)
{
	struct progress *progress = progress_new(PROGRESS_NONE, true);
	struct session session = {.helper = &p->helper, .node = "node-1"};
	json_t *begin = json_pack("{s:s, s:b}", "id", ID, "spool", !p->helper.ring);
	const struct delivery_options o = {
		.id = ID,
		.begin = p->exists ? NULL : begin,
		.sink = p->detach ? NULL : &p->sink,
		.from_node = p->from_node,
		.last_phase = "upload",
		.expected = 100,
	};
	int rc = deliver_capture(&session, &o, progress, &p->result, &p->err);

	progress_end(progress, rc < 0 ? &p->err : NULL);
	json_decref(begin);
	json_decref(p->helper.body);
	return rc;
}

static void assert_delivered(const struct play *p)
{
	assert_int_equal(p->sink.finished, 1);
	assert_int_equal(p->sink.at, sizeof(dump));
	assert_memory_equal(p->sink.got, dump, sizeof(dump));
	assert_int_equal(p->result.bytes, sizeof(dump));
	assert_int_equal(p->result.raw, 1000);
	assert_int_equal(p->result.pause_ms, 7);
	assert_int_equal(p->result.records, 3);
	assert_string_equal(p->result.format, "hprof.gz");
	assert_int_equal(p->helper.begun, 1);
}

static void test_straight(void **state)
{
	struct play p = play_init();

	(void)state;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
	assert_int_equal(p.helper.fetches, 1);
	assert_int_equal(p.helper.watches, 1);
	assert_int_equal(p.helper.connections, 0);
}

static void test_resumed(void **state)
{
	struct play p = play_init();

	(void)state;
	p.exists = true;
	p.helper.begun = 1;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
}

static void test_detached(void **state)
{
	struct play p = play_init();

	(void)state;
	p.detach = true;
	assert_int_equal(play_run(&p), 0);
	assert_int_equal(p.result.phase, CAPTURE_COMPLETE);
	assert_int_equal(p.result.bytes, sizeof(dump));
	assert_int_equal(p.helper.fetches, 0);
}

static void test_goes_back_when_the_sink_lost_bytes(void **state)
{
	(void)state;
	for (size_t at = 1; at <= sizeof(dump); at++) {
		struct play p = play_init();

		p.sink.rewind_at = (int64_t)at;
		p.sink.rewind_to = (int64_t)at / 2;
		assert_int_equal(play_run(&p), 0);
		assert_delivered(&p);
		assert_int_equal(p.helper.fetches, 2);
	}
}

static void test_goes_back_from_finish(void **state)
{
	struct play p = play_init();

	(void)state;
	p.sink.finish_rewind_to = 3;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
}

/* How many requests and messages a whole delivery has. */
#define ALL_MESSAGES 60

/* With a sink that loses bytes, too, in the middle and at the end. */
static void break_everywhere(bool again, int64_t rewind_at, int64_t finish_rewind_to)
{
	unsigned int broke = 0;

	for (int n = 0; n < ALL_MESSAGES; n++) {
		struct play p = play_init();

		p.helper.break_at = n;
		p.helper.breaks_again = again;
		p.sink.rewind_at = rewind_at;
		p.sink.rewind_to = 4;
		p.sink.finish_rewind_to = finish_rewind_to;
		assert_int_equal(play_run(&p), 0);
		assert_delivered(&p);
		broke += p.helper.connections;
	}
	assert_true(broke >= 16);
}

static void test_breaks_at_every_message(void **state)
{
	(void)state;
	break_everywhere(false, -1, -1);
	break_everywhere(false, 40, -1);
	break_everywhere(false, -1, 11);
	break_everywhere(false, 20, 0);
}

static void test_breaks_again_and_again(void **state)
{
	(void)state;
	break_everywhere(true, -1, -1);
	break_everywhere(true, 40, 60);
}

static void test_a_ring_does_not_survive_a_break(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.ring = true;
	p.helper.break_at = 8;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_SSH);
	assert_non_null(strstr(p.err.hint, "--no-spool"));
	assert_true(p.result.lost);
	assert_int_equal(p.helper.connections, 0);
}

static void test_gone_after_a_break(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.forgets = true;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_CAPTURE);
	assert_true(p.result.lost);
	assert_int_equal(p.helper.begun, 1);
}

static void test_sink_ahead_is_an_error(void **state)
{
	struct play p = play_init();

	(void)state;
	p.sink.rewind_at = 10;
	p.sink.rewind_to = 60;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_UPLOAD);
	assert_int_equal(p.sink.finished, 0);
	assert_false(p.result.lost);
}

static void test_sink_fails(void **state)
{
	struct play p = play_init();

	(void)state;
	p.sink.fail = true;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_UPLOAD);
	assert_int_equal(p.err.sys, 28);
	assert_true(p.result.begun);
	assert_false(p.result.lost);
}

static void test_digest_differs(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_CAPTURE);
	assert_non_null(strstr(p.err.msg, "SHA-256"));
	assert_int_equal(p.sink.finished, 0);
	assert_false(p.result.lost);
}

static void test_data_out_of_order(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.skew = 1;
	assert_int_equal(play_run(&p), -1);
	assert_non_null(strstr(p.err.msg, "protocol"));
}

static void test_more_bytes_than_said(void **state)
{
	(void)state;
	for (uint64_t lie = 1; lie < sizeof(dump) / 2; lie++) {
		struct play p = play_init();

		p.helper.lie = lie;
		assert_int_equal(play_run(&p), -1);
		assert_non_null(strstr(p.err.msg, "another length"));
		assert_int_equal(p.sink.finished, 0);
	}
}

static void test_does_not_begin(void **state)
{
	struct play p = play_init();

	(void)state;
	error_set(&p.helper.fail_begin, ERR_REFUSED, "held by another one");
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_REFUSED);
	assert_string_equal(p.err.msg, "held by another one");
	assert_false(p.result.begun);
}

/* Also where the fetch says so first. */
static void test_capture_fails(void **state)
{
	(void)state;
	for (int fetch_too = 0; fetch_too < 2; fetch_too++) {
		struct play p = play_init();

		error_set(&p.helper.fail_watch, ERR_CAPTURE, "no room");
		if (fetch_too)
			p.helper.fail_fetch = p.helper.fail_watch;
		assert_int_equal(play_run(&p), -1);
		assert_int_equal(p.err.code, ERR_CAPTURE);
		assert_string_equal(p.err.msg, "no room");
		assert_true(p.result.lost);
	}
}

/* The node's disk, say: what the capture made is not thrown away for it. */
static void test_fetch_fails(void **state)
{
	struct play p = play_init();

	(void)state;
	error_set(&p.helper.fail_fetch, ERR_FAILED, "cannot read");
	assert_int_equal(play_run(&p), -1);
	assert_string_equal(p.err.msg, "cannot read");
	assert_true(p.result.begun);
	assert_false(p.result.lost);
	assert_int_equal(p.result.phase, CAPTURE_COMPLETE);
}

static void test_a_ring_has_lost_the_bytes(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.ring = true;
	error_set(&p.helper.fail_fetch, ERR_UPLOAD, "gone");
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_UPLOAD);
	assert_non_null(strstr(p.err.hint, "without --no-spool"));
}

/* ---- from the node ---- */

static void test_from_node(void **state)
{
	static const struct upload tries[] = {
		{-1, ERR_SSH, 10}, {-1, ERR_SSH, 20}, {0, 0, sizeof(dump)}};
	struct play p = play_init();

	(void)state;
	uploads = tries;
	p.from_node = true;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
	assert_int_equal(p.helper.connections, 2);
	assert_int_equal(p.helper.fetches, 0);
}

/* What the bucket has already is not written again, but it is in the digests. */
static void test_from_node_then_from_here(void **state)
{
	static const struct upload tries[][2] = {
		{{1, ERR_NODE, 0}},
		{{-1, ERR_SSH, 10}, {1, ERR_NODE, 33}},
		{{-1, ERR_SSH, 10}, {1, ERR_NODE, sizeof(dump)}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct play p = play_init();

		uploads = tries[i];
		p.from_node = true;
		if (i == 1) { /* and lost some of it: wanted again */
			p.sink.rewind_at = 50;
			p.sink.rewind_to = 21;
		}
		assert_int_equal(play_run(&p), 0);
		assert_delivered(&p);
	}
}

/* A connection that broke once is no reason to take each failure for a broken connection. */
static void test_from_node_fails(void **state)
{
	static const struct upload tries[] = {{-1, ERR_SSH, 10}, {-1, ERR_UPLOAD, 10}};
	struct play p = play_init();

	(void)state;
	uploads = tries;
	p.from_node = true;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_UPLOAD);
	assert_int_equal(p.helper.connections, 1);
	assert_false(p.result.lost);
}

/* A fetch that failed on a connection that broke then is tried again on the next one. */
static void test_fetch_failed_before_a_break(void **state)
{
	struct play p = play_init();

	(void)state;
	p.helper.fail_fetch_once = true;
	error_set(&p.helper.fail_fetch, ERR_NODE, "too many open files");
	p.helper.break_at = 7;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_goes_back_when_the_sink_lost_bytes),
		cmocka_unit_test(test_goes_back_from_finish),
		cmocka_unit_test(test_breaks_at_every_message),
		cmocka_unit_test(test_breaks_again_and_again),
		cmocka_unit_test(test_a_ring_does_not_survive_a_break),
		cmocka_unit_test(test_gone_after_a_break),
		cmocka_unit_test(test_sink_ahead_is_an_error),
		cmocka_unit_test(test_sink_fails),
		cmocka_unit_test(test_digest_differs),
		cmocka_unit_test(test_data_out_of_order),
		cmocka_unit_test(test_more_bytes_than_said),
		cmocka_unit_test(test_does_not_begin),
		cmocka_unit_test(test_capture_fails),
		cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_a_ring_has_lost_the_bytes),
		cmocka_unit_test(test_from_node),
		cmocka_unit_test(test_from_node_then_from_here),
		cmocka_unit_test(test_from_node_fails),
		cmocka_unit_test(test_fetch_failed_before_a_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
