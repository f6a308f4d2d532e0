/* place: a file into the container, for as long as the container lives. */
#include <stdlib.h>

#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/place/place.h"
#include "remote/target.h"

struct work {
	struct target target;
	struct placing *placing;
};

static int take_params(const struct jsonr *params, struct place_request *q, struct error *err)
{
	if (jsonr_string(params, "name", q->name, sizeof(q->name), err) < 0 ||
	    jsonr_u64(params, "size", &q->size, err) < 0 ||
	    jsonr_string(params, "sha256", q->sha256, sizeof(q->sha256), err) < 0 ||
	    jsonr_bool(params, "exec", &q->exec, err) < 0 ||
	    jsonr_string(params, "path", q->path, sizeof(q->path), err) < 0)
		return -1;
	return place_request_check(q, err);
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));
	struct place_request q = {0};

	k->target = TARGET_INIT;
	r->state = k;
	if (take_params(&r->params, &q, err) < 0 ||
	    target_open(&k->target, &h->proc, &r->params, err) < 0)
		return -1;
	return placing_new(&k->placing, &k->target, &q, err);
}

static int take_data(struct helper_state *h, struct op_request *r, uint64_t offset,
		     const void *data, size_t len, struct error *err)
{
	struct work *k = r->state;

	(void)h;
	(void)offset; /* in order: the dispatcher's business */
	return placing_add(k->placing, data, len, err) < 0 ? -1 : 0;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};
	struct work *k = r->state;
	struct place_result got;
	int rc = placing_step(k->placing, &got, err);

	if (rc <= 0)
		return rc;
	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "path", got.path);
	jsonw_string(&w, "how", got.mounted ? "mount" : "directory");
	jsonw_string(&w, "why", got.why);
	jsonw_bool(&w, "existed", got.existed);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;
	int fd = placing_fd(k->placing);

	(void)interval_ms;
	if (!max || fd < 0)
		return 0;
	fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 1;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	placing_free(k->placing, h->end_by);
	target_close(&k->target);
	free(k);
	r->state = NULL;
}

const struct op op_place = {
	.name = "place",
	.start = start,
	.data = take_data,
	.step = step,
	.poll = get_poll,
	.end = end,
};
