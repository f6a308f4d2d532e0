#include "jdiag/fleet_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

struct head {
	uint32_t kind, target, len;
};

int fleet_record_write(int fd, enum fleet_kind kind, uint32_t target, const void *body, size_t len)
{
	const struct head head = {kind, target, (uint32_t)len};
	int rc;

	if (len > MAX_FLEET_RECORD)
		return -EFBIG;
	rc = io_write_full(fd, &head, sizeof(head));
	return rc == 0 && len ? io_write_full(fd, body, len) : rc;
}

int fleet_record_write_error(int fd, enum fleet_kind kind, uint32_t target, const struct error *why)
{
	auto_json json_t *object = json_pack("{s:i, s:i}", "code", (int)why->code, "sys", why->sys);
	auto_free char *text = NULL;

	json_set_text(object, "message", why->msg);
	json_set_text(object, "hint", why->hint);
	text = json_dumps(object, JSON_COMPACT);
	if (!text)
		die_oom();
	return fleet_record_write(fd, kind, target, text, strlen(text));
}

int fleet_record_read(const struct buf *in, struct fleet_record *ret)
{
	struct head head;

	if (in->len < sizeof(head))
		return 0;
	memcpy(&head, in->data, sizeof(head));
	if (head.kind < FLEET_CONNECTED || head.kind > FLEET_FAILED || head.len > MAX_FLEET_RECORD)
		return -1;
	if (in->len - sizeof(head) < head.len)
		return 0;
	*ret = (struct fleet_record){head.kind, head.target, in->data + sizeof(head), head.len,
				     sizeof(head) + head.len};
	return 1;
}

static bool is_code(uint64_t code)
{
	return (code > ERR_NONE && code <= ERR_REFUSED) || code == ERR_INTERRUPTED;
}

void fleet_record_error(const struct fleet_record *r, struct error *ret)
{
	auto_json json_t *object = json_from_text(r->body, r->len, "report", ERR_FAILED, NULL);
	uint64_t code = json_u64_at(object, "code", 0);

	error_set(ret, is_code(code) ? (enum err_code)code : ERR_FAILED, "%s",
		  json_str_at(object, "message", "no reason was given"));
	error_hint(ret, "%s", json_str_at(object, "hint", ""));
	ret->sys = (int)json_u64_at(object, "sys", 0);
}
