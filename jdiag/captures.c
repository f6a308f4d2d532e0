#include "jdiag/captures.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define CALL_MS 30000
#define STOP_MS 20000 /* the node gives up after 15 s, and says so */
#define ASK_MS 3000

static const char *const phase_names[] = {"starting", "attach",	  "dump",
					  "spool",    "complete", "failed"};

void capture_new_id(char id[CAPTURE_ID_SIZE])
{
	unsigned char bytes[(CAPTURE_ID_SIZE - 1) / 2];

	crypto_random(bytes, sizeof(bytes));
	str_hex(id, bytes, sizeof(bytes));
}

bool capture_id_is(const char *text)
{
	return strlen(text) == CAPTURE_ID_SIZE - 1 && str_only(text, "0123456789abcdef");
}

const char *capture_phase_name(enum capture_phase phase)
{
	return phase_names[phase];
}

static bool phase_from_name(const char *name, enum capture_phase *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(phase_names); i++)
		if (strcmp(phase_names[i], name) == 0) {
			*ret = (enum capture_phase)i;
			return true;
		}
	return false;
}

/* The parts count up to and with the first one that still grows. */
static uint64_t readable_bytes(const json_t *state)
{
	uint64_t sum = 0;
	const json_t *part;
	size_t i;

	json_array_foreach (json_at(state, "parts"), i, part) {
		uint64_t bytes = json_u64_at(part, "bytes", 0);

		if (bytes > INT64_MAX - sum)
			break;
		sum += bytes;
		if (!json_bool_at(part, "final", false))
			break;
	}
	return sum;
}

/* Cut where it is too long: texts of the node are for people. */
static void copy_text(char *dst, size_t size, const json_t *state, const char *name)
{
	const char *text = json_str_at(state, name, "");

	str_escape(dst, size, text, strlen(text), NULL);
}

int capture_state_from_json(const json_t *state, struct capture_state *ret, struct error *err)
{
	struct capture_state s = {
		.ring = json_bool_at(state, "ring", false),
		.raw = json_u64_at(state, "raw", 0),
		.stored = json_u64_at(state, "stored", 0),
		.readable = readable_bytes(state),
		.pause_ms = json_u64_at(state, "pause_ms", 0),
		.elapsed_ms = json_u64_at(state, "elapsed_ms", 0),
		.written_ms = json_u64_at(state, "written_ms", 0),
		.stalled_ms = json_u64_at(state, "stalled_ms", 0),
		.overflow = json_u64_at(state, "overflow", 0),
		.records = json_u64_at(state, "records", 0),
		.crc32c = (uint32_t)json_u64_at(state, "crc32c", 0),
	};

	if (!phase_from_name(json_str_at(state, "phase", ""), &s.phase) || s.stored > INT64_MAX)
		return error_set(err, ERR_FAILED,
				 "the helper broke the protocol: a state that is none");
	copy_text(s.strategy, sizeof(s.strategy), state, "strategy");
	copy_text(s.format, sizeof(s.format), state, "format");
	copy_text(s.redact, sizeof(s.redact), state, "redact");
	copy_text(s.notice, sizeof(s.notice), state, "notice");
	copy_text(s.sha256, sizeof(s.sha256), state, "sha256");
	*ret = s;
	return 0;
}

static int call_with_id(struct helper *h, const char *op, const char *id, uint64_t timeout_ms,
			struct error *err)
{
	auto_json json_t *params = json_pack("{s:s}", "id", id);
	auto_json json_t *none = NULL;

	return helper_call(h, op, params, timeout_ms, &none, err);
}

int capture_stop(struct helper *h, const char *id, struct error *err)
{
	return call_with_id(h, "stop", id, STOP_MS, err);
}

int capture_remove(struct helper *h, const char *id, struct error *err)
{
	return call_with_id(h, "remove", id, CALL_MS, err);
}

int capture_list(struct helper *h, json_t **ret, struct error *err)
{
	return helper_call(h, "spools", NULL, CALL_MS, ret, err);
}

const json_t *capture_find(const json_t *list, const char *id, const char *node, struct error *err)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_at(list, "spools"), i, entry)
		if (strcmp(json_str_at(entry, "id", ""), id) == 0)
			return entry;
	error_set(err, ERR_TARGET, "capture '%s' is not on node '%s'", id, node);
	error_hint(err, "it was delivered or removed, its time was over, or it is on another node");
	return NULL;
}

int capture_ask(struct helper *h, const char *id, struct capture_state *ret, struct error *err)
{
	auto_json json_t *params = json_pack("{s:s}", "id", id);
	uint64_t deadline = now_ms() + ASK_MS;
	struct helper_message m;
	uint32_t request;

	if (helper_request(h, "watch", params, &request, err) < 0)
		return -1;
	do {
		if (helper_next(h, 200, &m, err) < 0)
			return -1;
		if (m.request != request || m.kind == HELPER_NOTHING)
			continue;
		if (m.kind == HELPER_ERROR) {
			*err = m.error;
			return -1;
		}
		if (m.kind == HELPER_PROGRESS && helper_cancel(h, request, err) < 0)
			return -1;
		return capture_state_from_json(m.json, ret, err);
	} while (now_ms() < deadline);
	return error_set(err, ERR_FAILED, "helper: no answer to 'watch'");
}
