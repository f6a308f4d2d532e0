/* fetch: the bytes of an artifact, while it grows and afterwards. */
#include <stdlib.h>
#include <unistd.h>

#include "remote/base/limits.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"

#define FOLLOW_MS 20 /* between two looks at a spool that grows */
#define MANY_CPUS 4
#define FIRST_DATA (16 * KiB)
#define AT_ONCE 8 /* frames; a client that reads fast must be heard as well */

struct fetching {
	const struct connection *conn;
	struct spool_follow follow;
	struct spool_reader *reader;
	uint64_t offset;
	size_t most; /* bytes of the next frame */
	bool few_cpus;
	bool caught_up; /* nothing more to send at the last look */
};

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	char id[SPOOL_ID_SIZE] = "";
	struct fetching *k;
	uint64_t offset = 0;

	if (jsonr_string(&r->params, "id", id, sizeof(id), err) < 0 ||
	    jsonr_u64(&r->params, "offset", &offset, err) < 0)
		return -1;
	if (offset > INT64_MAX)
		return error_set(err, ERR_FAILED, "the offset is too large");
	k = xcalloc(1, sizeof(*k));
	r->state = k;
	k->conn = h->conn;
	k->offset = offset;
	k->most = FIRST_DATA;
	k->few_cpus = sysconf(_SC_NPROCESSORS_ONLN) < MANY_CPUS;
	k->caught_up = true;
	if (spool_follow_start(&k->follow, id, err) < 0)
		return -1;
	k->reader = spool_reader_new(&k->follow.spool, err);
	return k->reader ? 0 : -1;
}

static int finish(struct helper_state *h, const struct op_request *r)
{
	const struct spool_state *s = &((struct fetching *)r->state)->follow.state;
	auto_buf struct buf b = BUF_INIT(4096);
	struct jsonw w = {.b = &b};

	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "length", s->stored);
	jsonw_string(&w, "sha256", s->sha256);
	jsonw_u64(&w, "crc32c", s->crc32c);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_END, r->id, &b);
	return 1;
}

/* While the JVM stands still, the processors are its: what sends over ssh encrypts. The writer of a
 * ring waits for us, though. */
static bool holds_back(const struct fetching *k)
{
	const struct spool_state *s = &k->follow.state;

	return k->few_cpus && s->phase == SPOOL_DUMP && !s->ring;
}

/* A frame that did not arrive as a whole has brought nothing: small ones first, so that a link that
 * breaks again and again gets on. */
static int send_next(struct helper_state *h, const struct op_request *r, struct error *err)
{
	struct fetching *k = r->state;
	size_t n = 0;

	if (!holds_back(k) && spool_reader_read(k->reader, &k->follow.state, k->offset,
						conn_data_buffer(h->conn), k->most, &n, err) < 0)
		return -1;
	k->caught_up = n == 0;
	if (!n)
		return 0;
	conn_send_data(h->conn, r->id, k->offset, n);
	k->offset += n;
	if (k->most < MAX_FRAME_DATA)
		k->most *= 2;
	return 0;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct fetching *k = r->state;
	const struct spool_state *s = &k->follow.state;

	if (k->caught_up && spool_follow_look(&k->follow, err) < 0)
		return -1;
	for (int i = 0; i < AT_ONCE && conn_can_send(h->conn); i++) {
		if (s->phase == SPOOL_COMPLETE && k->offset > s->stored)
			return error_set(err, ERR_FAILED, "the artifact has only %llu bytes",
					 (unsigned long long)s->stored);
		if (send_next(h, r, err) < 0)
			return -1;
		if (s->phase == SPOOL_COMPLETE && k->offset == s->stored && k->caught_up)
			return finish(h, r);
		if (k->caught_up)
			break;
	}
	return 0;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct fetching *k = r->state;
	int wait = k->caught_up ? FOLLOW_MS : 0;

	(void)fds;
	(void)max;
	/* With the slot full, the connection becoming writable wakes the loop. */
	if (conn_can_send(k->conn) && wait < *interval_ms)
		*interval_ms = wait;
	return 0;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct fetching *k = r->state;

	(void)h;
	if (!k)
		return;
	spool_reader_free(k->reader);
	spool_follow_release(&k->follow);
	free(k);
	r->state = NULL;
}

const struct op op_fetch = {
	.name = "fetch",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
