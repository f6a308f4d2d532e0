#include "jdiag/podnet.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jdiag/helper/helper.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"

#define CONNECT_MS 30000 /* the helper's own time is shorter: it has to enter the pod as well */
#define CREDIT (256 * KiB)
#define PIECE (64 * KiB)

struct podnet {
	struct helper *helper; /* borrowed */
	uint32_t id;
	bool open;	      /* the request is */
	int fd;		      /* owned; what it is joined with, or -1 */
	uint64_t sent, taken; /* to the pod */
	uint64_t got;	      /* from it */
	struct buf in;	      /* of that, what the pair has not taken */
	char address[64];
};

const char *podnet_address(const struct podnet *p)
{
	return p->address;
}

static int broken_rules(const char *what, struct error *err)
{
	return error_set(err, ERR_FAILED, "protocol error: %s of 'connect'", what);
}

/* ---- open ---- */

static int request(struct podnet *p, const struct jvmref *j, const char *address, uint16_t port,
		   struct error *err)
{
	auto_json json_t *params = jvmref_params(j);

	json_object_set_new(params, "port", json_integer(port));
	if (address)
		json_set_text(params, "address", address);
	if (helper_request(p->helper, "connect", params, &p->id, err) < 0)
		return -1;
	p->open = true;
	return 0;
}

/* 1: connected, 0: something else, -1. */
static int take_first(struct podnet *p, const struct helper_message *m, struct error *err)
{
	if (m->request != p->id)
		return 0;
	if (m->kind == HELPER_ERROR) {
		p->open = false;
		*err = m->error;
		return -1;
	}
	if (m->kind != HELPER_PROGRESS)
		return broken_rules("no beginning", err);
	snprintf(p->address, sizeof(p->address), "%s", json_str_at(m->json, "connected", ""));
	return 1;
}

static int wait_connected(struct podnet *p, uint16_t port, struct error *err)
{
	uint64_t deadline = now_ms() + CONNECT_MS;
	struct helper_message m;
	int rc;

	for (;;) {
		uint64_t now = now_ms();

		if (helper_next(p->helper, deadline > now ? deadline - now : 0, &m, err) < 0)
			return -1;
		rc = m.kind == HELPER_NOTHING ? 0 : take_first(p, &m, err);
		if (rc)
			return rc;
		if (now_ms() >= deadline)
			return error_sys(err, ERR_FAILED, ETIMEDOUT,
					 "cannot connect to port %u of the pod", port);
	}
}

int podnet_open(struct podnet **ret, struct helper *h, const struct jvmref *j, const char *address,
		uint16_t port, struct error *err)
{
	struct podnet *p = xcalloc(1, sizeof(*p));

	*p = (struct podnet){.helper = h, .fd = -1, .in = BUF_INIT(MAX_FRAME_DATA)};
	if (request(p, j, address, port, err) < 0 || wait_connected(p, port, err) < 0) {
		podnet_close(p);
		return -1;
	}
	*ret = p;
	return 0;
}

/* ---- move ---- */

void podnet_attach(struct podnet *p, int fd)
{
	fd_close(&p->fd);
	(void)!io_set_nonblock(fd); /* of a socket that is open it does not fail */
	p->fd = fd;
}

static size_t credit(const struct podnet *p)
{
	return p->open ? CREDIT - (size_t)(p->sent - p->taken) : 0;
}

static int move_out(struct podnet *p, struct error *err)
{
	char piece[PIECE];

	while (p->fd >= 0 && credit(p)) {
		ssize_t n = read(p->fd, piece, credit(p) < PIECE ? credit(p) : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* the end of what is to be sent cannot be told, and need not be */
		if (helper_send_data(p->helper, p->id, p->sent, piece, (size_t)n, err) < 0)
			return -1;
		p->sent += (uint64_t)n;
	}
	return 0;
}

/* What the caller does not take any more is lost. */
static void hand_over(struct podnet *p)
{
	while (p->fd >= 0 && p->in.len) {
		ssize_t n = send(p->fd, p->in.data, p->in.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		buf_consume(&p->in, n < 0 ? p->in.len : (size_t)n);
	}
	if (p->fd >= 0 && !p->open)
		(void)shutdown(p->fd, SHUT_WR);
}

static int take_progress(struct podnet *p, const json_t *body, struct error *err)
{
	uint64_t taken = json_u64_at(body, "taken", p->taken);

	if (taken < p->taken || taken > p->sent)
		return broken_rules("wrong confirmation", err);
	p->taken = taken;
	return 0;
}

static int take(struct podnet *p, const struct helper_message *m, struct error *err)
{
	switch (m->request == p->id ? m->kind : HELPER_NOTHING) {
	case HELPER_DATA:
		if (m->offset != p->got)
			return broken_rules("a gap in the data", err);
		p->got += m->len;
		buf_add(&p->in, m->data, m->len);
		return 0;
	case HELPER_PROGRESS:
		return take_progress(p, m->json, err);
	case HELPER_END:
	case HELPER_ERROR: /* who reads learns of it by the end */
		p->open = false;
		return 0;
	case HELPER_RESULT:
		return broken_rules("a result", err);
	default:
		return 0;
	}
}

int podnet_pump(struct podnet *p, struct error *err)
{
	struct helper_message m;

	if (move_out(p, err) < 0 || helper_pump(p->helper, err) < 0)
		return -1;
	for (;;) {
		hand_over(p);
		if (p->in.len)
			return 0;
		if (helper_next(p->helper, 0, &m, err) < 0)
			return -1;
		if (m.kind == HELPER_NOTHING)
			return 0;
		if (take(p, &m, err) < 0)
			return -1;
	}
}

int podnet_poll(struct podnet *p, struct pollfd *fds, unsigned int max)
{
	short events = (short)((credit(p) ? POLLIN : 0) | (p->in.len ? POLLOUT : 0));
	unsigned int own = p->fd >= 0 && events;
	int n;

	if (max < own)
		return -1;
	if (own)
		fds[0] = (struct pollfd){.fd = p->fd, .events = events};
	/* what the caller does not take now waits in the link */
	if (p->in.len)
		return (int)own;
	n = helper_poll(p->helper, fds + own, max - own);
	return n < 0 ? -1 : n + (int)own;
}

void podnet_close(struct podnet *p)
{
	struct error ignored = {0};

	if (!p)
		return;
	/* its answer is dropped by whoever waits next */
	if (p->open && !helper_lost(p->helper))
		(void)!helper_cancel(p->helper, p->id, &ignored);
	fd_close(&p->fd);
	buf_release(&p->in);
	free(p);
}
