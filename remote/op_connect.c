/* connect: a TCP connection inside the pod's network namespace. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/netns.h"
#include "remote/ops.h"
#include "remote/target.h"

#define CONNECT_MS 10000
#define CREDIT (256 * KiB)
#define TELL_EACH (64 * KiB)
#define AT_ONCE 8 /* frames; the client must be heard as well */

struct work {
	const struct connection *conn;
	struct target target;
	struct netns netns;
	size_t way; /* the one that is tried, or led there */
	enum { ENTERING, CONNECTING, CONNECTED } phase;
	uint16_t port;
	uint64_t deadline; /* of CONNECTING */
	int failed;	   /* errno of the first way that failed */
	uint64_t sent;	   /* bytes to the client */
	struct buf out;	   /* from the client, that the socket has not taken */
	uint64_t taken, told;
	bool deaf; /* the other side takes no more */
};

static int start(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = xcalloc(1, sizeof(*k));
	char address[INET6_ADDRSTRLEN] = "";
	uint64_t port = 0;

	*k = (struct work){
		.conn = h->conn,
		.target = TARGET_INIT,
		.netns = NETNS_INIT,
		.out = BUF_INIT(CREDIT),
	};
	r->state = k;
	if (jsonr_u64(&r->params, "port", &port, err) < 0 ||
	    jsonr_string(&r->params, "address", address, sizeof(address), err) < 0)
		return -1;
	if (!port || port > UINT16_MAX)
		return error_set(err, ERR_USAGE, "'port' is not between 1 and 65535");
	k->port = (uint16_t)port;
	if (target_open(&k->target, &h->proc, &r->params, err) < 0)
		return -1;
	return netns_start(&k->netns, &h->proc, &k->target.ref, address, k->port, err);
}

/* ---- until it is connected ---- */

static int *socket_of(struct work *k)
{
	return &k->netns.ways[k->way].fd;
}

static int cannot(const struct work *k, int sys, struct error *err)
{
	char text[INET6_ADDRSTRLEN];

	return error_sys(err, ERR_FAILED, sys, "cannot connect to '%s' port %u",
			 netns_text(&k->netns.ways[0], text), k->port);
}

static void tell_connected(struct helper_state *h, const struct op_request *r)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(256);
	struct jsonw w = {.b = &b};
	char text[INET6_ADDRSTRLEN];

	k->phase = CONNECTED;
	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "connected", netns_text(&k->netns.ways[k->way], text));
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_PROGRESS, r->id, &b);
}

/* Go on with the next way until one is under way or there. 1: connected, 0, -1: none leads there.
 */
static int try_ways(struct work *k, struct error *err)
{
	for (; k->way < k->netns.n; k->way++) {
		const struct netns_way *w = &k->netns.ways[k->way];

		if (w->fd < 0)
			continue;
		if (connect(w->fd, (const struct sockaddr *)&w->to, netns_length(w)) == 0)
			return 1;
		if (errno == EINPROGRESS)
			return 0;
		if (!k->failed)
			k->failed = errno;
		fd_close(socket_of(k));
	}
	return cannot(k, k->failed, err);
}

static int step_connecting(struct work *k, struct error *err)
{
	int sys = 0, ready = io_wait(*socket_of(k), POLLOUT, 0);
	socklen_t len = sizeof(sys);

	if (ready == 0)
		return now_ms() < k->deadline ? 0 : cannot(k, ETIMEDOUT, err);
	if (ready < 0 || getsockopt(*socket_of(k), SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
		return cannot(k, ready < 0 ? -ready : errno, err);
	if (sys == 0)
		return 1;
	if (!k->failed)
		k->failed = sys;
	fd_close(socket_of(k));
	k->way++;
	return try_ways(k, err);
}

static int get_connected(struct work *k, struct error *err)
{
	int rc;

	if (k->phase == CONNECTING)
		return step_connecting(k, err);
	rc = netns_collect(&k->netns, err);
	if (rc <= 0)
		return rc;
	k->phase = CONNECTING;
	k->deadline = now_ms() + CONNECT_MS;
	return try_ways(k, err);
}

/* ---- connected ---- */

/* What the other side does not take any more is lost; what it has said is still to be read. */
static void write_out(struct work *k)
{
	while (k->out.len) {
		ssize_t n = k->deaf ? (ssize_t)k->out.len
				    : send(*socket_of(k), k->out.data, k->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			k->deaf = true;
			continue;
		}
		buf_consume(&k->out, (size_t)n);
		k->taken += (uint64_t)n;
	}
}

static void tell_taken(struct helper_state *h, const struct op_request *r)
{
	struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(256);
	struct jsonw w = {.b = &b};

	if (k->taken - k->told < TELL_EACH)
		return;
	k->told = k->taken;
	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "taken", k->taken);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_PROGRESS, r->id, &b);
}

static int finish(struct helper_state *h, const struct op_request *r)
{
	const struct work *k = r->state;
	auto_buf struct buf b = BUF_INIT(256);
	struct jsonw w = {.b = &b};

	jsonw_open(&w, NULL, '{');
	jsonw_u64(&w, "length", k->sent);
	jsonw_close(&w, '}');
	conn_send_json(h->conn, FRAME_END, r->id, &b);
	return 1;
}

/* The end is seen only while nothing waits to be sent: it cannot overtake the data. */
static int read_in(struct helper_state *h, const struct op_request *r, struct error *err)
{
	struct work *k = r->state;

	for (int i = 0; i < AT_ONCE && conn_can_send(h->conn); i++) {
		ssize_t n = read(*socket_of(k), conn_data_buffer(h->conn), MAX_FRAME_DATA);

		if (n == 0)
			return finish(h, r);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return error_sys(err, ERR_FAILED, errno, "the connection to port %u broke",
					 k->port);
		conn_send_data(h->conn, r->id, k->sent, (size_t)n);
		k->sent += (uint64_t)n;
	}
	return 0;
}

static int step(struct helper_state *h, struct op_request *r, struct error *err)
{
	struct work *k = r->state;

	if (k->phase != CONNECTED) {
		int rc = get_connected(k, err);

		if (rc <= 0)
			return rc;
		tell_connected(h, r);
	}
	write_out(k);
	tell_taken(h, r);
	return read_in(h, r, err);
}

static int data(struct helper_state *h, struct op_request *r, uint64_t offset, const void *bytes,
		size_t len, struct error *err)
{
	struct work *k = r->state;

	(void)h;
	if (offset + len - k->told > CREDIT)
		return error_set(err, ERR_FAILED, "connect: more than %lu bytes on the way",
				 CREDIT);
	buf_add(&k->out, bytes, len);
	if (k->phase == CONNECTED) {
		write_out(k);
		tell_taken(h, r);
	}
	return 0;
}

static unsigned int get_poll(const struct op_request *r, struct pollfd *fds, unsigned int max,
			     int *interval_ms)
{
	struct work *k = r->state;
	short events = k->phase == CONNECTING ? POLLOUT : 0;

	(void)interval_ms;
	if (k->phase == CONNECTED)
		events =
			(short)((conn_can_send(k->conn) ? POLLIN : 0) | (k->out.len ? POLLOUT : 0));
	if (!max || (k->phase != ENTERING && !events))
		return 0;
	fds[0] = (struct pollfd){.fd = *socket_of(k), .events = events};
	if (k->phase == ENTERING)
		fds[0] = (struct pollfd){.fd = k->netns.child.fd, .events = POLLIN};
	return 1;
}

static void end(struct helper_state *h, struct op_request *r)
{
	struct work *k = r->state;

	(void)h;
	netns_stop(&k->netns);
	target_close(&k->target);
	buf_release(&k->out);
	free(k);
	r->state = NULL;
}

const struct op op_connect = {
	.name = "connect",
	.start = start,
	.data = data,
	.step = step,
	.poll = get_poll,
	.end = end,
};
