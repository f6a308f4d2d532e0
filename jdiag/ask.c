#include "jdiag/ask.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"
#include "remote/base/str.h"

/* What the helper needs besides: for the socket of the JVM, to send, to undo what it did. */
#define MARGIN_MS 45000

void ask_reply_release(struct ask_reply *r)
{
	buf_release(&r->text);
}

static json_t *params_of(const struct jvmref *j, const struct ask_request *q, uint64_t timeout_ms)
{
	json_t *params = jvmref_params(j), *list = json_array();

	/* Options of an agent are the user's text, which may be no UTF-8; the JVM would take them
	 * as its platform's encoding, which nobody here knows. */
	for (size_t i = 0; i < q->n_args; i++)
		json_array_append_new(list, json_string(q->args[i]));
	if (json_array_size(list) != q->n_args)
		return json_decref(list), json_decref(params), NULL;
	json_object_set_new(params, "command", json_string(q->command));
	json_object_set_new(params, "args", list);
	json_object_set_new(params, "timeout", json_integer((json_int_t)timeout_ms));
	if (q->unless_port)
		json_object_set_new(params, "unless_port", json_integer(q->unless_port));
	if (q->unless_jar)
		json_object_set_new(params, "unless_jar", json_string(q->unless_jar));
	if (q->needs)
		json_object_set_new(params, "needs", json_string(q->needs));
	return params;
}

static int bad_answer(const char *why, struct error *err)
{
	return error_set(err, ERR_FAILED, "protocol error: answer of 'ask': %s", why);
}

static int take_data(const struct helper_message *m, struct buf *text, struct error *err)
{
	if (m->offset != text->len)
		return bad_answer("its pieces do not follow each other", err);
	buf_add(text, m->data, m->len);
	return text->overflow ? bad_answer("it is too large", err) : 0;
}

static int take_end(const json_t *end, struct ask_reply *r, struct error *err)
{
	const json_t *code = json_at(end, "code");
	struct sha256 *sha = sha256_new();
	char hex[SHA256_HEX_SIZE];
	bool same;

	sha256_add(sha, buf_str(&r->text), r->text.len);
	same = strcmp(sha256_hex(sha, hex), json_str_at(end, "sha256", "")) == 0;
	sha256_free(sha);
	if (!same || json_u64_at(end, "length", UINT64_MAX) != r->text.len)
		return bad_answer("length or digest is another", err);
	if (!json_is_integer(code) || json_integer_value(code) < -999999 ||
	    json_integer_value(code) > 999999)
		return bad_answer("it has no code", err);
	r->code = (int)json_integer_value(code);
	return 0;
}

/* 1: that was all, 0: more to come, -1 */
static int take(const struct helper_message *m, struct ask_reply *r, struct error *err)
{
	switch (m->kind) {
	case HELPER_DATA:
		return take_data(m, &r->text, err);
	case HELPER_END:
		return take_end(m->json, r, err) < 0 ? -1 : 1;
	case HELPER_ERROR:
		*err = m->error;
		return -1;
	case HELPER_RESULT:
		return bad_answer("it has no end", err);
	default:
		return 0;
	}
}

static int receive(struct helper *h, uint32_t id, uint64_t timeout_ms, struct ask_reply *r,
		   struct error *err)
{
	uint64_t deadline = now_ms() + timeout_ms;
	struct helper_message m;
	int rc = 0;

	while (rc == 0) {
		uint64_t now = now_ms();

		if (now >= deadline) {
			if (helper_cancel(h, id, err) < 0)
				return -1;
			return error_set(err, ERR_ATTACH, "the helper did not answer in time");
		}
		if (helper_next(h, deadline - now, &m, err) < 0)
			return -1;
		if (m.request == id)
			rc = take(&m, r, err);
	}
	return rc < 0 ? -1 : 0;
}

int jvm_ask_if(struct helper *h, const struct jvmref *j, const struct ask_request *q,
	       struct ask_reply *ret, struct error *err)
{
	uint64_t ms = q->timeout_ms ? q->timeout_ms : ASK_TIMEOUT_MS;
	auto_json json_t *params = params_of(j, q, ms);
	struct ask_reply r = {.text = BUF_INIT(MAX_ASK_REPLY)};
	uint32_t id;

	if (!params)
		return error_set(err, ERR_USAGE, "what '%s' is asked with is not UTF-8 text",
				 q->command);
	if (helper_request(h, "ask", params, &id, err) < 0)
		return -1;
	if (receive(h, id, ms + MARGIN_MS, &r, err) < 0) {
		ask_reply_release(&r);
		return -1;
	}
	ask_reply_release(ret);
	*ret = r;
	return 0;
}

int jvm_ask(struct helper *h, const struct jvmref *j, const char *command, const char *const *args,
	    size_t n_args, uint64_t timeout_ms, struct ask_reply *ret, struct error *err)
{
	const struct ask_request q = {
		.command = command,
		.args = args,
		.n_args = n_args,
		.timeout_ms = timeout_ms,
	};

	return jvm_ask_if(h, j, &q, ret, err);
}

/* "-XX:+Name", "-XX:-Name"; "no such flag 'Name'". */
int jvm_flag(struct helper *h, const struct jvmref *j, const char *name, struct error *err)
{
	auto_cleanup(ask_reply_release) struct ask_reply r = {0};
	const char *args[] = {name}, *text;

	if (jvm_ask(h, j, "printflag", args, ARRAY_SIZE(args), 0, &r, err) < 0)
		return -2;
	text = buf_str(&r.text);
	if (str_starts(text, "-XX:") && (text[4] == '+' || text[4] == '-') &&
	    strncmp(text + 5, name, strlen(name)) == 0 && strchr("\n\r", text[5 + strlen(name)]))
		return text[4] == '+';
	if (strstr(text, "no such flag"))
		return -1;
	error_set(err, ERR_ATTACH, "the JVM does not tell its flag '%s': '%.60s'", name, text);
	return -2;
}
