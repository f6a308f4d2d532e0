/*
 * The resumable session. Bytes go out in PUTs of a whole number of GCS_QUANTUM that are known to
 * exist; once the total is known, one PUT brings everything but the last bytes (at most one
 * quantum), and a final one brings those with the total and the checksum of the whole. Nothing is
 * kept for a second time: after any failure the service is asked how much it has, and the caller
 * goes on from there.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/internal.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

/* While the source grows: each boundary between PUTs costs a round trip and a commit, 20 to 50 ms
 * without any bytes (google-cloud-swift issue 886), so wait for this much; held in memory. */
#define LEAST_CHUNK (8 * MiB)

#define DELETE_TIMEOUT_MS 10000

struct gcs_upload {
	struct gcs *g;
	char *bucket, *object, *doing; /* owned */
	char *create_body;	       /* owned: the object's metadata */
	char *create_header;	       /* owned */
	struct secret session;	       /* its URI: whoever has it can write the object */
	struct http_put *put;
	uint64_t put_end;   /* offset behind the running PUT's last byte */
	uint64_t available; /* what the source has; its size once final */
	bool final;
	struct buf held;  /* bytes that came and belong to no PUT yet */
	uint64_t sent;	  /* offset of the next byte to send; the caller is held.len further */
	uint64_t highest; /* largest sent ever: the service cannot have more */
	uint64_t stored;  /* what the service said that it has */
	uint64_t hashed;  /* bytes that are in crc; a rewind does not take them out */
	uint32_t crc;
	unsigned int failures;	/* since the last progress */
	bool final_sent;	/* in this session, and nothing else since */
	bool final_sent_before; /* in the session that was lost */
	bool restarted, done;
};

static uint64_t floor_quantum(uint64_t n)
{
	return n / GCS_QUANTUM * GCS_QUANTUM;
}

static int broken_protocol(struct gcs_upload *u, const char *what, struct error *err)
{
	return error_set(err, ERR_UPLOAD, "%s: the service %s", u->doing, what);
}

/* --- the session ----------------------------------------------------------------------------- */

/* The session's address is as good as a password for the object: believed only where the request
 * went. */
static int take_session(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	char uri[8 * KiB];
	struct endpoint e;
	int ret = 0;

	if (!http_response_header(r, "Location", uri, sizeof(uri)))
		return broken_protocol(u, "opened no session (no Location)", err);
	if (!endpoint_parse(uri, &e))
		ret = broken_protocol(u, "gave a session that has no valid address", err);
	else if (!endpoint_same(&e, &u->g->endpoint))
		ret = error_set(err, ERR_UPLOAD,
				"%s: the session would lie elsewhere, at %s://%s:%u", u->doing,
				e.tls ? "https" : "http", e.host, (unsigned int)e.port);
	else
		secret_set(&u->session, uri, strlen(uri));
	secret_wipe(uri, sizeof(uri));
	return ret;
}

static int open_session(struct gcs_upload *u, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_free char *all = gcs_bucket_url(u->g, "/upload/storage/v1", u->bucket);
	auto_buf struct buf url = BUF_INIT(8 * KiB);

	buf_addf(&url, "%s?uploadType=resumable&ifGenerationMatch=0&name=", all);
	http_escape(&url, u->object);
	/* with the precondition the request can be repeated: a session left over makes no object */
	if (gcs_do(u->g,
		   &(struct gcs_request){.method = "POST",
					 .url = buf_str(&url),
					 .content_type = "application/json; charset=UTF-8",
					 .extra_header = u->create_header,
					 .body = u->create_body,
					 .body_len = strlen(u->create_body)},
		   &r, err) < 0)
		return err && err->code == ERR_INTERRUPTED ? -1 : error_prefix(err, "%s", u->doing);
	if (r.status != 200 && r.status != 201)
		return gcs_answer_error(u->g, &r, u->doing, u->bucket, err);
	return take_session(u, &r, err);
}

int gcs_upload_begin(struct gcs *g, const char *bucket, const char *object,
		     const char *content_type, const json_t *metadata, struct gcs_upload **ret,
		     struct error *err)
{
	struct gcs_upload *u;
	auto_json json_t *body = NULL;

	if (gcs_check_names(bucket, object, err) < 0)
		return -1;
	if (!content_type)
		content_type = "application/octet-stream";
	body = json_pack("{s:s,s:O*}", "contentType", content_type, "metadata", metadata);
	u = xcalloc(1, sizeof(*u));
	u->g = g;
	u->bucket = xstrdup(bucket);
	u->object = xstrdup(object);
	u->doing = xasprintf("cannot upload to 'gs://%s/%s'", bucket, object);
	u->create_body = json_to_line(body);
	u->create_header = xasprintf("X-Upload-Content-Type: %s", content_type);
	u->held = BUF_INIT(LEAST_CHUNK + GCS_QUANTUM);
	if (open_session(u, err) < 0) {
		gcs_upload_free(u);
		return -1;
	}
	*ret = u;
	return 0;
}

static void cancel(struct gcs_upload *u)
{
	const struct http_request req = {.method = "DELETE",
					 .url = secret_str(&u->session),
					 .timeout_ms = DELETE_TIMEOUT_MS,
					 .secret_url = true,
					 .cleaning_up = true};
	struct http_response r = {0};
	struct error why = {0};

	/* 499 is what a cancelled session answers; nothing is left to do when it does not */
	if (http_do(u->g->http, &req, &r, &why) < 0)
		log_at(LOG_DEBUG, "bucket: session not cancelled: %s", why.msg);
	else
		log_at(LOG_DEBUG, "bucket: session cancelled: %ld", r.status);
	http_response_release(&r);
}

void gcs_upload_free(struct gcs_upload *u)
{
	if (!u)
		return;
	http_put_abort(u->put);
	if (u->session.len && !u->done)
		cancel(u);
	secret_release(&u->session);
	free(u->bucket);
	free(u->object);
	free(u->doing);
	free(u->create_body);
	free(u->create_header);
	buf_release(&u->held);
	free(u);
}

/* --- what the service said ------------------------------------------------------------------- */

static int rewind_to(struct gcs_upload *u, uint64_t offset, uint64_t *ret_offset)
{
	log_at(LOG_DEBUG, "bucket: going on from byte %llu of %llu", (unsigned long long)offset,
	       (unsigned long long)(u->sent + u->held.len));
	u->sent = offset;
	buf_reset(&u->held);
	*ret_offset = offset;
	return GCS_REWIND;
}

/* A session that is gone takes all its bytes along. Once, from the source that still has them. */
static int restart(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	secret_release(&u->session);
	if (u->restarted)
		return broken_protocol(u, "lost the upload twice", err);
	u->restarted = true;
	u->final_sent_before = u->final_sent;
	u->final_sent = false;
	log_at(LOG_DEBUG, "bucket: the session is lost, opening another one");
	if (open_session(u, err) < 0)
		return -1;
	u->stored = 0;
	u->highest = 0;
	return rewind_to(u, 0, ret_offset);
}

static int finished(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	if (!u->final_sent)
		return broken_protocol(u, "finished the object before its end", err);
	if (gcs_check_object(r, u->object, u->available, u->crc, err) < 0)
		return error_prefix(err, "%s", u->doing);
	u->done = true;
	return 0;
}

/* A 308. 0: nothing that is not held has to be sent again. */
static int incomplete(struct gcs_upload *u, const struct http_response *r, uint64_t *ret_offset,
		      struct error *err)
{
	uint64_t stored;

	if (!gcs_stored_bytes(r, &stored))
		return broken_protocol(u, "answered with a Range that is not one", err);
	if (stored > u->highest)
		return broken_protocol(u, "claims bytes that were never sent", err);
	if (stored < u->stored)
		return broken_protocol(u, "lost bytes that it had confirmed", err);
	if (stored > u->stored)
		u->failures = 0;
	u->stored = stored;
	if (stored < u->sent || stored - u->sent > u->held.len)
		return rewind_to(u, stored, ret_offset);
	buf_consume(&u->held, (size_t)(stored - u->sent));
	u->sent = stored;
	return 0;
}

/* The object of this name may be ours, from a session whose last answer was lost. */
static int collision(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	if (u->final_sent_before &&
	    gcs_is_same(u->g, u->bucket, u->object, u->available, u->crc, NULL) == 0) {
		u->done = true;
		return 0;
	}
	return gcs_answer_error(u->g, r, u->doing, u->bucket, err);
}

/* What is neither progress nor worth another try. */
static int refused(struct gcs_upload *u, const struct http_response *r, uint64_t *ret_offset,
		   struct error *err)
{
	if (r->status == 404 || r->status == 410)
		return restart(u, ret_offset, err);
	if (r->status == 412)
		return collision(u, r, err);
	if (r->status == 400 && u->final_sent) {
		gcs_answer_error(u->g, r, u->doing, u->bucket, err);
		return error_hint(err, "the service compares a checksum of the whole: bytes were "
				       "changed on the way, or the request was");
	}
	return gcs_answer_error(u->g, r, u->doing, u->bucket, err);
}

/* --- after a failure ------------------------------------------------------------------------- */

static int give_up(struct gcs_upload *u, const struct error *why, struct error *err)
{
	error_set(err, ERR_UPLOAD, "%s: given up after %u tries: %s", u->doing, u->failures,
		  why->msg);
	if (err)
		err->sys = why->sys;
	return error_hint(
		err, "is the network up? the service's state: https://status.cloud.google.com");
}

static int ask_status(struct gcs_upload *u, struct http_response *ret, struct error *err)
{
	static const char *const headers[] = {"Content-Range: bytes */*", NULL};

	return http_do(u->g->http,
		       &(struct http_request){.method = "PUT",
					      .url = secret_str(&u->session),
					      .headers = headers,
					      .secret_url = true},
		       ret, err);
}

static void why_status(const struct http_response *r, struct error *why)
{
	*why = (struct error){0};
	error_set(why, ERR_UPLOAD, "the service answered with status %ld", r->status);
}

/* Ask how much has arrived until the service says. why: what happened, with the wait it wants. */
static int recover(struct gcs_upload *u, struct error *why, uint64_t wait, uint64_t *ret_offset,
		   struct error *err)
{
	for (;;) {
		auto_cleanup(http_response_release) struct http_response r = {0};
		struct error now = {0};

		log_at(LOG_DEBUG, "bucket: %s", why->msg);
		if (++u->failures >= GCS_TRIES)
			return give_up(u, why, err);
		if (gcs_backoff(u->g, u->failures, wait, err) < 0)
			return -1;
		wait = 0;
		if (ask_status(u, &r, &now) < 0) {
			*why = now;
			if (gcs_retryable_error(&now))
				continue;
			if (err)
				*err = now;
			return now.code == ERR_INTERRUPTED ? -1 : error_prefix(err, "%s", u->doing);
		}
		if (r.status == 308)
			return incomplete(u, &r, ret_offset, err);
		if (r.status == 200 || r.status == 201)
			return finished(u, &r, err);
		if (!gcs_retryable_status(r.status))
			return refused(u, &r, ret_offset, err);
		why_status(&r, why);
		wait = http_retry_after_ms(&r);
	}
}

static int failed(struct gcs_upload *u, struct error *why, uint64_t *ret_offset, struct error *err)
{
	http_put_abort(u->put);
	u->put = NULL;
	if (gcs_retryable_error(why))
		return recover(u, why, 0, ret_offset, err);
	if (err)
		*err = *why;
	return why->code == ERR_INTERRUPTED ? -1 : error_prefix(err, "%s", u->doing);
}

static int judge(struct gcs_upload *u, const struct http_response *r, uint64_t *ret_offset,
		 struct error *err)
{
	uint64_t before = u->stored;
	struct error why;
	int ret;

	if (r->status == 200 || r->status == 201)
		return finished(u, r, err);
	if (gcs_retryable_status(r->status)) {
		why_status(r, &why);
		return recover(u, &why, http_retry_after_ms(r), ret_offset, err);
	}
	if (r->status != 308)
		return refused(u, r, ret_offset, err);
	ret = incomplete(u, r, ret_offset, err);
	if (ret < 0)
		return -1;
	if (u->final_sent && u->stored == u->available)
		return broken_protocol(u, "has all bytes and does not finish the object", err);
	if (u->stored > before)
		return ret;
	/* a service that takes nothing, without calling that a failure */
	if (++u->failures >= GCS_TRIES) {
		why_status(r, &why);
		return give_up(u, &why, err);
	}
	return gcs_backoff(u->g, u->failures, 0, err) < 0 ? -1 : ret;
}

/* --- sending --------------------------------------------------------------------------------- */

/* Where a PUT that starts at u->sent may end; u->sent when none is worth it yet. */
static uint64_t next_end(const struct gcs_upload *u)
{
	uint64_t left = u->available - u->sent;

	if (u->final) /* the last bytes, at least one, are the final PUT's */
		return u->sent + (left ? floor_quantum(left - 1) : 0);
	return left >= LEAST_CHUNK ? u->sent + floor_quantum(left) : u->sent;
}

static int conclude(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	struct error why = {0};

	if (http_put_finish(u->put, &r, &why) < 0)
		return failed(u, &why, ret_offset, err);
	http_put_abort(u->put);
	u->put = NULL;
	return judge(u, &r, ret_offset, err);
}

/* Bytes into the running PUT. */
static int push(struct gcs_upload *u, const void *data, size_t len, uint64_t *ret_offset,
		struct error *err)
{
	struct error why = {0};
	bool answered;

	/* how much of it got out before a failure, nobody knows */
	if (u->sent + len > u->highest)
		u->highest = u->sent + len;
	if (http_put_write(u->put, data, len, &answered, &why) < 0) {
		int r = failed(u, &why, ret_offset, err);

		return r == 0 ? rewind_to(u, u->sent, ret_offset) : r;
	}
	u->sent += len;
	return answered || u->sent == u->put_end ? conclude(u, ret_offset, err) : 0;
}

/* Open the next PUT when there is enough for one, with what is held. */
static int start(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	uint64_t end = next_end(u);
	auto_free char *range = NULL;
	const char *headers[2] = {NULL, NULL};
	struct error why = {0};
	size_t n;
	int r;

	if (u->put || end == u->sent)
		return 0;
	range = xasprintf("Content-Range: bytes %llu-%llu/*", (unsigned long long)u->sent,
			  (unsigned long long)end - 1);
	headers[0] = range;
	log_at(LOG_DEBUG, "bucket: %s", range);
	if (http_put_begin(u->g->http, secret_str(&u->session), headers, end - u->sent, &u->put,
			   &why) < 0) {
		u->put = NULL;
		r = failed(u, &why, ret_offset, err);
		return r == 0 ? rewind_to(u, u->sent, ret_offset) : r;
	}
	u->put_end = end;
	u->final_sent = false;
	n = u->held.len < end - u->sent ? u->held.len : (size_t)(end - u->sent);
	if (!n)
		return 0;
	/* taken out before the PUT can end: its answer compares what is left */
	{
		auto_buf struct buf head = u->held;

		u->held = BUF_INIT(head.max);
		buf_add(&u->held, head.data + n, head.len - n);
		r = push(u, head.data, n, ret_offset, err);
	}
	return r;
}

int gcs_upload_extent(struct gcs_upload *u, uint64_t available, bool final, struct error *err)
{
	if (available < u->available || (u->final && available != u->available) ||
	    available > INT64_MAX)
		return error_set(err, ERR_FAILED, "the artifact shrank while it was uploaded");
	u->available = available;
	u->final = u->final || final;
	return 0;
}

static void hash(struct gcs_upload *u, uint64_t at, const char *data, size_t len)
{
	uint64_t skip = u->hashed > at ? u->hashed - at : 0;

	if (skip >= len)
		return;
	u->crc = crc32c(u->crc, data + skip, len - (size_t)skip);
	u->hashed = at + len;
}

int gcs_upload_write(struct gcs_upload *u, const void *data, size_t len, uint64_t *ret_offset,
		     struct error *err)
{
	const char *p = data;
	uint64_t at = u->sent + u->held.len;

	/* bytes in hand exist, whether their news came before them or not */
	if (!u->final && at + len > u->available)
		u->available = at + len;
	if (at > u->available || len > u->available - at)
		return error_set(err, ERR_FAILED, "more bytes to upload than there are");
	hash(u, at, p, len);
	while (len) {
		size_t n = len;
		int r = start(u, ret_offset, err);

		if (r)
			return r;
		if (u->put) {
			if (n > u->put_end - u->sent)
				n = (size_t)(u->put_end - u->sent);
			r = push(u, p, n, ret_offset, err);
			if (r)
				return r;
		} else {
			buf_add(&u->held, p, n);
		}
		p += n;
		len -= n;
	}
	return 0;
}

static int send_last(struct gcs_upload *u, struct http_response *ret, struct error *err)
{
	unsigned long long total = u->available;
	char crc[16];
	auto_free char *hash_header =
		xasprintf("x-goog-hash: crc32c=%s", gcs_crc_text(crc, u->crc));
	auto_free char *range = u->held.len
					? xasprintf("Content-Range: bytes %llu-%llu/%llu",
						    (unsigned long long)u->sent, total - 1, total)
					: xasprintf("Content-Range: bytes */%llu", total);
	const char *headers[] = {range, hash_header, NULL};
	bool answered;

	log_at(LOG_DEBUG, "bucket: %s, %s", range, hash_header);
	u->final_sent = true;
	u->highest = u->available;
	/* pushed, because libcurl sends a whole body a second time by itself when a connection that
	 * was used before breaks; here the status has to be asked first */
	if (http_put_begin(u->g->http, secret_str(&u->session), headers, u->held.len, &u->put,
			   err) < 0 ||
	    http_put_write(u->put, buf_str(&u->held), u->held.len, &answered, err) < 0)
		return -1;
	return http_put_finish(u->put, ret, err);
}

static int finish_once(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	struct error why = {0};

	if (send_last(u, &r, &why) < 0)
		return failed(u, &why, ret_offset, err);
	http_put_abort(u->put);
	u->put = NULL;
	return judge(u, &r, ret_offset, err);
}

int gcs_upload_finish(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	if (!u->done && (!u->final || u->sent + u->held.len != u->available))
		return error_set(err, ERR_FAILED, "the upload was finished before its end");
	while (!u->done) {
		int ret = start(u, ret_offset, err);

		if (ret == 0)
			ret = finish_once(u, ret_offset, err);
		if (ret)
			return ret;
	}
	return 0;
}
