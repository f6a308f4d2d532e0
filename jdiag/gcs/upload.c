#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/gcs/upload.h"
#include "remote/base/log.h"

static uint64_t floor_quantum(uint64_t n)
{
	return n / GCS_QUANTUM * GCS_QUANTUM;
}

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
		return upload_failed(u, &why, ret_offset, err);
	http_put_abort(u->put);
	u->put = NULL;
	return upload_judge(u, &r, ret_offset, err);
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
		int r = upload_failed(u, &why, ret_offset, err);

		return r == 0 ? upload_rewind(u, u->sent, ret_offset) : r;
	}
	u->sent += len;
	return answered || u->sent == u->put_end ? conclude(u, ret_offset, err) : 0;
}

/* What is held goes first. It is taken out before the PUT can end, whose answer is compared with
 * what is still held. */
static int push_held(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	auto_buf struct buf head = u->held;
	uint64_t room = u->put_end - u->sent;
	size_t n = head.len < room ? head.len : (size_t)room;

	u->held = BUF_INIT(head.max);
	if (!n)
		return 0;
	buf_add(&u->held, head.data + n, head.len - n);
	return push(u, head.data, n, ret_offset, err);
}

/* Open the next PUT when there is enough for one, with what is held. */
static int start(struct gcs_upload *u, uint64_t *ret_offset, struct error *err)
{
	uint64_t end = next_end(u);
	auto_free char *range = NULL;
	const char *headers[2] = {NULL, NULL};
	struct error why = {0};

	if (u->put || end == u->sent)
		return 0;
	range = xasprintf("Content-Range: bytes %llu-%llu/*", (unsigned long long)u->sent,
			  (unsigned long long)end - 1);
	headers[0] = range;
	log_at(LOG_DEBUG, "bucket: %s", range);
	if (http_put_begin(u->g->http, secret_str(&u->session), headers, end - u->sent, &u->put,
			   &why) < 0) {
		int r;

		u->put = NULL;
		r = upload_failed(u, &why, ret_offset, err);
		return r == 0 ? upload_rewind(u, u->sent, ret_offset) : r;
	}
	u->put_end = end;
	u->final_sent = false;
	return push_held(u, ret_offset, err);
}

int gcs_upload_extent(struct gcs_upload *u, uint64_t available, bool final, struct error *err)
{
	/* old news, of bytes that have come meanwhile */
	if (!final && !u->final && available < u->available)
		return 0;
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
		return upload_failed(u, &why, ret_offset, err);
	http_put_abort(u->put);
	u->put = NULL;
	return upload_judge(u, &r, ret_offset, err);
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
