/* jdiag */
/* The way of a capture from a (fake) helper to a (fake) sink: order, checks, going back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "jdiag/deliver.h"
#include "jdiag/helper/helper.h"
#include "jdiag/progress.h"
#include "jdiag/sink/sink.h"
#include "remote/base/sha256.h"

/* A dump: header, one UTF8 record, one heap segment, the end. */
static const unsigned char dump[] = {
	'J', 'A', 'V', 'A', ' ', 'P', 'R', 'O', 'F',  'I', 'L', 'E', ' ', '1',	'.', '0', '.', '2',
	0,   0,	  0,   0,   8,	 0,   0,   0,	0,    0,   0,	0,   0,	  0x01, 0,   0,	  0,   0,
	0,   0,	  0,   9,   0,	 0,   0,   0,	0,    0,   0,	1,   'x', 0x1c, 0,   0,	  0,   0,
	0,   0,	  0,   4,   1,	 2,   3,   4,	0x2c, 0,   0,	0,   0,	  0,	0,   0,	  0,
};

/* The fake helper plays the dump in pieces from the offset of the last read. */
struct helper {
	uint64_t length; /* of what it plays */
	uint32_t piece;	 /* bytes a DATA frame */
	uint32_t last_id, capture_id, read_id;
	uint64_t at;
	unsigned int reads;
	bool answered, cancelled;
	uint64_t skew;	    /* added to offsets */
	uint64_t lie;	    /* taken off the length in the result */
	const char *sha256; /* what END claims; NULL: the truth */
	struct error fail;  /* code set: the capture fails with it */
	json_t *body;
};

int helper_request(struct helper *h, const char *op, const json_t *params, uint32_t *ret_id,
		   struct error *err)
{
	(void)err;
	*ret_id = ++h->last_id;
	if (strcmp(op, "capture") == 0) {
		h->capture_id = h->last_id;
		return 0;
	}
	assert_string_equal(op, "read");
	h->read_id = h->last_id;
	h->at = (uint64_t)json_integer_value(json_object_get(params, "offset"));
	h->reads++;
	return 0;
}

int helper_cancel(struct helper *h, uint32_t id, struct error *err)
{
	(void)err;
	assert_int_equal(id, h->read_id);
	h->cancelled = true;
	return 0;
}

static void say(struct helper *h, struct helper_message *m, int kind, uint32_t id, json_t *body)
{
	json_decref(h->body);
	h->body = body;
	*m = (struct helper_message){.request = id, .json = body};
	m->kind = kind;
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

	say(h, m, HELPER_DATA, h->read_id, NULL);
	m->offset = h->at + h->skew;
	m->data = (const char *)dump + h->at;
	m->len = n;
	h->at += n;
}

int helper_next(struct helper *h, uint64_t timeout_ms, struct helper_message *m, struct error *err)
{
	bool half = h->at >= h->length / 2;

	(void)timeout_ms;
	(void)err;
	if (h->fail.code) {
		say(h, m, HELPER_ERROR, h->read_id, NULL);
		m->error = h->fail;
	} else if (h->cancelled && half) { /* after some more data that was on its way */
		h->cancelled = false;
		say(h, m, HELPER_ERROR, h->read_id, NULL);
		m->error.code = ERR_INTERRUPTED;
		h->read_id = 0;
	} else if (!h->answered && half) {
		h->answered = true;
		say(h, m, HELPER_RESULT, h->capture_id,
		    json_pack("{s:I, s:i}", "bytes", (json_int_t)(h->length - h->lie), "pause_ms",
			      7));
	} else if (h->read_id && h->at < h->length) {
		say_data(h, m);
	} else if (h->read_id) {
		say(h, m, HELPER_END, h->read_id, end_body(h));
		h->read_id = 0;
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
	(void)err;
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

struct play {
	struct helper helper;
	struct sink sink;
	struct delivery_result result;
	struct error err;
};

static struct play play_init(void)
{
	return (struct play){
		.helper = {.length = sizeof(dump), .piece = 7},
		.sink = {.rewind_at = -1, .finish_rewind_to = -1},
	};
}

static int play_run(struct play *p)
{
	struct progress *progress = progress_new(PROGRESS_NONE, true);
	json_t *params = json_object();
	int rc = deliver_capture(&p->helper, params, &p->sink, progress, 100, &p->result, &p->err);

	progress_end(progress, rc < 0 ? &p->err : NULL);
	json_decref(params);
	json_decref(p->helper.body);
	return rc;
}

static void assert_delivered(const struct play *p)
{
	assert_int_equal(p->sink.finished, 1);
	assert_int_equal(p->sink.at, sizeof(dump));
	assert_memory_equal(p->sink.got, dump, sizeof(dump));
	assert_int_equal(p->result.bytes, sizeof(dump));
	assert_int_equal(p->result.pause_ms, 7);
	assert_int_equal(p->result.records, 3);
}

static void test_straight(void **state)
{
	struct play p = play_init();

	(void)state;
	assert_int_equal(play_run(&p), 0);
	assert_delivered(&p);
	assert_int_equal(p.helper.reads, 1);
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
		assert_int_equal(p.helper.reads, 2);
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

static void test_sink_ahead_is_an_error(void **state)
{
	struct play p = play_init();

	(void)state;
	p.sink.rewind_at = 10;
	p.sink.rewind_to = 60;
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_UPLOAD);
	assert_int_equal(p.sink.finished, 0);
}

static void test_truncated_dump(void **state)
{
	(void)state;
	for (size_t n = 1; n < sizeof(dump); n++) {
		struct play p = play_init();

		p.helper.length = n;
		assert_int_equal(play_run(&p), -1);
		assert_int_equal(p.err.code, ERR_CAPTURE);
		assert_int_equal(p.sink.finished, 0);
	}
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

static void test_capture_fails(void **state)
{
	struct play p = play_init();

	(void)state;
	error_set(&p.helper.fail, ERR_REFUSED, "held by another one");
	assert_int_equal(play_run(&p), -1);
	assert_int_equal(p.err.code, ERR_REFUSED);
	assert_string_equal(p.err.msg, "held by another one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight),
		cmocka_unit_test(test_goes_back_when_the_sink_lost_bytes),
		cmocka_unit_test(test_goes_back_from_finish),
		cmocka_unit_test(test_sink_ahead_is_an_error),
		cmocka_unit_test(test_truncated_dump),
		cmocka_unit_test(test_digest_differs),
		cmocka_unit_test(test_data_out_of_order),
		cmocka_unit_test(test_more_bytes_than_said),
		cmocka_unit_test(test_capture_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
