/* capture: ask the JVM for a heap dump, and watch it until it answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/attach/hotspot.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/capture/capture.h"
#include "remote/ops.h"

#define LOOK_MS 50
#define PROGRESS_MS 400
/* The file is opened before any collection or safepoint (8 to 26), so it soon has a first byte. */
#define FIRST_BYTE_MS 30000
#define MAX_TEXT 4096

struct work {
	struct capture *capture; /* a reference */
	struct hotspot attach;
	struct buf request;
	uint64_t started, deadline, told; /* now_ms(); deadline 0: none */
};

static void tell_progress(struct helper_state *h, const struct op_request *r, const char *phase)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(4096);
	struct jsonw w = {.b = &b};

	if (!conn_is_idle(h->conn))
		return;
	k->told = now_ms();
	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "phase", phase);
	jsonw_u64(&w, "bytes", k->capture->patches && !k->capture->final ? 0 : k->capture->bytes);
	jsonw_bool(&w, "final", k->capture->final);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_PROGRESS, r->id, &b);
}

static void tell_result(struct helper_state *h, const struct op_request *r,
			const struct hotspot_reply *reply, uint64_t pause_ms, uint64_t elapsed_ms)
{
	const struct capture *c = ((struct work *)r->state)->capture;
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};
	char text[MAX_TEXT + 1];

	snprintf(text, sizeof(text), "%s", reply->text);
	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "bytes", c->bytes);
	jsonw_u64(&w, "pause_ms", pause_ms);
	jsonw_u64(&w, "elapsed_ms", elapsed_ms);
	jsonw_string(&w, "text", text);
	jsonw_string(&w, "strategy", c->strategy->name);
	jsonw_string(&w, "where", c->where);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_RESULT, r->id, &b);
}

static int ask_jvm(struct work *k, bool live, struct error *err)
{
	struct capture *c = k->capture;
	const char *args[] = {c->jvm_path, live ? "-live" : "-all"};
	struct hotspot_request q = {
		.proc = c->target.proc,
		.ref = &c->target.ref,
		.jvm = &c->target.jvm,
		.tmp = c->cover >= 0 ? c->cover : c->tmp,
		.data = &k->request,
	};

	/* JDK 16 and later take a third argument, a compression level: none. */
	if (hotspot_encode(&k->request, c->target.jvm.version, "dumpheap", args, ARRAY_SIZE(args),
			   err) < 0)
		return -1;
	return hotspot_start(&k->attach, &q, err);
}

static int begin(struct helper_state *h, struct op_request *r, struct target *t, struct error *err)
{
	char strategy[64] = "", dir[256] = "";
	uint64_t deadline = 0;
	bool live = true;
	struct work *k;

	if (jsonr_string(&r->params, "strategy", strategy, sizeof(strategy), err) < 0 ||
	    jsonr_string(&r->params, "dir", dir, sizeof(dir), err) < 0 ||
	    jsonr_u64(&r->params, "deadline", &deadline, err) < 0 ||
	    jsonr_bool(&r->params, "live", &live, err) < 0)
		return -1;
	k = xcalloc(1, sizeof(*k));
	k->attach.child = ENTER_CHILD_INIT;
	k->request = BUF_INIT(HOTSPOT_MAX_REQUEST);
	k->started = now_ms();
	k->deadline = deadline && deadline < UINT64_MAX / 2 ? k->started + deadline : 0;
	r->state = k;
	k->capture = capture_new(t, strategy, dir, err);
	if (!k->capture)
		return -1;
	h->capture = capture_ref(k->capture);
	tell_progress(h, r, "attach");
	return ask_jvm(k, live, err);
}

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	auto_target struct target t = TARGET_INIT;

	if (h->capture)
		return error_set(err, ERR_REFUSED, "a capture is open already: release it first");
	h->failure.code = ERR_NONE;
	if (target_open(&t, &h->proc, &r->params, err) < 0)
		return -1;
	return begin(h, r, &t, err);
}

static int finish(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	struct hotspot_reply reply;
	uint64_t elapsed = now_ms() - k->started, pause = 0;

	if (hotspot_parse_reply(&k->attach.raw, &reply, err) < 0 ||
	    hotspot_check_dump(&reply, &pause, err) < 0 || capture_finish(k->capture, err) < 0)
		return -1;
	tell_progress(h, r, "written");
	tell_result(h, r, &reply, pause, elapsed);
	return 1;
}

static int check_time(const struct work *k, struct error *err)
{
	uint64_t now = now_ms();

	if (k->deadline && now >= k->deadline)
		return error_set(err, ERR_CAPTURE, "the JVM was not done with the dump in time");
	if (k->capture->data < 0 && now - k->started >= FIRST_BYTE_MS) {
		error_set(err, ERR_ATTACH, "the JVM did not begin the dump within %d s",
			  FIRST_BYTE_MS / 1000);
		return error_hint(err, "another tool may hold its attach listener, or it is stuck "
				       "in a long pause");
	}
	return 0;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	int rc = hotspot_step(&k->attach, err);

	if (rc > 0)
		return finish(h, r, err);
	if (rc < 0 || capture_refresh(k->capture, err) < 0 || check_time(k, err) < 0)
		return -1;
	if (now_ms() - k->told >= PROGRESS_MS)
		tell_progress(h, r, k->capture->data < 0 ? "attach" : "dump");
	return 0;
}

/* A read of this capture has to end with the same error. */
static void fail(struct helper_state *h, struct work *k, const struct error *why)
{
	h->failure = *why;
	if (!k)
		return;
	hotspot_stop(&k->attach); /* while the capture has /tmp open */
	if (k->capture)
		capture_fail(k->capture, why);
}

static int start_or_fail(struct helper_state *h, struct op_request *r, struct error *err)
{
	int rc = start(h, r, err);
	struct work *k = r->state;

	if (rc < 0)
		fail(h, k, err);
	return rc;
}

static int step_or_fail(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	int rc = step(h, r, err);

	if (rc < 0)
		fail(h, k, err);
	return rc;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;

	if (*interval_ms > LOOK_MS)
		*interval_ms = LOOK_MS;
	if (!max || k->attach.child.fd < 0)
		return 0;
	fds[0] = (struct pollfd){.fd = k->attach.child.fd, .events = POLLIN};
	return 1;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;
	struct error cancelled = {0};

	if (!k)
		return;
	hotspot_stop(&k->attach);
	if (k->capture && !k->capture->final) {
		error_set(&cancelled, ERR_INTERRUPTED, "capture: cancelled");
		if (!k->capture->failure.code)
			fail(h, k, &cancelled);
		if (h->capture == k->capture)
			capture_unref(STEAL(h->capture));
	}
	capture_unref(k->capture);
	buf_release(&k->request);
	free(k);
	r->state = NULL;
}

const struct op op_capture = {
	.name = "capture",
	.start = start_or_fail,
	.step = step_or_fail,
	.poll = get_poll,
	.end = end,
};
