/* begin: start a capture. Everything that takes time, or may hang in a container, is done by the
 * capture process, which says when it has come so far that it can be followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/capture/process.h"
#include "remote/ops.h"
#include "remote/spool/spool.h"

struct work {
	struct capture_request request;
	int report;
};

static int tell(struct helper_state *h, const struct op_request *r, bool exists)
{
	const struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(4096);
	struct jsonw w = {.b = &b};

	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "id", k->request.id);
	jsonw_bool(&w, "exists", exists);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
	return 1;
}

static bool exists(const char *id)
{
	auto_spool struct spool s = SPOOL_INIT;
	struct error ignored = {0};

	return spool_find(id, &s, &ignored) == 0;
}

/* The reading end is the capture's, the other stays open in this process alone. */
static int open_lifeline(struct helper_state *h, int *ret, struct error *err)
{
	int ends[2];

	if (h->n_lifelines == MAX_LIFELINES)
		return error_set(err, ERR_REFUSED,
				 "too many captures without a spool in one connection");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a pipe");
	*ret = ends[0];
	h->lifelines[h->n_lifelines++] = ends[1];
	return 0;
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));
	auto_fd int lifeline = -1;

	k->report = -1;
	r->state = k;
	if (capture_request_parse(&r->params, &k->request, err) < 0)
		return -1;
	if (exists(k->request.id))
		return tell(h, r, true);
	if (!k->request.spool && open_lifeline(h, &lifeline, err) < 0)
		return -1;
	return capture_process_start(&r->params, &k->request, lifeline, &k->report, err);
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	struct capture_report report;
	int rc = capture_report_read(k->report, &report, err);

	if (rc <= 0)
		return rc;
	if (report.exists || !report.failed)
		return tell(h, r, report.exists);
	*err = report.error;
	return -1;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;

	(void)interval_ms;
	if (!max)
		return 0;
	fds[0] = (struct pollfd){.fd = k->report, .events = POLLIN};
	return 1;
}

/* Without an answer: the capture process sees that nobody waits for it, and gives up. */
static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	(void)h;
	if (!k)
		return;
	fd_close(&k->report);
	capture_request_release(&k->request);
	free(k);
	r->state = NULL;
}

const struct op op_begin = {
	.name = "begin",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
