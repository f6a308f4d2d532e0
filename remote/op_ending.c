#include "remote/op_ending.h"

#include <stdlib.h>

#include "remote/spool/spool.h"

#define LOOK_MS 50

int op_ending_step(struct helper_state *h, struct op_request *r, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(64);
	int rc = spool_ending_step(r->state, err);

	if (rc <= 0)
		return rc;
	buf_adds(&b, "{}");
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

int op_ending_start(struct helper_state *h, struct op_request *r, bool finished_too,
		    struct error *err)
{
	char id[SPOOL_ID_SIZE] = "";
	struct spool_ending *e;

	if (jsonr_string(&r->params, "id", id, sizeof(id), err) < 0)
		return -1;
	e = xcalloc(1, sizeof(*e));
	r->state = e;
	if (spool_ending_start(e, id, finished_too, err) < 0)
		return -1;
	return op_ending_step(h, r, err);
}

unsigned int op_ending_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			    int *interval_ms)
{
	(void)r;
	(void)fds;
	(void)max;
	if (*interval_ms > LOOK_MS)
		*interval_ms = LOOK_MS;
	return 0;
}

void op_ending_end(struct helper_state *h, struct op_request *r)
{
	(void)h;
	if (!r->state)
		return;
	spool_ending_release(r->state);
	free(r->state);
	r->state = NULL;
}
