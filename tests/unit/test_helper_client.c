/* jdiag: pushing a helper and talking to it, against a node that answers by a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "jdiag/helper/connection.h"
#include "jdiag/helper/script.h"
#include "jdiag/json.h"
#include "tests/unit/fake_ssh.h"

#define HELLO "{\"min\":1,\"max\":1,\"program\":\"jdiag-helper\",\"version\":\"t\",\"pid\":7}"

static const char image[300] = "\x7f"
			       "ELF";

static void script_start(struct buf *b, const char *noise)
{
	*b = BUF_INIT(8 * MiB);
	buf_adds(b, noise);
	buf_add(b, wire_magic, WIRE_MAGIC_SIZE);
	frame_add(b, FRAME_HELLO, 0, HELLO, strlen(HELLO));
}

static void script_frame(struct buf *b, enum frame_type type, uint32_t id, const char *body)
{
	frame_add(b, type, id, body, strlen(body));
}

static void script_data(struct buf *b, uint32_t id, uint64_t offset, const char *text)
{
	unsigned char body[64];

	wire_put_u64(body, offset);
	memcpy(body + 8, text, strlen(text));
	frame_add(b, FRAME_DATA, id, body, 8 + strlen(text));
}

/* Bytes that no encoder would make. */
static void script_raw(struct buf *b, uint32_t len, unsigned char type, uint32_t id)
{
	const unsigned char h[WIRE_HEADER_SIZE] = {(unsigned char)(len >> 24),
						   (unsigned char)(len >> 16),
						   (unsigned char)(len >> 8),
						   (unsigned char)len,
						   type,
						   (unsigned char)(id >> 24),
						   (unsigned char)(id >> 16),
						   (unsigned char)(id >> 8),
						   (unsigned char)id};

	buf_add(b, h, sizeof(h));
}

static int push(struct fake *f, struct helper **h, struct error *err)
{
	const struct helper_options o = {.start_timeout_ms = 60000};

	*err = (struct error){0};
	if (f->expect_in == 0) {
		f->hold_out = true;
		f->expect_in = sizeof(image);
	}
	return helper_push(h, &f->base, &o, "x86_64", image, sizeof(image), err);
}

static struct helper *started(struct fake *f)
{
	struct helper *h = NULL;
	struct error err;

	if (push(f, &h, &err) < 0)
		fail_msg("%s", err.msg);
	return h;
}

static void fails_to_start(const char *out, size_t len, const char *stderr_text, int status,
			   enum err_code code, const char *says, const char *hints)
{
	struct fake f;
	struct helper *h;
	struct error err;

	fake_init(&f, out, len);
	f.err = stderr_text;
	f.status = status;
	assert_int_equal(push(&f, &h, &err), -1);
	if (err.code != code || !strstr(err.msg, says) || !strstr(err.hint, hints))
		print_message("%d %s\n%s\n", err.code, err.msg, err.hint);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, says));
	assert_non_null(strstr(err.hint, hints));
	assert_int_equal(f.closed, 1);
	fake_release(&f);
}

static void starts_after_noise(void **state)
{
	auto_buf struct buf out, sent = BUF_INIT(4096);

	(void)state;
	for (size_t piece = 0; piece < 40; piece++) {
		struct fake f;
		struct helper *h;

		script_start(&out, "Welcome to \0JDIAG-node\r\n");
		fake_init(&f, out.data, out.len);
		f.piece = piece;
		f.window = 7;
		h = started(&f);
		assert_string_equal(json_str_at(helper_hello(h), "version", ""), "t");
		assert_memory_equal(f.in.data, image, sizeof(image));
		/* and behind the image nothing but our hello */
		assert_int_equal(f.in.data[sizeof(image) + 4], FRAME_HELLO);
		assert_non_null(strstr(f.in.data + sizeof(image) + WIRE_HEADER_SIZE,
				       "\"program\":\"jdiag\""));
		helper_stop(h);
		assert_true(f.in_eof);
		assert_int_equal(f.closed, 1);
		fake_release(&f);
		buf_release(&out);
	}
}

static void command_is_safe_for_any_shell(void **state)
{
	static const enum sudo_mode modes[] = {SUDO_AUTO, SUDO_ALWAYS, SUDO_NEVER};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		auto_buf struct buf b = BUF_INIT(16384);
		unsigned int quotes = 0;

		script_build(&b, modes[i], "x86_64", 123456);
		assert_false(b.overflow);
		assert_null(strpbrk(b.data, "\\!\n"));
		for (const char *p = b.data; *p; p++)
			quotes += *p == '\'';
		assert_int_equal(quotes, 6);
		assert_non_null(strstr(b.data, "head -c 123456 "));
		assert_int_equal(strstr(b.data, "sudo -n") != NULL, modes[i] != SUDO_NEVER);
	}
}

static void start_failures(void **state)
{
	auto_buf struct buf flood = BUF_INIT(1 * MiB), early;
	static const char closed[] = "This account is \x1b[31mclosed\n";
	struct fake f;
	struct helper *h;
	struct error err;

	(void)state;
	fails_to_start("", 0, "jdiag-push: machine aarch64\n", 65, ERR_NODE, "'aarch64'", "");
	fails_to_start("", 0, "jdiag-push: sudo /usr/bin/unshare\nsudo: a password is required\n",
		       1, ERR_NODE, "sudo refused 'someone': a password is required",
		       "\n  someone ALL=(root) NOPASSWD: /usr/bin/unshare\n");
	fails_to_start("", 0,
		       "jdiag-push: sudo /usr/bin/unshare\n"
		       "sudo: sorry, you must have a tty to run sudo\n",
		       1, ERR_NODE, "must have a tty", "Defaults:someone !requiretty");
	fails_to_start("", 0, "jdiag-push: sudo /usr/bin/unshare\nsh: 1: exec: sudo: not found\n",
		       127, ERR_NODE, "there is no sudo", "--ssh-user root");
	fails_to_start(closed, strlen(closed), NULL, 1, ERR_NODE,
		       "exit status 1: This account is \\x1b[31mclosed", "");
	fails_to_start("", 0, "first\nmount: \x1b]0;x: denied\n", 66, ERR_NODE,
		       "exit status 66: mount: \\x1b]0;x: denied", "first\nmount");

	for (int i = 0; i < 20000; i++)
		buf_adds(&flood, "noise\n");
	fails_to_start(flood.data, flood.len, NULL, 0, ERR_NODE,
		       "greeting did not come; the login shell printed: 'noise'", "ForceCommand");

	/* before the image was there: that is not the helper */
	script_start(&early, "");
	fake_init(&f, early.data, early.len);
	f.expect_in = 1; /* nothing is held */
	assert_int_equal(push(&f, &h, &err), -1);
	assert_non_null(strstr(err.msg, "too early"));
	fake_release(&f);
}

static void hello_is_checked(void **state)
{
	static const struct {
		enum frame_type type;
		const char *body, *says;
	} bad[] = {
		{FRAME_HELLO, "{\"min\":2,\"max\":3}", "protocol versions 2 to 3"},
		{FRAME_HELLO, "{\"min\":1,\"max\":0}", "protocol versions"},
		{FRAME_HELLO, "{}", "protocol versions"},
		{FRAME_HELLO, "[1,1]", "not an object"},
		{FRAME_HELLO, "{", "is not JSON"},
		{FRAME_HELLO, "", "is not JSON"},
		{FRAME_PING, "", "PING instead of HELLO"},
		{FRAME_RESULT, "{}", "RESULT instead of HELLO"},
		{FRAME_ERROR, "{\"code\":\"failed\",\"message\":\"no\"}", "no"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_buf struct buf out = BUF_INIT(4096);

		buf_add(&out, wire_magic, WIRE_MAGIC_SIZE);
		script_frame(&out, bad[i].type, 0, bad[i].body);
		fails_to_start(out.data, out.len, NULL, 0, ERR_FAILED, bad[i].says, "");
	}
}

static void request_and_messages(void **state)
{
	auto_buf struct buf out;
	auto_json json_t *params = json_pack("{s:i, s:s}", "offset", 5, "op", "other");
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	script_frame(&out, FRAME_PING, 0, "");
	script_frame(&out, FRAME_PROGRESS, 1, "{\"bytes\":3}");
	script_data(&out, 1, 0, "abc");
	script_data(&out, 1, 3, "de");
	script_frame(&out, FRAME_END, 1, "{\"length\":5}");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	f.piece = 3;
	h = started(&f);
	f.in.len = 0;
	assert_int_equal(helper_request(h, "read", params, &id, &err), 0);
	assert_int_equal(id, 1);
	assert_string_equal(f.in.data + WIRE_HEADER_SIZE, "{\"op\":\"read\",\"offset\":5}");
	assert_int_equal(helper_next(h, 1000, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_PROGRESS);
	assert_int_equal(json_u64_at(m.json, "bytes", 0), 3);
	assert_int_equal(helper_next(h, 1000, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_DATA);
	assert_int_equal(m.len, 3);
	assert_memory_equal(m.data, "abc", 3);
	assert_int_equal(helper_next(h, 1000, &m, &err), 0);
	assert_int_equal(m.offset, 3);
	assert_int_equal(helper_next(h, 1000, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_END);
	assert_int_equal(m.request, 1);
	assert_int_equal(helper_next(h, 0, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_NOTHING);
	/* it has ended: to cancel it sends nothing */
	f.in.len = 0;
	assert_int_equal(helper_cancel(h, id, &err), 0);
	assert_int_equal(f.in.len, 0);
	helper_stop(h);
	fake_release(&f);
}

static void call_gives_the_node_s_error(void **state)
{
	auto_buf struct buf out;
	json_t *result = NULL;
	struct fake f;
	struct helper *h;
	struct error err;

	(void)state;
	script_start(&out, "");
	script_frame(&out, FRAME_RESULT, 1, "{\"jvms\":[]}");
	script_frame(&out, FRAME_ERROR, 2,
		     "{\"code\":\"attach\",\"errno\":2,\"message\":\"no \\u001b[1m\","
		     "\"hint\":\"try\"}");
	script_frame(&out, FRAME_ERROR, 3, "{\"code\":\"none\"}");
	script_frame(&out, FRAME_PROGRESS, 4, "{}");
	script_data(&out, 4, 0, "x");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_call(h, "ps", NULL, 1000, &result, &err), 0);
	assert_non_null(json_at(result, "jvms"));
	json_decref(result);
	assert_int_equal(helper_call(h, "ps", NULL, 1000, &result, &err), -1);
	assert_int_equal(err.code, ERR_ATTACH);
	assert_int_equal(err.sys, 2);
	assert_string_equal(err.msg, "no \\x1b[1m");
	assert_string_equal(err.hint, "try");
	assert_int_equal(helper_call(h, "ps", NULL, 1000, &result, &err), -1);
	assert_int_equal(err.code, ERR_FAILED);
	assert_int_equal(helper_call(h, "ps", NULL, 1000, &result, &err), -1);
	assert_non_null(strstr(err.msg, "answered with data"));
	helper_stop(h);
	fake_release(&f);
}

static void call_times_out_and_cancels(void **state)
{
	auto_buf struct buf out;
	json_t *result;
	struct fake f;
	struct helper *h;
	struct error err;

	(void)state;
	script_start(&out, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	f.in.len = 0;
	assert_int_equal(helper_call(h, "ps", NULL, 20, &result, &err), -1);
	assert_non_null(strstr(err.msg, "no answer to 'ps'"));
	assert_int_equal(f.in.data[f.in.len - WIRE_HEADER_SIZE + 4], FRAME_CANCEL);
	helper_stop(h);
	fake_release(&f);
}

static void requests_are_few(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct error err;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	for (int i = 0; i < WIRE_MAX_REQUESTS; i++)
		assert_int_equal(helper_request(h, "ps", NULL, &id, &err), 0);
	assert_int_equal(helper_request(h, "ps", NULL, &id, &err), -1);
	assert_int_equal(id, WIRE_MAX_REQUESTS);
	helper_stop(h);
	fake_release(&f);
}

/* One bad frame behind a request: helper_next fails, and goes on failing. */
static void is_refused(const struct buf *bad, const char *says)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err = {0};
	uint32_t id;

	script_start(&out, "");
	buf_add(&out, bad->data, bad->len);
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_request(h, "ps", NULL, &id, &err), 0);
	assert_int_equal(helper_next(h, 100, &m, &err), -1);
	if (!strstr(err.msg, says))
		print_message("%s\n", err.msg);
	assert_non_null(strstr(err.msg, says));
	assert_int_equal(helper_next(h, 100, &m, &err), -1);
	assert_int_equal(helper_request(h, "ps", NULL, &id, &err), -1);
	assert_int_equal(helper_pump(h, &err), -1);
	helper_stop(h);
	fake_release(&f);
}

static void hostile_frames(void **state)
{
	static const struct {
		uint32_t len, id;
		unsigned char type;
		const char *body, *says;
	} bad[] = {
		{0, 0, 0, "", "unknown type"},
		{0, 1, 77, "", "unknown type"},
		{0xffffffff, 1, FRAME_RESULT, "", "at most"},
		{MAX_FRAME_JSON + 1, 1, FRAME_PROGRESS, "", "at most"},
		{MAX_FRAME_DATA + 9, 1, FRAME_DATA, "", "at most"},
		{8, 1, FRAME_DATA, "12345678", "without data"},
		{2, 1, FRAME_REQUEST, "{}", "unexpected REQUEST"},
		{0, 1, FRAME_CANCEL, "", "unexpected CANCEL"},
		{2, 0, FRAME_HELLO, "{}", "unexpected HELLO"},
		{0, 5, FRAME_PING, "", "unexpected PING"},
		{2, 2, FRAME_RESULT, "{}", "not open"},
		{2, 0, FRAME_RESULT, "{}", "not open"},
		{9, 0, FRAME_DATA, "123456789", "not open"},
		{3, 1, FRAME_RESULT, "{}x", "is not JSON"},
		{4, 1, FRAME_RESULT, "null", "is not JSON"},
		{2, 1, FRAME_RESULT, "[]", "not an object"},
		{0, 1, FRAME_RESULT, "", "is not JSON"},
		{13, 1, FRAME_RESULT, "{\"a\":1,\"a\":2}", "is not JSON"},
		{6, 1, FRAME_RESULT, "{\"\xff\":1", "is not JSON"},
		{30, 0, FRAME_ERROR, "{\"message\":\"the end is near!\"}", "the end is near"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_buf struct buf b = BUF_INIT(4096);

		script_raw(&b, bad[i].len, bad[i].type, bad[i].id);
		buf_adds(&b, bad[i].body);
		is_refused(&b, bad[i].says);
	}
}

static void deep_json(void **state)
{
	auto_buf struct buf b = BUF_INIT(4096), body = BUF_INIT(2048);

	(void)state;
	buf_adds(&body, "{\"a\":");
	for (int i = 0; i < 32; i++)
		buf_adds(&body, "[");
	for (int i = 0; i < 32; i++)
		buf_adds(&body, "]");
	buf_adds(&body, "}");
	script_frame(&b, FRAME_RESULT, 1, body.data);
	is_refused(&b, "nested too deep");
}

static void answers_only_once(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	script_frame(&out, FRAME_RESULT, 1, "{}");
	script_frame(&out, FRAME_RESULT, 1, "{}");
	fake_init(&f, out.data, out.len);
	h = started(&f);
	assert_int_equal(helper_request(h, "ps", NULL, &id, &err), 0);
	assert_int_equal(helper_next(h, 100, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_RESULT);
	assert_int_equal(helper_next(h, 100, &m, &err), -1);
	assert_non_null(strstr(err.msg, "not open"));
	helper_stop(h);
	fake_release(&f);
}

/* A conversation that is cut, or has one byte changed, at every place: an error or a message, never
 * a crash, and no hang. */
static unsigned int converse(const char *bytes, size_t len, bool broken)
{
	struct fake f;
	struct helper *h = NULL;
	struct helper_message m;
	struct error err;
	unsigned int messages = 0;
	uint32_t id;

	fake_init(&f, bytes, len);
	f.fail_read = broken;
	if (push(&f, &h, &err) == 0) {
		if (helper_request(h, "read", NULL, &id, &err) == 0)
			while (messages < 100 && helper_next(h, 100, &m, &err) == 0)
				messages++;
		helper_stop(h);
	}
	fake_release(&f);
	assert_true(err.msg[0]);
	return messages;
}

static void cut_and_flipped_at_every_byte(void **state)
{
	auto_buf struct buf out;

	(void)state;
	script_start(&out, "hello\n");
	script_frame(&out, FRAME_PROGRESS, 1, "{\"phase\":\"dump\",\"bytes\":3,\"final\":false}");
	script_data(&out, 1, 0, "abcdefgh");
	script_frame(&out, FRAME_END, 1, "{\"length\":8,\"sha256\":\"00\"}");
	assert_int_equal(converse(out.data, out.len, false), 3);
	for (size_t i = 0; i < out.len; i++) {
		char kept = out.data[i];

		assert_true(converse(out.data, i, false) < 3);
		assert_true(converse(out.data, i, true) < 3);
		for (int bit = 0; bit < 8; bit++) {
			out.data[i] = (char)(kept ^ (1 << bit));
			assert_true(converse(out.data, out.len, false) <= 3);
		}
		out.data[i] = kept;
	}
}

static void the_end_is_explained(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err = {0};
	uint32_t id;

	(void)state;
	script_start(&out, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_request(h, "ps", NULL, &id, &err), 0);
	f.keep_open = false;
	f.signal_name = "SEGV";
	f.err = "first line\nlast \033[2Jwords\n";
	assert_int_equal(helper_next(h, 100, &m, &err), -1);
	assert_int_equal(err.code, ERR_NODE);
	assert_string_equal(err.msg, "the helper ended: killed by signal SEGV: last \\x1b[2Jwords");
	assert_non_null(strstr(err.hint, "first line"));
	helper_stop(h);
	fake_release(&f);
}

/* While an upload stalls, the pump takes in what fits and loses nothing of it. */
static void pump_keeps_what_comes(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err;
	uint32_t id;
	static char chunk[100000];

	(void)state;
	script_start(&out, "");
	for (unsigned int i = 0; i < 20; i++) {
		memset(chunk + 8, 'a' + (int)i, sizeof(chunk) - 8);
		wire_put_u64((unsigned char *)chunk, i);
		frame_add(&out, FRAME_DATA, 1, chunk, sizeof(chunk));
	}
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_request(h, "read", NULL, &id, &err), 0);
	for (unsigned int i = 0; i < 20; i++) {
		for (int n = 0; n < 3; n++)
			assert_int_equal(helper_pump(h, &err), 0);
		assert_int_equal(helper_next(h, 100, &m, &err), 0);
		assert_int_equal(m.kind, HELPER_DATA);
		assert_int_equal(m.offset, i);
		assert_int_equal(m.len, sizeof(chunk) - 8);
		assert_int_equal(m.data[0], 'a' + (int)i);
		assert_int_equal(m.data[m.len - 1], 'a' + (int)i);
	}
	helper_stop(h);
	fake_release(&f);
}

/* The DATA that was sent, which has to be in order and whole; its length. */
static size_t data_sent(const struct fake *f, const char *data)
{
	const char *p = buf_str(&f->in);
	size_t len = f->in.len, n = 0;
	struct frame_reader r;
	struct frame got;
	struct error err;

	frame_reader_init(&r, WIRE_HELPER);
	while (frame_reader_take(&r, &p, &len, &got, &err) == 1) {
		if (got.type != FRAME_DATA)
			continue;
		assert_int_equal(got.request, 1);
		assert_int_equal(wire_get_u64((const unsigned char *)got.body), n);
		assert_memory_equal(got.body + 8, data + n, got.len - 8);
		n += got.len - 8;
	}
	frame_reader_release(&r);
	return n;
}

static char *some_data(size_t n)
{
	char *data = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 7 + i / 251);
	return data;
}

/* A link that takes little at a time, while more arrives than we have room for. */
static void data_goes_out_bounded(void **state)
{
	static const size_t pieces[] = {1, 300000, 4096, 2000000};
	auto_free char *data = some_data(3 * MiB);
	auto_free char *chunk = xcalloc(1, 100000);
	auto_buf struct buf out;
	struct helper_message m;
	struct helper *h;
	struct error err;
	struct fake f;
	size_t at = 0;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	for (unsigned int i = 0; i < 20; i++)
		frame_add(&out, FRAME_DATA, 1, chunk, 100000);
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	f.in.len = 0;
	f.slow = true;
	f.per_wait = 100001;
	assert_int_equal(helper_request(h, "connect", NULL, &id, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		assert_int_equal(helper_send_data(h, id, at, data + at, pieces[i], &err), 0);
		at += pieces[i];
		assert_true(h->out.cap <= 2 * MiB);
		assert_true(h->out.len - h->out_pos <= 512 * KiB);
	}
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(helper_next(h, 1000, &m, &err), 0);
		assert_int_equal(m.kind, HELPER_DATA);
		assert_int_equal(m.len, 100000 - 8);
	}
	assert_int_equal(helper_wait_sent(h, 0, &err), 0);
	assert_int_equal(data_sent(&f, data), at);
	helper_stop(h);
	fake_release(&f);
}

/* Its failure came while we were sending: nothing more goes out, and it is there to be read. */
static void data_of_what_has_ended(void **state)
{
	auto_free char *data = some_data(600000);
	auto_buf struct buf out;
	struct helper_message m;
	struct helper *h;
	struct error err;
	struct fake f;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	script_frame(&out, FRAME_ERROR, 1, "{\"code\":\"node\",\"errno\":28,\"message\":\"full\"}");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	f.in.len = 0;
	assert_int_equal(helper_request(h, "place", NULL, &id, &err), 0);
	assert_int_equal(helper_send_data(h, id, 0, data, 300000, &err), 0);
	assert_int_equal(helper_next(h, 1000, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_ERROR);
	assert_int_equal(m.error.sys, 28);
	assert_int_equal(helper_send_data(h, id, 300000, data + 300000, 300000, &err), 0);
	assert_int_equal(helper_send_data(h, 0, 0, data, 5, &err), 0);
	assert_int_equal(helper_send_data(h, 7, 0, data, 5, &err), 0);
	assert_int_equal(data_sent(&f, data), 300000);
	helper_stop(h);
	fake_release(&f);
}

/* The helper has said why, and closed: that is what the caller learns. */
static void data_to_one_who_has_closed(void **state)
{
	auto_free char *data = some_data(2 * MiB);
	auto_buf struct buf out;
	struct helper_message m;
	struct helper *h;
	struct error err;
	struct fake f;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	script_frame(&out, FRAME_ERROR, 0, "{\"code\":\"failed\",\"message\":\"no such thing\"}");
	fake_init(&f, out.data, out.len);
	h = started(&f);
	f.slow = true;
	assert_int_equal(helper_request(h, "place", NULL, &id, &err), 0);
	assert_int_equal(helper_send_data(h, id, 0, data, 2 * MiB, &err), 0);
	assert_int_equal(helper_next(h, 1000, &m, &err), -1);
	assert_non_null(strstr(err.msg, "no such thing"));
	assert_int_equal(helper_send_data(h, id, 0, data, 5, &err), -1);
	helper_stop(h);
	fake_release(&f);
}

static void a_link_that_takes_nothing(void **state)
{
	auto_free char *data = some_data(MiB);
	auto_buf struct buf out;
	struct helper *h;
	struct error err;
	struct fake f;
	uint32_t id;

	(void)state;
	script_start(&out, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	f.slow = true;
	assert_int_equal(helper_request(h, "place", NULL, &id, &err), 0);
	assert_int_equal(helper_send_data(h, id, 0, data, 300000, &err), 0);
	h->last_taken -= WIRE_DEAD_MS;
	assert_int_equal(helper_send_data(h, id, 300000, data, 300000, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	assert_non_null(strstr(err.msg, "took nothing for 60 s"));
	assert_true(helper_lost(h));
	helper_stop(h);
	fake_release(&f);
}

static void silence_is_death_and_pings_go_out(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err = {0};

	(void)state;
	script_start(&out, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	f.in.len = 0;
	h->last_out -= WIRE_PING_MS;
	assert_int_equal(helper_next(h, 0, &m, &err), 0);
	assert_int_equal(f.in.len, WIRE_HEADER_SIZE);
	assert_int_equal(f.in.data[4], FRAME_PING);
	assert_int_equal(helper_next(h, 0, &m, &err), 0);
	assert_int_equal(f.in.len, WIRE_HEADER_SIZE);
	h->last_in -= WIRE_DEAD_MS;
	assert_int_equal(helper_next(h, 0, &m, &err), -1);
	assert_int_equal(err.code, ERR_SSH);
	assert_non_null(strstr(err.msg, "nothing came for 60 s"));
	helper_stop(h);
	fake_release(&f);
}

/* A helper that answers with nothing but PINGs cannot hold its client. */
static void a_flood_of_pings_is_no_answer(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	struct helper_message m;
	struct error err;

	(void)state;
	script_start(&out, "");
	for (int i = 0; i < 300000; i++)
		script_frame(&out, FRAME_PING, 0, "");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_next(h, 1, &m, &err), 0);
	assert_int_equal(m.kind, HELPER_NOTHING);
	assert_true(f.out_pos < f.out_len);
	helper_stop(h);
	fake_release(&f);
}

static void a_flood_of_progress_is_no_answer(void **state)
{
	auto_buf struct buf out;
	struct fake f;
	struct helper *h;
	json_t *answer = NULL;
	struct error err;

	(void)state;
	script_start(&out, "");
	for (int i = 0; i < 100000; i++)
		script_frame(&out, FRAME_PROGRESS, 1, "{\"bytes\":0}");
	fake_init(&f, out.data, out.len);
	f.keep_open = true;
	h = started(&f);
	assert_int_equal(helper_call(h, "inspect", NULL, 1, &answer, &err), -1);
	assert_non_null(strstr(err.msg, "no answer to 'inspect'"));
	assert_true(f.out_pos < f.out_len);
	helper_stop(h);
	fake_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_after_noise),
		cmocka_unit_test(command_is_safe_for_any_shell),
		cmocka_unit_test(start_failures),
		cmocka_unit_test(hello_is_checked),
		cmocka_unit_test(request_and_messages),
		cmocka_unit_test(call_gives_the_node_s_error),
		cmocka_unit_test(call_times_out_and_cancels),
		cmocka_unit_test(requests_are_few),
		cmocka_unit_test(hostile_frames),
		cmocka_unit_test(deep_json),
		cmocka_unit_test(answers_only_once),
		cmocka_unit_test(cut_and_flipped_at_every_byte),
		cmocka_unit_test(the_end_is_explained),
		cmocka_unit_test(pump_keeps_what_comes),
		cmocka_unit_test(data_goes_out_bounded),
		cmocka_unit_test(data_of_what_has_ended),
		cmocka_unit_test(data_to_one_who_has_closed),
		cmocka_unit_test(a_link_that_takes_nothing),
		cmocka_unit_test(silence_is_death_and_pings_go_out),
		cmocka_unit_test(a_flood_of_pings_is_no_answer),
		cmocka_unit_test(a_flood_of_progress_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
