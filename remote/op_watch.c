/* watch: follow a capture until it is complete. */
#include <stdlib.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"

#define LOOK_MS 25
#define CHANGE_MS 200 /* at most 5 a second */
#define SILENT_MS 1000

struct watching {
	struct spool_follow follow;
	bool changed;  /* since the client was told */
	uint64_t told; /* now_ms(); 0: never */
};

static void send_state(struct helper_state *h, const struct op_request *r, enum frame_type type)
{
	struct watching *k = r->state;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};

	free(STEAL(k->follow.state.label)); /* `spools` has it */
	spool_state_write(&w, NULL, &k->follow.state);
	conn_send_json(h->conn, type, r->id, &b);
	k->told = now_ms();
	k->changed = false;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct watching *k = r->state;
	uint64_t silent = now_ms() - k->told;
	int rc = spool_follow_look(&k->follow, err);

	if (rc < 0)
		return -1;
	k->changed = k->changed || rc > 0;
	if (k->follow.state.phase == SPOOL_COMPLETE) {
		send_state(h, r, FRAME_RESULT);
		return 1;
	}
	if (k->follow.loaded && conn_is_idle(h->conn) &&
	    (!k->told || silent >= SILENT_MS || (k->changed && silent >= CHANGE_MS)))
		send_state(h, r, FRAME_PROGRESS);
	return 0;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	char id[SPOOL_ID_SIZE] = "";
	struct watching *k;

	if (jsonr_string(&r->params, "id", id, sizeof(id), err) < 0)
		return -1;
	k = xcalloc(1, sizeof(*k));
	r->state = k;
	if (spool_follow_start(&k->follow, id, err) < 0)
		return -1;
	return step(h, r, err);
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	(void)r;
	(void)fds;
	(void)max;
	if (*interval_ms > LOOK_MS)
		*interval_ms = LOOK_MS;
	return 0;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct watching *k = r->state;

	(void)h;
	if (!k)
		return;
	spool_follow_release(&k->follow);
	free(k);
	r->state = NULL;
}

const struct op op_watch = {
	.name = "watch",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
