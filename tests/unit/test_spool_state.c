/* remote */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/base/limits.h"
#include "remote/spool/spool.h"
#include "remote/spool/state.h"

#define ID "0123456789abcdef"
#define SHA "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

static struct error err;

static struct spool_state example(void)
{
	return (struct spool_state){
		.version = SPOOL_VERSION,
		.program = "jdiag-helper 0.1.0",
		.id = ID,
		.phase = SPOOL_COMPLETE,
		.ring = true,
		.owner = "ana@bastion-1",
		.label = xstrdup("{\"to\":\"gs://x/\xc3\xa4\"}\n"),
		.container = "lxc:web",
		.pid = 4711,
		.start_time = UINT64_MAX,
		.created = 1,
		.expires = INT64_MAX,
		.strategy = "fifo",
		.format = "hprof.gz",
		.redact = "none",
		.buffer = 5,
		.expected = 6,
		.raw = 7,
		.stored = 30,
		.overflow = 9,
		.stalled_ms = 10,
		.pause_ms = 11,
		.elapsed_ms = 12,
		.written_ms = 13,
		.parts = {{10, true}, {20, true}},
		.n_parts = 2,
		.records = 14,
		.sha256 = SHA,
		.crc32c = UINT32_MAX,
		.text = "Heap dump file created [1 bytes]\n",
		.notice = "\"quoted\" \\ and\ttabs",
	};
}

static void write_state(struct buf *b, const struct spool_state *s)
{
	struct jsonw w = {.b = b};

	buf_reset(b);
	spool_state_write(&w, NULL, s);
	assert_false(b->overflow);
}

static int parse(const char *text, size_t len, struct spool_state *ret)
{
	struct jsonr doc;

	assert_int_equal(jsonr_parse(&doc, text, len, &err), 0);
	return spool_state_parse(&doc, ret, &err);
}

static int again(const struct spool_state *s, struct spool_state *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE);

	write_state(&b, s);
	return parse(b.data, b.len, ret);
}

/* Compared as text: each field that is written counts, and none is taken for another. */
static void assert_same(const struct spool_state *a, const struct spool_state *b)
{
	auto_buf struct buf x = BUF_INIT(MAX_SPOOL_STATE), y = BUF_INIT(MAX_SPOOL_STATE);

	write_state(&x, a);
	write_state(&y, b);
	assert_string_equal(x.data, y.data);
}

static void test_round_trip(void **state)
{
	struct spool_state s = example(), got = {0};

	(void)state;
	if (again(&s, &got) < 0)
		fail_msg("%s", err.msg);
	assert_same(&s, &got);
	assert_string_equal(got.label, s.label);
	assert_true(got.start_time == UINT64_MAX && got.expires == INT64_MAX && got.ring);
	assert_int_equal(got.n_parts, 2);
	assert_true(got.parts[1].final && got.parts[1].bytes == 20);
	assert_int_equal(got.error.code, ERR_NONE);
	spool_state_release(&got);
	assert_null(got.label);
	spool_state_release(&s);
}

static void test_every_phase(void **state)
{
	struct spool_state s = example(), got;

	(void)state;
	error_set(&s.error, ERR_CAPTURE, "the JVM has ended");
	error_hint(&s.error, "two\nlines");
	s.error.sys = 28;
	for (int phase = SPOOL_STARTING; phase <= SPOOL_FAILED; phase++) {
		s.phase = (enum spool_phase)phase;
		assert_int_equal(again(&s, &got), 0);
		assert_int_equal(got.phase, phase);
		assert_same(&s, &got);
		assert_int_equal(got.error.code, ERR_CAPTURE);
		assert_int_equal(got.error.sys, 28);
		assert_string_equal(got.error.hint, "two\nlines");
		spool_state_release(&got);
	}
	spool_state_release(&s);
}

/* Full fields, and bytes that are no text: what was written can always be read. */
static void test_largest(void **state)
{
	static const char fill[] = {1, 'x', (char)0xff, '"'};
	struct spool_state s = example(), got;

	(void)state;
	free(s.label);
	s.label = xmalloc(MAX_SPOOL_LABEL + 1);
	s.n_parts = SPOOL_MAX_PARTS;
	s.stored = SPOOL_MAX_PARTS;
	for (unsigned int i = 0; i < SPOOL_MAX_PARTS; i++)
		s.parts[i] = (struct spool_part){1, true};
	for (size_t i = 0; i < sizeof(fill); i++) {
		memset(s.label, fill[i], MAX_SPOOL_LABEL);
		s.label[MAX_SPOOL_LABEL] = '\0';
		memset(s.text, fill[i], sizeof(s.text) - 1);
		memset(s.owner, fill[i], sizeof(s.owner) - 1);
		memset(s.notice, fill[i], sizeof(s.notice) - 1);
		memset(s.container, fill[i], sizeof(s.container) - 1);
		memset(s.strategy, fill[i], sizeof(s.strategy) - 1);
		memset(s.format, fill[i], sizeof(s.format) - 1);
		memset(s.redact, fill[i], sizeof(s.redact) - 1);
		if (again(&s, &got) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(strlen(got.label), MAX_SPOOL_LABEL);
		assert_int_equal(strlen(got.text), sizeof(got.text) - 1);
		assert_int_equal(got.text[0], fill[i] == (char)0xff ? '?' : fill[i]);
		spool_state_release(&got);
	}
	spool_state_release(&s);
}

static void test_without_label(void **state)
{
	struct spool_state s = example(), got;
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE);

	(void)state;
	spool_state_release(&s);
	write_state(&b, &s);
	assert_null(strstr(b.data, "label"));
	assert_int_equal(again(&s, &got), 0);
	assert_string_equal(got.label, "");
	spool_state_release(&got);
}

static void test_other_version(void **state)
{
	static const char text[] = "{\"phase\":7,\"version\":2,\"program\":\"jdiag-helper 9.0\","
				   "\"expires\":77}";
	struct spool_state got;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &got), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_non_null(strstr(err.msg, "version 2"));
	assert_non_null(strstr(err.msg, "jdiag-helper 9.0"));
	assert_int_equal(got.version, 2);
	assert_string_equal(got.program, "jdiag-helper 9.0");
	assert_int_equal(got.expires, 77);
	assert_null(got.label);
}

/* The example, with one piece of its text put into another form. */
static void test_bad(void **state)
{
	static const char *const bad[][2] = {
		{"\"version\":1", "\"version\":\"1\""},
		{"\"version\":1", "\"v\":1"},
		{"\"program\":", "\"p\":"},
		{"\"program\":\"", "\"program\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
		{"\"id\":\"0", "\"id\":\"G"},
		{"\"id\":\"0", "\"id\":\""},
		{"\"id\":\"0", "\"id\":\"00"},
		{"\"phase\":\"complete\"", "\"phase\":\"done\""},
		{"\"phase\":\"complete\"", "\"phase\":4"},
		{"\"phase\":\"complete\"", "\"phase\":\"failed\""},
		{"\"ring\":true", "\"ring\":1"},
		{"\"ring\":true", "\"r\":1"},
		{"\"pid\":4711", "\"pid\":4294967297"},
		{"\"pid\":4711", "\"pid\":-1"},
		{"\"pid\":4711", "\"pid\":1.5"},
		{"\"expires\":9223372036854775807", "\"expires\":9223372036854775808"},
		{"\"raw\":7", "\"raw\":99999999999999999999"},
		{"\"raw\":7", "\"rav\":7"},
		{"\"parts\":[", "\"parts\":[1,"},
		{"\"parts\":[", "\"parts\":[{},"},
		{"\"parts\":[", "\"parts\":[{\"bytes\":0,\"final\":0},"},
		{"\"parts\":[", "\"part\":["},
		{"\"bytes\":10", "\"bytes\":9223372036854775808"},
		{"\"bytes\":10", "\"bytes\":9223372036854775807"},
		{"\"bytes\":10", "\"bytes\":11"},
		{"\"final\":true", "\"final\":false"},
		{"\"sha256\":\"ca", "\"sha256\":\"CA"},
		{"\"sha256\":\"ca", "\"sha256\":\"c"},
		{"\"crc32c\":4294967295", "\"crc32c\":4294967296"},
		{"\"text\":\"", "\"text\":\"\\u0000"},
		{"\"notice\":", "\"error\":1,\"notice\":"},
		{"\"notice\":", "\"error\":{},\"notice\":"},
		{"\"notice\":",
		 "\"error\":{\"code\":\"none\",\"errno\":0,\"message\":\"\",\"hint\":\"\"},"
		 "\"notice\":"},
		{"\"label\":\"", "\"label\":[],\"l\":\""},
	};
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE), changed = BUF_INIT(MAX_SPOOL_STATE);
	struct spool_state s = example(), got;

	(void)state;
	write_state(&b, &s);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *at = strstr(b.data, bad[i][0]);

		assert_non_null(at);
		buf_reset(&changed);
		buf_add(&changed, b.data, (size_t)(at - b.data));
		buf_adds(&changed, bad[i][1]);
		buf_adds(&changed, at + strlen(bad[i][0]));
		err = (struct error){0};
		if (parse(changed.data, changed.len, &got) == 0)
			fail_msg("taken: %s", bad[i][1]);
		assert_int_equal(err.code, ERR_NODE);
		assert_true(err.msg[0]);
	}
	spool_state_release(&s);
}

static void test_too_many_parts(void **state)
{
	auto_buf struct buf b = BUF_INIT(MAX_SPOOL_STATE), many = BUF_INIT(MAX_SPOOL_STATE);
	struct spool_state s = example(), got;
	const char *at;

	(void)state;
	write_state(&b, &s);
	at = strstr(b.data, "\"parts\":[") + strlen("\"parts\":[");
	buf_add(&many, b.data, (size_t)(at - b.data));
	for (int i = 2; i < SPOOL_MAX_PARTS + 1; i++)
		buf_adds(&many, "{\"bytes\":0,\"final\":true},");
	buf_adds(&many, at);
	assert_int_equal(parse(many.data, many.len, &got), -1);
	assert_non_null(strstr(err.msg, "too many parts"));
	spool_state_release(&s);
}

static void test_readable(void **state)
{
	struct spool_state s = {.parts = {{10, true}, {5, false}, {7, true}}};
	static const unsigned int expected[] = {0, 10, 15, 15};

	(void)state;
	for (s.n_parts = 0; s.n_parts < ARRAY_SIZE(expected); s.n_parts++)
		assert_int_equal(spool_state_readable(&s), expected[s.n_parts]);
	s.n_parts = 3;
	s.parts[1].final = true;
	assert_int_equal(spool_state_readable(&s), 22);
}

static void test_ids(void **state)
{
	static const char *const bad[] = {"",
					  "0123456789abcde",
					  ID "0",
					  "0123456789abcdeF",
					  "../../../../../x",
					  "0123456789abcde/"};

	(void)state;
	assert_true(spool_id_is(ID));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(spool_id_is(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_phase),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_without_label),
		cmocka_unit_test(test_other_version),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_many_parts),
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
