/* spools: what lies on this node. */
#include <stdlib.h>
#include <time.h>

#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"

#define MAX_REST 1024 /* what follows the list */

struct list {
	struct buf b;
	struct jsonw w;
	bool truncated;
};

static void write_one(struct jsonw *w, const struct spool *s, const struct spool_state *state,
		      const struct error *e)
{
	jsonw_open(w, NULL, '{');
	jsonw_string(w, "id", s->id);
	jsonw_string(w, "path", s->path);
	jsonw_bool(w, "alive", s->alive);
	if (state)
		spool_state_write(w, "state", state);
	else
		jsonw_null(w, "state");
	jsonw_string(w, "error", e ? e->msg : "");
	jsonw_close(w, '}');
}

/* One that is too much is left out; a smaller one may fit yet. */
static int add(void *ctx, const struct spool *s, const struct spool_state *state,
	       const struct error *e)
{
	auto_buf struct buf one = BUF_INIT(MAX_FRAME_JSON);
	struct list *l = ctx;
	struct jsonw w = {.b = &one, .comma = l->w.comma};

	write_one(&w, s, state, e);
	if (one.overflow || l->b.len + one.len > MAX_FRAME_JSON - MAX_REST) {
		l->truncated = true;
		return 0;
	}
	buf_add(&l->b, one.data, one.len);
	l->w.comma = true;
	return 0;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct list l = {.b = BUF_INIT(MAX_FRAME_JSON)};

	(void)err;
	l.w.b = &l.b;
	jsonw_open(&l.w, NULL, '{');
	jsonw_open(&l.w, "spools", '[');
	(void)spool_each(add, &l); /* never ends early */
	jsonw_close(&l.w, ']');
	jsonw_bool(&l.w, "truncated", l.truncated);
	jsonw_u64(&l.w, "now", (uint64_t)time(NULL));
	jsonw_close(&l.w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &l.b);
	buf_release(&l.b);
	return 1;
}

const struct op op_spools = {.name = "spools", .start = start};
