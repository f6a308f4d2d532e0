/* tidy: remove what a killed run left on this node and in its containers. */
#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"
#include "remote/sweep.h"

/* Two lists that are filled at once. */
struct report {
	struct buf removed, kept;
	struct jsonw w_removed, w_kept;
};

static void note(void *ctx, const char *what, const char *kept)
{
	struct report *r = ctx;

	if (!kept) {
		jsonw_string(&r->w_removed, NULL, what);
		return;
	}
	jsonw_open(&r->w_kept, NULL, '{');
	jsonw_string(&r->w_kept, "what", what);
	jsonw_string(&r->w_kept, "reason", kept);
	jsonw_bool(&r->w_kept, "stays", kept == sweep_stays);
	jsonw_close(&r->w_kept, '}');
}

static void send_report(struct helper_state *h, const struct op_request *r,
			const struct report *report)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);

	b.overflow = report->removed.overflow || report->kept.overflow;
	buf_addf(&b, "{\"removed\":[%s],\"kept\":[%s]}", buf_str(&report->removed),
		 buf_str(&report->kept));
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct report report = {
		.removed = BUF_INIT(MAX_FRAME_JSON / 2 - 64),
		.kept = BUF_INIT(MAX_FRAME_JSON / 2 - 64),
	};
	bool dry = false, finished = false;

	if (jsonr_bool(&r->params, "dry_run", &dry, err) < 0 ||
	    jsonr_bool(&r->params, "finished", &finished, err) < 0)
		return -1;
	report.w_removed.b = &report.removed;
	report.w_kept.b = &report.kept;
	sweep_all(&h->proc, dry, note, &report); /* mounts first: they hold the directories */
	spool_sweep(dry, finished, note, &report);
	send_report(h, r, &report);
	buf_release(&report.removed);
	buf_release(&report.kept);
	return 1;
}

const struct op op_tidy = {.name = "tidy", .start = start};
