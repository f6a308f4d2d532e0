#include "jdiag/deliver.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/node_upload.h"
#include "jdiag/progress.h"
#include "jdiag/reconnect.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define POLL_MS 200

struct delivery {
	struct session *session;
	const struct delivery_options *o;
	struct sink *sink; /* that gets its bytes from here; NULL: none, or (yet) from the node */
	struct progress *progress;
	struct reconnect reconnect;
	uint32_t begin_id, watch_id, fetch_id; /* 0: not open */
	bool exists;			       /* the node has answered `begin` */
	bool watched;			       /* this `watch` has told something */
	struct capture_state state;
	uint64_t next;	 /* offset of the next byte for the sink */
	uint64_t seen;	 /* bytes that were hashed; next <= seen after a rewind */
	uint64_t extent; /* bytes that the sink knows to exist */
	bool rewinding;	 /* the fetch in hand was cancelled, its end is awaited */
	bool complete, fetched;
	struct sha256 *sha; /* owned */
	uint32_t crc;
	uint64_t end_length;
	char end_sha256[SHA256_HEX_SIZE];
	uint32_t end_crc;
	struct error fetch_error; /* code set: that fetch failed, and why */
	bool started, broke;	  /* the requests on this connection; the connection */
	struct delivery_result *result;
};

static int protocol_error(const char *what, struct error *err)
{
	return error_set(err, ERR_FAILED, "the helper broke the protocol: %s", what);
}

/* ---- requests ---- */

/* rc of a call that uses the connection. These codes are the connection's own there: an error of
 * the node comes in a message. */
static int over_the_wire(struct delivery *d, int rc, const struct error *err)
{
	if (rc < 0 && (err->code == ERR_SSH || err->code == ERR_NODE))
		d->broke = true;
	return rc;
}

static int request(struct delivery *d, const char *op, const json_t *params, uint32_t *ret,
		   struct error *err)
{
	return over_the_wire(d, helper_request(d->session->helper, op, params, ret, err), err);
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
	return request(d, "fetch", params, &d->fetch_id, err);
}

/* On a new connection: first what was never answered. The same id starts nothing twice. */
static int start(struct delivery *d, struct error *err)
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

/* Whatever the destination's reason was: the dump is kept, and can be delivered again. */
static int from_sink(int rc, struct error *err)
{
	if (rc < 0 && err->code != ERR_INTERRUPTED)
		err->code = ERR_UPLOAD;
	return rc;
}

/* The sink lost bytes: stop the fetch in hand (if it has not ended), then fetch again from offset.
 * Without a connection the next one begins there anyway. */
static int rewind_to(struct delivery *d, uint64_t offset, struct error *err)
{
	if (offset > d->next)
		return error_set(err, ERR_UPLOAD, "the destination has more bytes than were sent");
	log_at(LOG_STEP, "going back from byte %llu to %llu", (unsigned long long)d->next,
	       (unsigned long long)offset);
	d->next = offset;
	d->fetched = false;
	if (!d->fetch_id)
		return start_fetch(d, err);
	d->rewinding = true;
	return over_the_wire(d, helper_cancel(d->session->helper, d->fetch_id, err), err);
}

/* ---- what the node says ---- */

/* Only more is news; the total is set once, when the capture is complete. */
static int set_extent(struct delivery *d, uint64_t bytes, bool final, struct error *err)
{
	if (!d->sink || (bytes <= d->extent && !final))
		return 0;
	if (bytes < d->extent || (d->complete && bytes != d->state.stored))
		return protocol_error("the artifact has another length than it said", err);
	d->extent = bytes;
	return from_sink(sink_extent(d->sink, bytes, final, err), err);
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
	return set_extent(d, d->state.readable, false, err);
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
	if (set_extent(d, d->state.stored, true, err) < 0)
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

static int on_data(struct delivery *d, const struct helper_message *m, struct error *err)
{
	uint64_t back;
	int rc;

	if (d->rewinding)
		return 0; /* what was on its way when the fetch was cancelled */
	if (m->offset != d->next)
		return protocol_error("data at another offset than the next one", err);
	if (set_extent(d, d->next + m->len, false, err) < 0)
		return -1;
	hash_new_bytes(d, m->data, m->len);
	rc = from_sink(sink_write(d->sink, m->data, m->len, &back, err), err);
	if (rc < 0)
		return -1;
	d->next += m->len;
	return rc == SINK_REWIND ? rewind_to(d, back, err) : 0;
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

static int dispatch(struct delivery *d, const struct helper_message *m, struct error *err)
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

/* ---- the loop ---- */

/* In each turn, also when nothing has come: the clock of the line goes on, and SIGUSR1 is heard. */
static void show_progress(const struct delivery *d)
{
	const struct capture_state *s = &d->state;

	if ((!d->watched && !d->complete) || s->phase == CAPTURE_FAILED) {
		progress_waiting(d->progress);
		return;
	}
	progress_capture(d->progress, s->raw, s->stored);
	if (s->phase < CAPTURE_DUMP) {
		progress_phase(d->progress, "attach");
		progress_waiting(d->progress);
	} else if (s->phase == CAPTURE_DUMP) {
		progress_phase(d->progress, "pause");
		progress_bytes(d->progress, s->raw, d->o->expected);
	} else if (s->phase == CAPTURE_SPOOL || !d->sink) {
		progress_phase(d->progress, "spool");
		progress_bytes(d->progress, d->sink ? d->next : s->stored, 0);
	} else {
		progress_phase(d->progress, d->o->last_phase);
		progress_bytes(d->progress, d->next, s->stored);
	}
}

static int turn(struct delivery *d, struct error *err)
{
	struct helper_message m;

	if (interrupt_check(err) < 0 ||
	    over_the_wire(d, helper_next(d->session->helper, POLL_MS, &m, err), err) < 0)
		return -1;
	return dispatch(d, &m, err);
}

static bool is_done(const struct delivery *d)
{
	return d->complete && (d->fetched || !d->sink);
}

/* After an error: 0 when it was only the connection, and there is a new one. */
static int connect_again(struct delivery *d, struct error *err)
{
	struct error why = *err;

	if (!d->broke)
		return -1;
	/* its capture process lets the JVM go when its connection ends */
	if (d->state.ring || (d->o->begin && !json_bool_at(d->o->begin, "spool", true))) {
		d->result->lost = true;
		return error_hint(err, "with --no-spool the dump was lost with the connection: "
				       "take it again without");
	}
	*err = (struct error){0};
	return session_reconnect(d->session, &d->reconnect, d->progress, &why, err);
}

/* Until all bytes were delivered and the capture is complete, over as many connections as it takes.
 */
static int run(struct delivery *d, struct error *err)
{
	while (!is_done(d)) {
		int rc = d->started ? turn(d, err) : start(d, err);

		d->started = true;
		if (rc == 0) {
			show_progress(d);
			continue;
		}
		if (connect_again(d, err) < 0)
			return -1;
		d->started = false;
	}
	return 0;
}

/* Both ends agree on length and digests of what arrived. */
static int verify(struct delivery *d, struct error *err)
{
	struct delivery_result *r = d->result;

	if (d->seen != d->end_length || d->seen != d->state.stored)
		return error_set(
			err, ERR_CAPTURE,
			"the dump changed on its way: %llu bytes arrived, the node has %llu",
			(unsigned long long)d->seen, (unsigned long long)d->end_length);
	sha256_hex(d->sha, r->sha256);
	if (strcmp(r->sha256, d->end_sha256) != 0)
		return error_set(err, ERR_CAPTURE,
				 "the dump changed on its way: SHA-256 %.16s... here, %.16s... on "
				 "the node",
				 r->sha256, d->end_sha256);
	if (d->crc != d->end_crc)
		return error_set(err, ERR_CAPTURE,
				 "the dump changed on its way: CRC32C %08x here, %08x on the node",
				 d->crc, d->end_crc);
	r->crc32c = d->crc;
	return 0;
}

/* All bytes to the sink, verified, and the sink finished. */
static int deliver_from_here(struct delivery *d, struct error *err)
{
	for (;;) {
		uint64_t back;
		int rc;

		if (run(d, err) < 0)
			return -1;
		if (!d->sink)
			return 0;
		if (verify(d, err) < 0)
			return -1;
		progress_phase(d->progress, "finish");
		rc = from_sink(sink_finish(d->sink, &back, err), err);
		if (rc <= 0)
			return rc;
		if (rewind_to(d, back, err) < 0) {
			if (connect_again(d, err) < 0)
				return -1;
			d->started = false;
		}
	}
}

/* ---- --upload-from node ---- */

/* The node cannot: as if nobody had asked for it. */
static int send_from_here(struct delivery *d, const struct error *why, struct error *err)
{
	progress_note(d->progress, "%s: the bytes go through here instead", why->msg);
	d->sink = d->o->sink;
	d->started = false;
	return set_extent(d, d->state.stored, true, err);
}

/* Over as many connections as it takes. 0: done; 1: from here, please. */
static int send_from_node(struct delivery *d, struct error *err)
{
	for (bool again = false;; again = true) {
		const struct node_upload u = {.id = d->o->id,
					      .size = d->state.stored,
					      .crc32c = d->state.crc32c,
					      .again = again};
		struct error why = {0};
		int rc = upload_from_node(d->session->helper, d->o->sink, &u, d->progress, &why,
					  err);

		if (rc > 0)
			return send_from_here(d, &why, err) < 0 ? -1 : 1;
		if (rc == 0) {
			d->result->crc32c = d->state.crc32c;
			(void)!str_copy(d->result->sha256, sizeof(d->result->sha256),
					d->state.sha256);
			return 0;
		}
		if (over_the_wire(d, rc, err) < 0 && connect_again(d, err) < 0)
			return from_sink(-1, err);
	}
}

static int deliver(struct delivery *d, struct error *err)
{
	int sent = 1;

	if (d->o->from_node)
		sent = run(d, err) < 0 ? -1 : send_from_node(d, err);
	return sent > 0 ? deliver_from_here(d, err) : sent;
}

int deliver_capture(struct session *s, const struct delivery_options *o, struct progress *progress,
		    struct delivery_result *ret, struct error *err)
{
	struct delivery d = {
		.session = s,
		.o = o,
		.progress = progress,
		.sink = o->from_node ? NULL : o->sink,
		.exists = !o->begin,
		.sha = sha256_new(),
		.result = ret,
	};
	int rc;

	*ret = (struct delivery_result){.begun = !o->begin};
	if (o->begin)
		progress_phase(progress, "attach");
	rc = deliver(&d, err);
	sha256_free(d.sha);
	return rc;
}
