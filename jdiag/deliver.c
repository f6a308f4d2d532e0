#include "jdiag/deliver_wire.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/node_upload.h"
#include "jdiag/progress.h"
#include "jdiag/session.h"
#include "jdiag/sink/sink.h"
#include "remote/base/str.h"

#define POLL_MS 200

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
	    delivery_over_the_wire(d, helper_next(d->session->helper, POLL_MS, &m, err), err) < 0)
		return -1;
	return delivery_take(d, &m, err);
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
	if (session_reconnect(d->session, &d->reconnect, d->progress, &why, err) < 0)
		return -1;
	d->broke = false;
	return 0;
}

/* Until all bytes were delivered and the capture is complete, over as many connections as it takes.
 */
static int run(struct delivery *d, struct error *err)
{
	while (!is_done(d)) {
		int rc = d->started ? turn(d, err) : delivery_start(d, err);

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
		rc = delivery_from_sink(sink_finish(d->sink, &back, err), err);
		if (rc <= 0)
			return rc;
		if (delivery_rewind(d, back, err) < 0) {
			if (connect_again(d, err) < 0)
				return -1;
			d->started = false;
		}
	}
}

/* ---- --upload-from node ---- */

/* The node cannot, or cannot any more: as if nobody had asked for it. All bytes pass through here,
 * for their digests; the sink gets those that it lacks. */
static int send_from_here(struct delivery *d, uint64_t offset, const struct error *why,
			  struct error *err)
{
	progress_note(d->progress, "%s: the bytes go through here instead", why->msg);
	d->sink = d->o->sink;
	d->sink_at = offset;
	d->started = false;
	return delivery_set_extent(d, d->state.stored, true, err);
}

/* Over as many connections as it takes. 0: done; 1: from here, please. */
static int send_from_node(struct delivery *d, struct error *err)
{
	struct node_upload u = {.id = d->o->id, .size = d->state.stored, .crc32c = d->state.crc32c};

	for (;; u.again = true) {
		uint64_t before = u.offset;
		struct error why = {0};
		int rc = upload_from_node(d->session->helper, d->o->sink, &u, d->progress, &why,
					  err);

		if (rc > 0)
			return send_from_here(d, u.offset, &why, err) < 0 ? -1 : 1;
		if (rc == 0) {
			d->result->crc32c = d->state.crc32c;
			(void)!str_copy(d->result->sha256, sizeof(d->result->sha256),
					d->state.sha256);
			return 0;
		}
		if (u.offset > before)
			reconnect_reset(&d->reconnect);
		if (delivery_over_the_wire(d, rc, err) < 0 && connect_again(d, err) < 0)
			return delivery_from_sink(-1, err);
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
