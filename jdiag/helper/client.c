#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/helper/connection.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define MAX_UNSENT (512 * KiB) /* of DATA */

const json_t *helper_hello(const struct helper *h)
{
	return h->hello;
}

static bool deeper_than(const json_t *v, int max)
{
	const char *key;
	json_t *child;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v))
		return false;
	if (max == 0)
		return true;
	json_object_foreach ((json_t *)v, key, child)
		if (deeper_than(child, max - 1))
			return true;
	json_array_foreach (v, i, child)
		if (deeper_than(child, max - 1))
			return true;
	return false;
}

/* The body as an object. A new reference, NULL. */
static json_t *parse_body(const struct frame *f, struct error *err)
{
	json_t *root = json_from_text(f->body, f->len, frame_type_name(f->type), ERR_FAILED, err);

	if (!root || (json_is_object(root) && !deeper_than(root, MAX_JSON_DEPTH)))
		return root;
	json_decref(root);
	error_set(err, ERR_FAILED, "protocol error: %s is %s", frame_type_name(f->type),
		  "not an object, or nested too deep");
	return NULL;
}

static void error_from_json(const json_t *body, struct error *ret)
{
	enum err_code code = err_code_from_name(json_str_at(body, "code", ""));
	const char *hint = json_str_at(body, "hint", "");

	error_set(ret, code == ERR_NONE ? ERR_FAILED : code, "%s",
		  json_str_at(body, "message", "unknown error of the helper"));
	ret->sys = (int)json_u64_at(body, "errno", 0);
	ret->hint[0] = '\0';
	if (*hint)
		error_hint(ret, "%s", hint);
}

static uint32_t *find_open(struct helper *h, uint32_t id)
{
	for (size_t i = 0; i < WIRE_MAX_REQUESTS; i++)
		if (h->open[i] == id)
			return &h->open[i];
	return NULL;
}

/* An ERROR that belongs to no request: the helper gives the connection up. */
static int fatal_error(struct helper *h, const struct frame *f, struct error *err)
{
	auto_json json_t *body = parse_body(f, err);

	if (body)
		error_from_json(body, err);
	return helper_broken(h, err);
}

static int deliver_data(const struct frame *f, struct helper_message *ret)
{
	ret->kind = HELPER_DATA;
	ret->offset = wire_get_u64((const unsigned char *)f->body);
	ret->data = f->body + WIRE_DATA_OFFSET_SIZE;
	ret->len = (uint32_t)(f->len - WIRE_DATA_OFFSET_SIZE);
	return 1;
}

/* A frame that belongs to a request. */
static int deliver(struct helper *h, const struct frame *f, struct helper_message *ret,
		   struct error *err)
{
	uint32_t *slot = f->request ? find_open(h, f->request) : NULL;

	if (!slot) {
		error_set(err, ERR_FAILED, "protocol error: %s for request %u, which is not open",
			  frame_type_name(f->type), f->request);
		return helper_broken(h, err);
	}
	ret->request = f->request;
	if (f->type == FRAME_DATA)
		return deliver_data(f, ret);
	h->current = parse_body(f, err);
	if (!h->current)
		return helper_broken(h, err);
	if (f->type == FRAME_PROGRESS) {
		ret->kind = HELPER_PROGRESS;
	} else {
		*slot = 0;
		ret->kind = f->type == FRAME_RESULT ? HELPER_RESULT
			    : f->type == FRAME_END  ? HELPER_END
						    : HELPER_ERROR;
	}
	if (ret->kind == HELPER_ERROR)
		error_from_json(h->current, &ret->error);
	else
		ret->json = h->current;
	return 1;
}

/* 1: *ret is for the caller, 0: it was for us, -1 */
static int dispatch(struct helper *h, const struct frame *f, struct helper_message *ret,
		    struct error *err)
{
	if (f->type != FRAME_DATA)
		log_at(LOG_DEBUG, "from helper: %s %u, %zu bytes", frame_type_name(f->type),
		       f->request, f->len);
	if (f->type == FRAME_PING && f->request == 0)
		return 0;
	if (f->type == FRAME_ERROR && f->request == 0)
		return fatal_error(h, f, err);
	if (f->type == FRAME_HELLO || f->type == FRAME_PING) {
		error_set(err, ERR_FAILED, "protocol error: unexpected %s frame",
			  frame_type_name(f->type));
		return helper_broken(h, err);
	}
	return deliver(h, f, ret, err);
}

static uint64_t deadline_after(uint64_t ms)
{
	uint64_t now = now_ms();

	return ms > UINT64_MAX - now ? UINT64_MAX : now + ms;
}

int helper_next(struct helper *h, uint64_t timeout_ms, struct helper_message *ret,
		struct error *err)
{
	uint64_t deadline = deadline_after(timeout_ms);

	if (helper_check_usable(h, err) < 0)
		return -1;
	json_decref(h->current);
	h->current = NULL;
	ret->kind = HELPER_NOTHING;
	ret->request = 0;
	ret->json = NULL;
	ret->data = NULL;
	ret->len = 0;
	for (;;) {
		struct frame f;
		int rc = helper_next_frame(h, deadline, &f, err);

		if (rc <= 0)
			return rc;
		rc = dispatch(h, &f, ret, err);
		if (rc)
			return rc < 0 ? -1 : 0;
		if (now_ms() >= deadline)
			return 0;
	}
}

/* Requests */

int helper_request(struct helper *h, const char *op, const json_t *params, uint32_t *ret_id,
		   struct error *err)
{
	auto_json json_t *root = json_pack("{s:s}", "op", op);
	uint32_t *slot = find_open(h, 0);
	auto_free char *text = NULL;
	size_t len;
	int rc;

	if (helper_check_usable(h, err) < 0)
		return -1;
	if (!slot)
		return error_set(err, ERR_FAILED, "helper: more than %d requests at a time",
				 WIRE_MAX_REQUESTS);
	if (!root || (params && json_object_update_missing(root, (json_t *)params) < 0))
		die_oom();
	text = json_to_line(root);
	len = strlen(text);
	if (len > MAX_FRAME_JSON)
		return error_set(err, ERR_FAILED, "helper: request '%s' is too long", op);
	rc = helper_send_frame(h, FRAME_REQUEST, h->last_id + 1, text, len, err);
	explicit_bzero(text, len); /* it may hold the address of an upload */
	if (rc < 0)
		return helper_broken(h, err);
	*slot = *ret_id = ++h->last_id;
	return 0;
}

/* One frame's worth. */
static int send_piece(struct helper *h, uint32_t id, uint64_t offset, const char *data, size_t len,
		      char *body, struct error *err)
{
	wire_put_u64((unsigned char *)body, offset);
	memcpy(body + WIRE_DATA_OFFSET_SIZE, data, len);
	if (helper_wait_sent(h, MAX_UNSENT, err) < 0)
		return -1;
	if (helper_send_frame(h, FRAME_DATA, id, body, WIRE_DATA_OFFSET_SIZE + len, err) < 0)
		return helper_broken(h, err);
	return 0;
}

int helper_send_data(struct helper *h, uint32_t id, uint64_t offset, const void *data, size_t len,
		     struct error *err)
{
	auto_free char *body = xmalloc(WIRE_DATA_OFFSET_SIZE + MAX_FRAME_DATA);

	if (helper_check_usable(h, err) < 0)
		return -1;
	if (!id || !find_open(h, id))
		return 0;
	for (size_t at = 0; at < len;) {
		size_t n = len - at < MAX_FRAME_DATA ? len - at : MAX_FRAME_DATA;

		if (send_piece(h, id, offset + at, (const char *)data + at, n, body, err) < 0)
			return -1;
		at += n;
	}
	return helper_wait_sent(h, MAX_UNSENT, err);
}

int helper_cancel(struct helper *h, uint32_t id, struct error *err)
{
	if (helper_check_usable(h, err) < 0)
		return -1;
	if (!find_open(h, id))
		return 0;
	if (helper_send_frame(h, FRAME_CANCEL, id, NULL, 0, err) < 0)
		return helper_broken(h, err);
	return 0;
}

int helper_call(struct helper *h, const char *op, const json_t *params, uint64_t timeout_ms,
		json_t **ret, struct error *err)
{
	uint64_t deadline = deadline_after(timeout_ms);
	struct helper_message m;
	uint32_t id;

	if (helper_request(h, op, params, &id, err) < 0)
		return -1;
	for (;;) {
		uint64_t now = now_ms();

		if (helper_next(h, deadline > now ? deadline - now : 0, &m, err) < 0)
			return -1;
		/* PROGRESS without end is no answer either. */
		if (m.request != id || m.kind == HELPER_NOTHING || m.kind == HELPER_PROGRESS) {
			if (now_ms() < deadline)
				continue;
			if (helper_cancel(h, id, err) < 0)
				return -1;
			return error_set(err, ERR_FAILED,
					 "helper: no answer to '%s' within %llu ms", op,
					 (unsigned long long)timeout_ms);
		}
		if (m.kind == HELPER_ERROR) {
			*err = m.error;
			return -1;
		}
		if (m.kind != HELPER_RESULT) {
			error_set(err, ERR_FAILED, "protocol error: '%s' answered with data", op);
			return helper_broken(h, err);
		}
		*ret = json_incref(m.json);
		return 0;
	}
}

/* Beginning and end */

static int check_versions(const json_t *hello, struct error *err)
{
	uint64_t min = json_u64_at(hello, "min", 0), max = json_u64_at(hello, "max", 0);

	if (min <= WIRE_VERSION_MAX && max >= WIRE_VERSION_MIN && min <= max)
		return 0;
	return error_set(err, ERR_FAILED,
			 "the helper speaks protocol versions %llu to %llu, jdiag %d to %d",
			 (unsigned long long)min, (unsigned long long)max, WIRE_VERSION_MIN,
			 WIRE_VERSION_MAX);
}

static int answer_hello(struct helper *h, struct error *err)
{
	auto_json json_t *mine =
		json_pack("{s:i, s:i, s:s, s:s}", "min", WIRE_VERSION_MIN, "max", WIRE_VERSION_MAX,
			  "program", "jdiag", "version", JDIAG_VERSION);
	auto_free char *text = NULL;

	if (!mine)
		die_oom();
	text = json_to_line(mine);
	return helper_send_frame(h, FRAME_HELLO, 0, text, strlen(text), err);
}

int helper_greet(struct helper *h, uint64_t deadline, struct error *err)
{
	struct frame f;
	int rc = helper_next_frame(h, deadline, &f, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NODE, "the helper did not say hello in time");
	if (f.type == FRAME_ERROR)
		return fatal_error(h, &f, err);
	if (f.type != FRAME_HELLO || f.request != 0) {
		error_set(err, ERR_FAILED, "protocol error: %s instead of HELLO",
			  frame_type_name(f.type));
		return helper_broken(h, err);
	}
	h->hello = parse_body(&f, err);
	if (!h->hello || check_versions(h->hello, err) < 0 || answer_hello(h, err) < 0)
		return helper_broken(h, err);
	log_at(LOG_STEP, "helper %s runs as pid %llu, uid %llu",
	       json_str_at(h->hello, "version", "?"),
	       (unsigned long long)json_u64_at(h->hello, "pid", 0),
	       (unsigned long long)json_u64_at(h->hello, "euid", 0));
	return 0;
}
