/* read: the bytes of the open capture, while they come and afterwards. */
#include <stdlib.h>

#include "remote/base/limits.h"
#include "remote/capture/capture.h"
#include "remote/ops.h"

#define FOLLOW_MS 5 /* between two looks at a file that grows */
#define GAP_STEP (8 * MiB)

struct reading {
	const struct connection *conn;
	struct capture *capture; /* a reference */
	uint64_t offset;
	bool caught_up; /* nothing more to send at the last look */
};

/* The client asks for both at once: a capture that failed at its start ends the read as well. */
static int no_capture(const struct helper_state *h, struct error *err)
{
	if (!h->failure.code)
		return error_set(err, ERR_FAILED, "there is no capture to read");
	*err = h->failure;
	return -1;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct reading *k;
	uint64_t offset = 0;

	if (jsonr_u64(&r->params, "offset", &offset, err) < 0)
		return -1;
	if (!h->capture)
		return no_capture(h, err);
	if (h->capture->being_read)
		return error_set(err, ERR_FAILED, "the capture is being read already");
	if (h->capture->final && offset > h->capture->bytes)
		return error_set(err, ERR_FAILED, "the dump has only %llu bytes",
				 (unsigned long long)h->capture->bytes);
	k = xcalloc(1, sizeof(*k));
	k->capture = capture_ref(h->capture);
	k->capture->being_read = true;
	k->conn = h->conn;
	k->offset = offset;
	r->state = k;
	return 0;
}

static int finish(struct helper_state *h, const struct op_request *r)
{
	const struct reading *k = r->state;
	auto_buf struct buf b = BUF_INIT(4096);
	struct jsonw w = {.b = &b};
	char hex[SHA256_HEX_SIZE];

	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "length", k->capture->bytes);
	jsonw_string(&w, "sha256", sha256_hex(k->capture->hash, hex));
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_END, r->id, &b);
	return 1;
}

/* The digest covers everything, each byte once: bytes before this read's offset that nobody has
 * read so far are hashed first, in portions. The slot's buffer is free: we may send. */
static int hash_gap(struct capture *c, uint64_t end, char *buf, struct error *err)
{
	for (size_t done = 0; done < GAP_STEP && c->hashed < end;) {
		uint64_t left = end - c->hashed;
		size_t n;

		if (capture_read(c, c->hashed, buf,
				 left < MAX_FRAME_DATA ? (size_t)left : MAX_FRAME_DATA, &n,
				 err) < 0)
			return -1;
		if (!n)
			return 0;
		sha256_add(c->hash, buf, n);
		c->hashed += n;
		done += n;
	}
	return 0;
}

static int send_next(struct helper_state *h, const struct op_request *r, struct error *err)
{
	struct reading *k = r->state;
	struct capture *c = k->capture;
	char *buf = conn_data_buffer(h->conn);
	size_t n;

	if (c->hashed < k->offset) {
		if (hash_gap(c, k->offset, buf, err) < 0)
			return -1;
		k->caught_up = c->hashed < k->offset && c->hashed >= c->bytes;
		return 0;
	}
	if (capture_read(c, k->offset, buf, MAX_FRAME_DATA, &n, err) < 0)
		return -1;
	k->caught_up = n == 0;
	if (!n)
		return 0;
	if (k->offset + n > c->hashed) { /* what lies before hashed was sent before */
		size_t known = (size_t)(c->hashed - k->offset);

		sha256_add(c->hash, buf + known, n - known);
		c->hashed = k->offset + n;
	}
	conn_send_data(h->conn, r->id, k->offset, n);
	k->offset += n;
	return 0;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct reading *k = r->state;
	struct capture *c = k->capture;

	if (c->failure.code) {
		*err = c->failure;
		return -1;
	}
	if (k->caught_up && capture_refresh(c, err) < 0)
		return -1;
	while (conn_can_send(h->conn)) {
		if (c->final && k->offset > c->bytes)
			return error_set(err, ERR_FAILED, "the dump has only %llu bytes",
					 (unsigned long long)c->bytes);
		if (c->final && k->offset == c->bytes && c->hashed == c->bytes)
			return finish(h, r);
		if (send_next(h, r, err) < 0)
			return -1;
		if (k->caught_up || c->hashed < k->offset)
			break;
	}
	return 0;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct reading *k = r->state;
	int wait = k->caught_up && !k->capture->final && !k->capture->failure.code ? FOLLOW_MS : 0;

	(void)fds;
	(void)max;
	/* With the slot full, the connection becoming writable wakes the loop. */
	if (conn_can_send(k->conn) && wait < *interval_ms)
		*interval_ms = wait;
	return 0;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct reading *k = r->state;

	(void)h;
	if (!k)
		return;
	k->capture->being_read = false;
	capture_unref(k->capture);
	free(k);
	r->state = NULL;
}

const struct op op_read = {
	.name = "read",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
