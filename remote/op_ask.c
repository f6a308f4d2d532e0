/* ask: one command of the JVM's own attach protocol, and its whole reply. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "remote/attach/asking.h"
#include "remote/attach/ending.h"
#include "remote/attach/unless.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/sha256.h"
#include "remote/capture/holder.h"
#include "remote/ops.h"

#define DEFAULT_MS 15000
#define MAX_REPLY (16 * MiB)
#define LAST_WORD_MS 1000 /* from the end of its connection to the end of a JVM */
#define REAPED_MS 3000	  /* from there to its status */
#define LOOK_MS 5

struct work {
	const struct connection *conn;
	struct target target;
	struct asking asking;
	struct unless unless;
	char command[32];
	char *args[HOTSPOT_MAX_ARGS]; /* owned */
	size_t n_args;
	uint64_t timeout;
	enum { ASKED, DOUBTFUL, TELLING } phase;
	uint64_t patience; /* DOUBTFUL: now_ms() */
	bool asked, answered, gone;
	struct error failed; /* DOUBTFUL: what to say when the JVM lives; code 0: the reply */
	int code;
	struct buf text; /* the reply behind its first line */
	size_t told;
};

static int add_arg(void *ctx, const char *s, struct error *err)
{
	struct work *k = ctx;

	if (k->n_args == HOTSPOT_MAX_ARGS)
		return error_set(err, ERR_FAILED, "'args' has more than %d", HOTSPOT_MAX_ARGS);
	k->args[k->n_args++] = xstrdup(s);
	return 0;
}

static int take_args(struct work *k, const struct jsonr *params, struct error *err)
{
	char *room = xmalloc(HOTSPOT_MAX_REQUEST);
	int rc = jsonr_each_text(params, "args", room, HOTSPOT_MAX_REQUEST, add_arg, k, err);

	explicit_bzero(room, HOTSPOT_MAX_REQUEST); /* options of an agent may be secrets */
	free(room);
	return rc;
}

static int take_params(struct work *k, const struct jsonr *params, struct error *err)
{
	if (jsonr_string(params, "command", k->command, sizeof(k->command), err) < 0 ||
	    jsonr_u64(params, "timeout", &k->timeout, err) < 0 || take_args(k, params, err) < 0)
		return -1;
	if (!*k->command)
		return error_set(err, ERR_FAILED, "the request has no 'command'");
	if (!k->timeout)
		k->timeout = DEFAULT_MS;
	return 0;
}

/* Each of those under way may leave one that is kept. */
static int check_claims(const struct helper_state *h, const struct work *k, struct error *err)
{
	if (k->unless.claim < 0 || h->n_claims + WIRE_MAX_REQUESTS <= MAX_CLAIMS)
		return 0;
	error_set(err, ERR_REFUSED, "%u JVMs of this node have not answered", h->n_claims);
	err->sys = EBUSY;
	return error_hint(err, "run the same command again");
}

static int begin(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));
	struct question q;

	*k = (struct work){
		.conn = h->conn,
		.target = TARGET_INIT,
		.asking = ASKING_INIT,
		.unless = UNLESS_INIT,
		.text = BUF_INIT(MAX_REPLY),
	};
	r->state = k;
	if (take_params(k, &r->params, err) < 0 ||
	    target_open(&k->target, &h->proc, &r->params, err) < 0 ||
	    capture_lock(&k->target, err) < 0 ||
	    unless_check(&k->unless, &k->target, &r->params, err) < 0 ||
	    check_claims(h, k, err) < 0)
		return -1;
	q = (struct question){
		.command = k->command,
		.args = (const char *const *)k->args,
		.n_args = k->n_args,
		.reply_ms = k->timeout,
		.max_reply = MAX_REPLY,
	};
	if (asking_start(&k->asking, &k->target, &q, err) < 0)
		return -1;
	k->asked = true;
	return 0;
}

/* Whatever it was: nothing was asked. What a condition says has a number of its own. */
static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	int rc = begin(h, r, err);

	if (rc < 0 && err->code != ERR_REFUSED && err->sys != E2BIG)
		err->sys = ENOTCONN;
	return rc;
}

/* ---- the JVM has ended ---- */

static bool is_gone(const struct work *k)
{
	return !procref_alive(k->target.proc, &k->target.ref);
}

static int has_ended(struct work *k, struct error *err)
{
	char how[64] = "how is not known";
	int status;

	if (!k->gone) {
		k->gone = true;
		k->patience = now_ms() + REAPED_MS;
	}
	/* Its parent reaps it a moment after it is gone. */
	if (ending_status(&k->target.ref, &status))
		ending_text(status, how, sizeof(how));
	else if (now_ms() < k->patience)
		return 0;
	asking_end(&k->asking);
	error_set(err, ERR_ATTACH, "the JVM ended while it was asked: %s", how);
	err->sys = ESRCH;
	return -1;
}

static void doubt(struct work *k)
{
	k->phase = DOUBTFUL;
	k->patience = now_ms() + LAST_WORD_MS;
}

/* ---- the reply ---- */

/* DATA as the connection takes it, then END. */
static int tell(struct helper_state *h, const struct op_request *r)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(4096);
	struct jsonw w = {.b = &b};
	struct sha256 *sha;
	char hex[SHA256_HEX_SIZE];

	while (k->told < k->text.len) {
		size_t n = k->text.len - k->told;

		if (!conn_can_send(h->conn))
			return 0;
		n = n < MAX_FRAME_DATA ? n : MAX_FRAME_DATA;
		memcpy(conn_data_buffer(h->conn), k->text.data + k->told, n);
		conn_send_data(h->conn, r->id, k->told, n);
		k->told += n;
	}
	/* END is a small frame, which would overtake what waits. */
	if (!conn_can_send(h->conn))
		return 0;
	sha = sha256_new();
	sha256_add(sha, buf_str(&k->text), k->text.len);
	jsonw_open(&w, NULL, '{');
	jsonw_i64(&w, "code", k->code);
	jsonw_u64(&w, "length", k->text.len);
	jsonw_string(&w, "sha256", sha256_hex(sha, hex));
	jsonw_close(&w, '}');
	sha256_free(sha);
	conn_send_json(h->conn, FRAME_END, r->id, &b);
	return 1;
}

static void answered(struct work *k, const struct hotspot_reply *reply)
{
	const struct buf *raw = &k->asking.hotspot.raw;

	k->answered = true;
	k->code = reply->code;
	buf_add(&k->text, reply->text, raw->len - (size_t)(reply->text - raw->data));
	asking_end(&k->asking);
	k->phase = TELLING;
	/* A JVM that its agent ends may have said the first line already (streaming, 25). */
	if (k->text.len == 0 && strcmp(k->command, "load") == 0)
		doubt(k);
}

/* Its connection closes before it is gone: what failed may have been the end of it. */
static int look_again(struct work *k, struct error *err)
{
	if (is_gone(k))
		return has_ended(k, err);
	if (now_ms() < k->patience)
		return 0;
	k->phase = TELLING;
	if (!k->failed.code)
		return 0;
	*err = k->failed;
	return -1;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;
	struct hotspot_reply reply;
	int rc;

	if (k->phase == DOUBTFUL)
		return look_again(k, err);
	if (k->phase == TELLING)
		return tell(h, r);
	rc = asking_step(&k->asking, &reply, &k->failed);
	if (rc > 0)
		answered(k, &reply);
	else if (rc < 0)
		doubt(k);
	return 0;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	const struct work *k = r->state;

	if (k->phase == ASKED && max && asking_fd(&k->asking) >= 0) {
		fds[0] = (struct pollfd){.fd = asking_fd(&k->asking), .events = POLLIN};
		return 1;
	}
	/* With the slot full, the connection becoming writable wakes the loop. */
	if (k->phase == TELLING && conn_can_send(k->conn))
		*interval_ms = 0;
	if (k->phase == DOUBTFUL)
		*interval_ms = LOOK_MS;
	return 0;
}

/* Does the JVM, for all that is known, still go on with it? */
static bool may_be_at_it(const struct work *k)
{
	return k->asked && !k->answered && k->failed.sys != ENOTCONN && !is_gone(k);
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	if (k->unless.claim >= 0 && may_be_at_it(k))
		h->claims[h->n_claims++] = STEAL_FD(k->unless.claim);
	asking_release(&k->asking);
	unless_release(&k->unless);
	for (size_t i = 0; i < k->n_args; i++) {
		explicit_bzero(k->args[i], strlen(k->args[i]));
		free(k->args[i]);
	}
	target_close(&k->target);
	if (k->text.data) /* system properties and command lines have passwords in them */
		explicit_bzero(k->text.data, k->text.cap);
	buf_release(&k->text);
	free(k);
	r->state = NULL;
}

const struct op op_ask = {
	.name = "ask",
	.start = start,
	.step = step,
	.poll = get_poll,
	.end = end,
};
