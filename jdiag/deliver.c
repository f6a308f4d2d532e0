#include "jdiag/deliver.h"

#include <jansson.h>
#include <string.h>

#include "jdiag/helper/helper.h"
#include "jdiag/interrupt.h"
#include "jdiag/json.h"
#include "jdiag/progress.h"
#include "jdiag/sink/sink.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"
#include "remote/hprof/chain.h"

#define POLL_MS 200

struct delivery {
	struct helper *helper;
	struct sink *sink;
	struct progress *progress;
	uint64_t expected;
	uint32_t capture_id, read_id; /* 0: not open */
	uint64_t next;		      /* offset of the next byte for the sink */
	uint64_t seen;	 /* bytes that went through hash and chain; next <= seen after a rewind */
	uint64_t extent; /* bytes that the sink knows to exist */
	bool rewinding;	 /* the read in hand was cancelled, its end is awaited */
	bool captured, read_done;
	bool dumping;	    /* the phase has been shown */
	struct sha256 *sha; /* owned */
	struct hprof_chain chain;
	struct delivery_result result;
	uint64_t end_length;
	char end_sha256[SHA256_HEX_SIZE];
};

static int protocol_error(const char *what, struct error *err)
{
	return error_set(err, ERR_FAILED, "the helper broke the protocol: %s", what);
}

static int start_read(struct delivery *d, struct error *err)
{
	auto_json json_t *params = json_pack("{s:I}", "offset", (json_int_t)d->next);

	d->rewinding = d->read_done = false;
	return helper_request(d->helper, "read", params, &d->read_id, err);
}

/* The sink lost bytes: stop the read in hand (if it has not ended), then read again from offset. */
static int rewind_to(struct delivery *d, uint64_t offset, struct error *err)
{
	if (offset > d->next)
		return error_set(err, ERR_UPLOAD, "the destination has more bytes than were sent");
	log_at(LOG_STEP, "going back from byte %llu to %llu", (unsigned long long)d->next,
	       (unsigned long long)offset);
	d->next = offset;
	if (!d->read_id)
		return start_read(d, err);
	d->rewinding = true;
	return helper_cancel(d->helper, d->read_id, err);
}

/* Only more is news; the total is set once, by the capture's result. */
static int set_extent(struct delivery *d, uint64_t bytes, bool final, struct error *err)
{
	if (bytes <= d->extent && !final)
		return 0;
	if (bytes < d->extent || (d->captured && bytes != d->result.bytes))
		return protocol_error("the dump has another length than it said", err);
	d->extent = bytes;
	return sink_extent(d->sink, bytes, final, err);
}

static void show_dumping(struct delivery *d)
{
	if (!d->dumping)
		progress_phase(d->progress, "dump");
	d->dumping = true;
}

static int on_progress(struct delivery *d, const json_t *body, struct error *err)
{
	uint64_t bytes = json_u64_at(body, "bytes", 0);
	bool final = json_bool_at(body, "final", false);

	if (strcmp(json_str_at(body, "phase", ""), "attach") != 0)
		show_dumping(d);
	return set_extent(d, bytes, final, err);
}

/* The bytes of a DATA frame that were not hashed and checked before. */
static int check_new_bytes(struct delivery *d, const char *data, size_t len, struct error *err)
{
	uint64_t known = d->seen > d->next ? d->seen - d->next : 0;

	if (known >= len)
		return 0;
	data += known;
	len -= known;
	sha256_add(d->sha, data, len);
	if (hprof_chain_add(&d->chain, data, len, err) < 0)
		return -1;
	d->seen += len;
	return 0;
}

static int on_data(struct delivery *d, const struct helper_message *m, struct error *err)
{
	uint64_t back;
	int rc;

	if (d->rewinding)
		return 0; /* what was on its way when the read was cancelled */
	show_dumping(d);  /* the sink may take its time before the next news of the capture */
	if (m->offset != d->next)
		return protocol_error("data at another offset than the next one", err);
	if (set_extent(d, d->next + m->len, false, err) < 0)
		return -1;
	if (check_new_bytes(d, m->data, m->len, err) < 0)
		return -1;
	rc = sink_write(d->sink, m->data, m->len, &back, err);
	if (rc < 0)
		return -1;
	d->next += m->len;
	return rc == SINK_REWIND ? rewind_to(d, back, err) : 0;
}

static int on_end(struct delivery *d, const json_t *body, struct error *err)
{
	const char *sha256 = json_str_at(body, "sha256", "");

	d->read_id = 0;
	if (d->rewinding)
		return start_read(d, err);
	d->end_length = json_u64_at(body, "length", 0);
	if (!str_copy(d->end_sha256, sizeof(d->end_sha256), sha256))
		return protocol_error("the digest is too long", err);
	d->read_done = true;
	return 0;
}

static int on_error(struct delivery *d, const struct helper_message *m, struct error *err)
{
	if (m->request == d->read_id && d->rewinding) {
		d->read_id = 0;
		return start_read(d, err);
	}
	/* when a capture fails, its read ends with the same error */
	*err = m->error;
	return -1;
}

static void on_result(struct delivery *d, const json_t *body)
{
	d->result.bytes = json_u64_at(body, "bytes", 0);
	d->result.pause_ms = json_u64_at(body, "pause_ms", 0);
	d->result.elapsed_ms = json_u64_at(body, "elapsed_ms", 0);
	d->captured = true;
	d->dumping = true;
	log_at(LOG_STEP, "the JVM has answered after %llu ms: %s",
	       (unsigned long long)d->result.elapsed_ms, json_str_at(body, "text", ""));
	progress_phase(d->progress, "transfer");
}

static int dispatch(struct delivery *d, const struct helper_message *m, struct error *err)
{
	bool of_capture = m->request == d->capture_id;

	if (m->kind == HELPER_NOTHING)
		return 0;
	if (!of_capture && m->request != d->read_id)
		return protocol_error("an answer to no open request", err);
	switch (m->kind) {
	case HELPER_PROGRESS:
		return of_capture ? on_progress(d, m->json, err) : 0;
	case HELPER_DATA:
		return of_capture ? protocol_error("data of a capture", err) : on_data(d, m, err);
	case HELPER_RESULT:
		if (!of_capture || d->captured)
			return protocol_error("an unexpected result", err);
		on_result(d, m->json);
		return set_extent(d, d->result.bytes, true, err);
	case HELPER_END:
		return of_capture ? protocol_error("an unexpected end", err)
				  : on_end(d, m->json, err);
	case HELPER_ERROR:
	default:
		return on_error(d, m, err);
	}
}

/* In each turn, also when nothing has come: the clock of the line goes on, and SIGUSR1 is heard. */
static void show_progress(const struct delivery *d)
{
	/* before the first byte there is nothing to compare with what is expected */
	uint64_t total = d->captured ? d->result.bytes : d->next ? d->expected : 0;

	progress_bytes(d->progress, d->next, total);
}

/* Until all bytes were delivered and the JVM has answered. */
static int run(struct delivery *d, struct error *err)
{
	while (!d->captured || !d->read_done) {
		struct helper_message m;

		if (interrupt_check(err) < 0 || helper_next(d->helper, POLL_MS, &m, err) < 0 ||
		    dispatch(d, &m, err) < 0)
			return -1;
		show_progress(d);
	}
	return 0;
}

/* Success is never a reply code: the chain is whole, and both ends agree on length and digest. */
static int verify(struct delivery *d, struct error *err)
{
	if (hprof_chain_finish(&d->chain, err) < 0)
		return -1;
	if (d->seen != d->end_length || d->seen != d->result.bytes)
		return error_set(
			err, ERR_CAPTURE,
			"the dump changed on its way: %llu bytes arrived, the node has %llu",
			(unsigned long long)d->seen, (unsigned long long)d->end_length);
	sha256_hex(d->sha, d->result.sha256);
	if (strcmp(d->result.sha256, d->end_sha256) != 0)
		return error_set(err, ERR_CAPTURE,
				 "the dump changed on its way: SHA-256 %.16s... here, %.16s... on "
				 "the node",
				 d->result.sha256, d->end_sha256);
	d->result.records = d->chain.records;
	return 0;
}

static int finish(struct delivery *d, struct error *err)
{
	for (;;) {
		uint64_t back;
		int rc;

		if (run(d, err) < 0 || verify(d, err) < 0)
			return -1;
		progress_phase(d->progress, "finish");
		rc = sink_finish(d->sink, &back, err);
		if (rc <= 0)
			return rc;
		if (rewind_to(d, back, err) < 0)
			return -1;
	}
}

int deliver_capture(struct helper *h, const json_t *params, struct sink *sink,
		    struct progress *progress, uint64_t expected, struct delivery_result *ret,
		    struct error *err)
{
	struct delivery d = {
		.helper = h,
		.sink = sink,
		.progress = progress,
		.expected = expected,
		.sha = sha256_new(),
	};
	int rc;

	hprof_chain_init(&d.chain);
	progress_phase(progress, "attach");
	rc = helper_request(h, "capture", params, &d.capture_id, err);
	if (rc == 0)
		rc = start_read(&d, err);
	if (rc == 0)
		rc = finish(&d, err);
	if (rc == 0)
		*ret = d.result;
	sha256_free(d.sha);
	return rc;
}
