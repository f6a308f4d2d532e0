#include "jdiag/deliver_wire.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

static int protocol_error(const char *what, struct error *err)
{
	return error_set(err, ERR_FAILED, "the helper broke the protocol: %s", what);
}

/* ---- requests ---- */

int delivery_over_the_wire(struct delivery *d, int rc, const struct error *err)
{
	if (rc < 0 && (err->code == ERR_SSH || err->code == ERR_NODE))
		d->broke = true;
	return rc;
}

static int request(struct delivery *d, const char *op, const json_t *params, uint32_t *ret,
		   struct error *err)
{
	return delivery_over_the_wire(d, helper_request(d->session->helper, op, params, ret, err),
				      err);
}

static int start_watch(struct delivery *d, struct error *err)
{
	auto_json json_t *params = json_pack("{s:s}", "id", d->o->id);

	d->watched = false;
	return request(d, "watch", params, &d->watch_id, err);
}

static int start_fetch(struct delivery *d, struct error *err)
{
	auto_json json_t *params =
		json_pack("{s:s, s:I}", "id", d->o->id, "offset", (json_int_t)d->next);

	d->rewinding = d->fetched = false;
	d->fetch_error = (struct error){0};
	return request(d, "fetch", params, &d->fetch_id, err);
}

int delivery_start(struct delivery *d, struct error *err)
{
	d->begin_id = d->watch_id = d->fetch_id = 0;
	d->rewinding = d->broke = false;
	if (d->complete)
		return start_fetch(d, err);
	if (d->exists)
		return start_watch(d, err);
	d->result->begun = true;
	return request(d, "begin", d->o->begin, &d->begin_id, err);
}

int delivery_from_sink(int rc, struct error *err)
{
	if (rc < 0 && err->code != ERR_INTERRUPTED)
		err->code = ERR_UPLOAD;
	return rc;
}

int delivery_rewind(struct delivery *d, uint64_t offset, struct error *err)
{
	if (offset > d->next)
		return error_set(err, ERR_UPLOAD, "the destination has more bytes than were sent");
	log_at(LOG_STEP, "going back from byte %llu to %llu", (unsigned long long)d->next,
	       (unsigned long long)offset);
	d->next = d->sink_at = offset;
	d->fetched = false;
	if (!d->fetch_id)
		return start_fetch(d, err);
	d->rewinding = true;
	return delivery_over_the_wire(d, helper_cancel(d->session->helper, d->fetch_id, err), err);
}

/* ---- what the node says ---- */

int delivery_set_extent(struct delivery *d, uint64_t bytes, bool final, struct error *err)
{
	if (!d->sink || (bytes <= d->extent && !final))
		return 0;
	if (bytes < d->extent || (d->complete && bytes != d->state.stored))
		return protocol_error("the artifact has another length than it said", err);
	d->extent = bytes;
	return delivery_from_sink(sink_extent(d->sink, bytes, final, err), err);
}

static void keep_facts(struct delivery *d)
{
	const struct capture_state *s = &d->state;
	struct delivery_result *r = d->result;

	r->phase = s->phase;
	r->ring = s->ring;
	r->raw = s->raw;
	r->pause_ms = s->pause_ms;
	r->elapsed_ms = s->elapsed_ms;
	r->written_ms = s->written_ms;
	r->stalled_ms = s->stalled_ms;
	r->overflow = s->overflow;
	r->records = s->records;
	(void)!str_copy(r->strategy, sizeof(r->strategy), s->strategy);
	(void)!str_copy(r->format, sizeof(r->format), s->format);
	(void)!str_copy(r->redact, sizeof(r->redact), s->redact);
	(void)!str_copy(r->notice, sizeof(r->notice), s->notice);
}

static int take_state(struct delivery *d, const json_t *body, struct error *err)
{
	struct capture_state s;

	if (capture_state_from_json(body, &s, err) < 0)
		return -1;
	if (s.raw != d->state.raw || s.stored != d->state.stored || s.phase != d->state.phase)
		reconnect_reset(&d->reconnect);
	d->state = s;
	d->watched = true;
	keep_facts(d);
	return 0;
}

static int on_state(struct delivery *d, const json_t *body, struct error *err)
{
	bool first = !d->watched;

	if (take_state(d, body, err) < 0)
		return -1;
	if (first && d->sink && !d->fetch_id && start_fetch(d, err) < 0)
		return -1;
	return delivery_set_extent(d, d->state.readable, false, err);
}

static int on_complete(struct delivery *d, const json_t *body, struct error *err)
{
	if (take_state(d, body, err) < 0)
		return -1;
	if (d->state.phase != CAPTURE_COMPLETE)
		return protocol_error("a result before the end", err);
	d->watch_id = 0;
	d->complete = true;
	d->result->bytes = d->state.stored;
	log_at(LOG_STEP, "the capture is complete: %llu bytes of dump, %llu of artifact",
	       (unsigned long long)d->state.raw, (unsigned long long)d->state.stored);
	if (d->fetch_error.code) {
		*err = d->fetch_error;
		return -1;
	}
	if (delivery_set_extent(d, d->state.stored, true, err) < 0)
		return -1;
	return d->sink && !d->fetch_id && !d->fetched ? start_fetch(d, err) : 0;
}

static int on_begun(struct delivery *d, struct error *err)
{
	d->begin_id = 0;
	d->exists = true;
	reconnect_reset(&d->reconnect);
	return start_watch(d, err);
}

/* The bytes of a DATA frame that were not hashed before. */
static void hash_new_bytes(struct delivery *d, const char *data, size_t len)
{
	uint64_t known = d->seen > d->next ? d->seen - d->next : 0;

	if (known >= len)
		return;
	sha256_add(d->sha, data + known, len - known);
	d->crc = crc32c(d->crc, data + known, len - known);
	d->seen += len - known;
	reconnect_reset(&d->reconnect);
}

/* To the sink, but for what it has already. */
static int write_bytes(struct delivery *d, const char *data, size_t len, uint64_t *back,
		       struct error *err)
{
	uint64_t known = d->sink_at > d->next ? d->sink_at - d->next : 0;

	if (known >= len)
		return 0;
	return delivery_from_sink(sink_write(d->sink, data + known, len - known, back, err), err);
}

static int on_data(struct delivery *d, const struct helper_message *m, struct error *err)
{
	uint64_t back;
	int rc;

	if (d->rewinding)
		return 0; /* what was on its way when the fetch was cancelled */
	if (m->offset != d->next)
		return protocol_error("data at another offset than the next one", err);
	if (delivery_set_extent(d, d->next + m->len, false, err) < 0)
		return -1;
	hash_new_bytes(d, m->data, m->len);
	rc = write_bytes(d, m->data, m->len, &back, err);
	if (rc < 0)
		return -1;
	d->next += m->len;
	return rc == SINK_REWIND ? delivery_rewind(d, back, err) : 0;
}

static int on_end(struct delivery *d, const json_t *body, struct error *err)
{
	const char *sha256 = json_str_at(body, "sha256", "");

	d->fetch_id = 0;
	if (d->rewinding)
		return start_fetch(d, err);
	d->end_length = json_u64_at(body, "length", 0);
	d->end_crc = (uint32_t)json_u64_at(body, "crc32c", d->crc);
	if (!str_copy(d->end_sha256, sizeof(d->end_sha256), sha256))
		return protocol_error("the digest is too long", err);
	d->fetched = true;
	return 0;
}

/* The capture is not there. Where it was before, a second one would pause the JVM again. */
static int not_there(struct delivery *d, const struct error *e, struct error *err)
{
	*err = *e;
	d->result->lost = true;
	if (!d->o->begin)
		return -1;
	error_set(err, ERR_CAPTURE, "the capture is gone from node '%s'", d->session->node);
	return error_hint(err, "somebody removed it, or the node was started again; the JVM is not "
			       "asked for a second dump without a new command");
}

/* A capture that fails ends its fetch with the same error, which `watch` tells as well: only that
 * says that there is nothing any more. */
static int on_fetch_error(struct delivery *d, const struct error *e, struct error *err)
{
	d->fetch_id = 0;
	if (d->rewinding)
		return start_fetch(d, err);
	d->fetch_error = *e;
	if (!d->complete && e->code != ERR_UPLOAD)
		return 0;
	*err = *e;
	if (d->state.ring)
		error_hint(err, "take the dump again, without --no-spool: then the node keeps what "
				"has to be sent again");
	return -1;
}

static int on_error(struct delivery *d, const struct helper_message *m, struct error *err)
{
	if (m->request == d->fetch_id)
		return on_fetch_error(d, &m->error, err);
	if (m->error.code == ERR_TARGET && m->request == d->watch_id && !d->watched)
		return not_there(d, &m->error, err);
	*err = m->error;
	if (m->request == d->begin_id)
		d->result->begun = false; /* nothing is done before `begin` has worked */
	else
		d->result->lost = true;
	return -1;
}

static int on_other(struct delivery *d, const struct helper_message *m, struct error *err)
{
	if (m->kind == HELPER_ERROR)
		return on_error(d, m, err);
	if (m->request == d->begin_id)
		return m->kind == HELPER_RESULT ? on_begun(d, err)
						: protocol_error("an answer to no request", err);
	switch (m->kind) {
	case HELPER_PROGRESS:
		return on_state(d, m->json, err);
	case HELPER_RESULT:
		return on_complete(d, m->json, err);
	default:
		return protocol_error("data that nobody asked for", err);
	}
}

int delivery_take(struct delivery *d, const struct helper_message *m, struct error *err)
{
	if (m->kind == HELPER_NOTHING)
		return 0;
	if (m->request == d->fetch_id && m->kind != HELPER_ERROR) {
		if (m->kind == HELPER_DATA)
			return on_data(d, m, err);
		if (m->kind == HELPER_END)
			return on_end(d, m->json, err);
		return protocol_error("a fetch that ends without an end", err);
	}
	if (m->request != d->begin_id && m->request != d->watch_id && m->request != d->fetch_id)
		return protocol_error("an answer to no open request", err);
	return on_other(d, m, err);
}
