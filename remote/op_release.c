/* release: give the open capture up. */
#include "remote/capture/capture.h"
#include "remote/ops.h"

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(64);
	struct error left;

	if (!h->capture)
		return error_set(err, ERR_FAILED, "there is no capture to release");
	if (!h->capture->final)
		return error_set(err, ERR_FAILED, "the capture is under way: cancel it");
	if (h->capture->being_read)
		return error_set(err, ERR_FAILED, "the capture is being read: cancel that");
	left = h->capture->left;
	capture_unref(STEAL(h->capture));
	if (left.code) {
		*err = left;
		return -1;
	}
	buf_adds(&b, "{}");
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

const struct op op_release = {.name = "release", .start = start};
