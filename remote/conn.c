#include "remote/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/wire/json.h"

#define IN_SIZE (16 * KiB)
#define MAX_QUEUE (4 * MAX_FRAME_JSON) /* more than all open requests can answer at once */
#define IDLE_QUEUE (32 * KiB)
#define SLOT_HEADER (WIRE_HEADER_SIZE + WIRE_DATA_OFFSET_SIZE)
#define WANTED_PIPE ((int)(1 * MiB))
#define REST_MS 2 /* a pipe of that size lasts longer, up to 500 MB/s */

int conn_open(struct connection *c, int in, int out, struct error *err)
{
	*c = (struct connection){.in = in, .out = out, .queue = BUF_INIT(MAX_QUEUE)};
	frame_reader_init(&c->reader, WIRE_HELPER);
	c->inbuf = xmalloc(IN_SIZE);
	c->data = xmalloc(SLOT_HEADER + MAX_FRAME_DATA);
	c->last_sent = c->last_received = now_ms();
	c->in_flags = fcntl(in, F_GETFL);
	c->out_flags = fcntl(out, F_GETFL);
	if (c->in_flags < 0 || c->out_flags < 0 || io_set_nonblock(in) < 0 ||
	    io_set_nonblock(out) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot use standard input and output");
	/* A whole DATA frame fits; where out is a socket, or the user's pipes are full up, the
	 * default does as well. */
	c->large_pipe = fcntl(out, F_SETPIPE_SZ, WANTED_PIPE) >= WANTED_PIPE;
	buf_add(&c->queue, wire_magic, sizeof(wire_magic));
	return 0;
}

static bool waiting(const struct connection *c)
{
	return c->queue.len > c->queue_sent || c->data_len;
}

void conn_close(struct connection *c, uint64_t linger_ms)
{
	uint64_t deadline = now_ms() + linger_ms;

	for (;;) {
		conn_flush(c);
		if (c->out < 0 || !waiting(c) || io_wait(c->out, POLLOUT, deadline) <= 0)
			break;
	}
	/* The description may be shared with the shell that started us. */
	if (c->in >= 0 && c->in_flags >= 0)
		(void)fcntl(c->in, F_SETFL, c->in_flags);
	if (c->out >= 0 && c->out_flags >= 0)
		(void)fcntl(c->out, F_SETFL, c->out_flags);
	fd_close(&c->in);
	fd_close(&c->out);
	frame_reader_release(&c->reader);
	buf_release(&c->queue);
	free(c->inbuf);
	free(c->data);
	c->inbuf = NULL;
	c->data = NULL;
}

static void lost(struct connection *c)
{
	c->eof = true;
	fd_close(&c->out);
}

/* One write of the next bytes in line; false when nothing more can be done now. A frame that has
 * been begun is finished first; else the small ones go before the data. */
static bool write_some(struct connection *c)
{
	bool data = c->data_sent || c->queue.len == c->queue_sent;
	const unsigned char *p = data ? c->data + c->data_sent
				      : (const unsigned char *)c->queue.data + c->queue_sent;
	size_t n = data ? c->data_len - c->data_sent : c->queue.len - c->queue_sent;
	ssize_t w = write(c->out, p, n);

	if (w < 0) {
		if (errno != EAGAIN && errno != EINTR)
			lost(c);
		return errno == EINTR;
	}
	c->last_sent = now_ms();
	if (data) {
		c->data_sent += (size_t)w;
		if (c->data_sent == c->data_len)
			c->data_sent = c->data_len = 0;
	} else {
		c->queue_sent += (size_t)w;
		if (c->queue_sent == c->queue.len) {
			c->queue_sent = 0;
			buf_reset(&c->queue);
		}
	}
	return true;
}

/* A pipe that is full becomes writable with each read of sshd, 32 KiB: woken for each of them, we
 * and sshd would take turns at every packet. After a write that filled it there is time to rest. */
void conn_flush(struct connection *c)
{
	bool wrote = false;

	while (c->out >= 0 && waiting(c) && write_some(c))
		wrote = true;
	if (wrote && c->large_pipe && c->out >= 0 && waiting(c))
		c->rest_until = now_ms() + REST_MS;
}

static void send_frame(struct connection *c, enum frame_type type, uint32_t request,
		       const void *body, size_t len)
{
	if (c->out < 0)
		return;
	buf_consume(&c->queue, c->queue_sent);
	c->queue_sent = 0;
	frame_add(&c->queue, type, request, body, len);
	if (c->queue.overflow)
		lost(c);
}

void conn_send_json(struct connection *c, enum frame_type type, uint32_t request,
		    const struct buf *body)
{
	if (body->overflow) {
		struct error e = {0};

		error_set(&e, ERR_FAILED, "the answer is larger than a frame may be");
		conn_send_error(c, request, &e);
		return;
	}
	send_frame(c, type, request, buf_str(body), body->len);
}

void conn_send_error(struct connection *c, uint32_t request, const struct error *e)
{
	auto_buf struct buf b = BUF_INIT(MAX_FRAME_JSON);
	struct jsonw w = {.b = &b};

	jsonw_open(&w, NULL, '{');
	jsonw_string(&w, "code", err_code_name(e->code));
	jsonw_u64(&w, "errno", e->sys > 0 ? (uint64_t)e->sys : 0);
	jsonw_string(&w, "message", e->msg);
	jsonw_string(&w, "hint", e->hint);
	jsonw_close(&w, '}');
	/* it would go first, and the DATA then belong to no request */
	if (c->data_request == request && !c->data_sent)
		c->data_len = 0;
	send_frame(c, FRAME_ERROR, request, buf_str(&b), b.len);
}

bool conn_can_send(const struct connection *c)
{
	return !c->data_len;
}

void *conn_data_buffer(struct connection *c)
{
	return c->data + SLOT_HEADER;
}

void conn_send_data(struct connection *c, uint32_t request, uint64_t offset, size_t len)
{
	frame_header(c->data, FRAME_DATA, request, len + WIRE_DATA_OFFSET_SIZE);
	wire_put_u64(c->data + WIRE_HEADER_SIZE, offset);
	c->data_request = request;
	c->data_len = SLOT_HEADER + len;
	c->data_sent = 0;
	conn_flush(c);
}

bool conn_is_idle(const struct connection *c)
{
	return c->queue.len - c->queue_sent < IDLE_QUEUE;
}

void conn_poll(const struct connection *c, struct pollfd fds[2])
{
	fds[0] = (struct pollfd){.fd = c->eof ? -1 : c->in, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = c->out};
	if (waiting(c) && now_ms() >= c->rest_until)
		fds[1].events = POLLOUT;
}

int conn_timeout(const struct connection *c)
{
	uint64_t now = now_ms(), ping = c->last_sent + WIRE_PING_MS,
		 dead = c->last_received + WIRE_DEAD_MS;
	uint64_t due = ping < dead ? ping : dead;

	if (waiting(c) && c->rest_until > now && c->rest_until < due)
		due = c->rest_until;
	return due > now ? (int)(due - now) : 0;
}

int conn_tick(struct connection *c, struct error *err)
{
	uint64_t now = now_ms();

	if (now - c->last_received >= WIRE_DEAD_MS)
		return error_set(err, ERR_FAILED, "connection lost: nothing heard for %u s",
				 WIRE_DEAD_MS / 1000);
	if (now - c->last_sent >= WIRE_PING_MS) {
		if (!waiting(c))
			send_frame(c, FRAME_PING, 0, NULL, 0);
		c->last_sent = now; /* what waits already is as good as a ping */
	}
	return 0;
}

void conn_fill(struct connection *c)
{
	ssize_t n;

	if (c->in_len || c->eof)
		return;
	n = read(c->in, c->inbuf, IN_SIZE);
	if (n > 0) {
		c->in_pos = c->inbuf;
		c->in_len = (size_t)n;
		c->last_received = now_ms();
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->eof = true;
	}
}

int conn_next(struct connection *c, struct frame *ret, struct error *err)
{
	return c->in_len ? frame_reader_take(&c->reader, &c->in_pos, &c->in_len, ret, err) : 0;
}
