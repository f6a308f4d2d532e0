#include <string.h>

#include "jdiag/gcs/upload.h"
#include "remote/base/log.h"

int upload_rewind(struct gcs_upload *u, uint64_t offset, uint64_t *ret_offset)
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
		return upload_broken_protocol(u, "lost the upload twice", err);
	u->restarted = true;
	u->final_sent_before = u->final_sent;
	u->final_sent = false;
	log_at(LOG_DEBUG, "bucket: the session is lost, opening another one");
	if (upload_open_session(u, err) < 0)
		return -1;
	u->stored = 0;
	u->highest = 0;
	return upload_rewind(u, 0, ret_offset);
}

static int finished(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	if (!u->final_sent)
		return upload_broken_protocol(u, "finished the object before its end", err);
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
		return upload_broken_protocol(u, "answered with a Range that is not one", err);
	if (stored > u->highest)
		return upload_broken_protocol(u, "claims bytes that were never sent", err);
	if (stored < u->stored)
		return upload_broken_protocol(u, "lost bytes that it had confirmed", err);
	if (stored > u->stored)
		u->failures = 0;
	u->stored = stored;
	if (stored < u->sent || stored - u->sent > u->held.len)
		return upload_rewind(u, stored, ret_offset);
	buf_consume(&u->held, (size_t)(stored - u->sent));
	u->sent = stored;
	return 0;
}

/* The object of this name may be ours, from a session or a run whose last answer was lost. The same
 * bytes are not sent anywhere a second time, whoever was first. */
static int collision(struct gcs_upload *u, const struct http_response *r, struct error *err)
{
	if ((u->final_sent || u->final_sent_before) &&
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

/* One question. 0 and more, or -1: settled; ASK_AGAIN: why says what happened, and the wait it
 * wants. */
#define ASK_AGAIN 2

static int ask_once(struct gcs_upload *u, struct error *why, uint64_t *wait, uint64_t *ret_offset,
		    struct error *err)
{
	auto_cleanup(http_response_release) struct http_response r = {0};
	struct error now = {0};

	*wait = 0;
	if (ask_status(u, &r, &now) < 0) {
		*why = now;
		return gcs_retryable_error(&now) ? ASK_AGAIN : gcs_failed(&now, u->doing, err);
	}
	if (r.status == 308)
		return incomplete(u, &r, ret_offset, err);
	if (r.status == 200 || r.status == 201)
		return finished(u, &r, err);
	if (!gcs_retryable_status(r.status))
		return refused(u, &r, ret_offset, err);
	why_status(&r, why);
	*wait = http_retry_after_ms(&r);
	return ASK_AGAIN;
}

/* Ask how much has arrived until the service says. why: what happened, with the wait it wants. */
static int recover(struct gcs_upload *u, struct error *why, uint64_t wait, uint64_t *ret_offset,
		   struct error *err)
{
	for (;;) {
		int rc;

		log_at(LOG_DEBUG, "bucket: %s", why->msg);
		if (++u->failures >= GCS_TRIES)
			return give_up(u, why, err);
		if (gcs_backoff(&u->g->token, u->failures, wait, err) < 0)
			return -1;
		rc = ask_once(u, why, &wait, ret_offset, err);
		if (rc != ASK_AGAIN)
			return rc;
	}
}

int upload_ask(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	struct error why = {0};
	uint64_t before = u->stored, wait;
	int rc = ask_once(u, &why, &wait, ret_offset, err);

	if (rc == ASK_AGAIN)
		rc = recover(u, &why, wait, ret_offset, err);
	if (rc < 0 || u->done)
		return rc;
	/* nothing is held here: what the service lacks has to come again */
	upload_rewind(u, u->stored, ret_offset);
	if (u->stored > before)
		return GCS_REWIND;
	if (++u->failures >= GCS_TRIES) {
		error_set(&why, ERR_UPLOAD, "the service takes no bytes");
		return give_up(u, &why, err);
	}
	return gcs_backoff(&u->g->token, u->failures, 0, err) < 0 ? -1 : GCS_REWIND;
}

int upload_failed(struct gcs_upload *u, struct error *why, uint64_t *ret_offset, struct error *err)
{
	http_put_abort(u->put);
	u->put = NULL;
	if (gcs_retryable_error(why))
		return recover(u, why, 0, ret_offset, err);
	return gcs_failed(why, u->doing, err);
}

int upload_judge(struct gcs_upload *u, const struct http_response *r, uint64_t *ret_offset,
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
		return upload_broken_protocol(u, "has all bytes and does not finish the object",
					      err);
	if (u->stored > before)
		return ret;
	/* a service that takes nothing, without calling that a failure */
	if (++u->failures >= GCS_TRIES) {
		why_status(r, &why);
		return give_up(u, &why, err);
	}
	return gcs_backoff(&u->g->token, u->failures, 0, err) < 0 ? -1 : ret;
}
