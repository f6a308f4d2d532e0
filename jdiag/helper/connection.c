#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jdiag/helper/connection.h"
#include "jdiag/json.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"

#define OUT_MAX (4 * MAX_FRAME_JSON)
#define STOP_MS 5000
#define WAIT_MS 1000 /* pings are due every few seconds */
#define FULL_NS 5000000

struct helper *helper_new(struct ssh_session *ssh, struct ssh_channel *channel)
{
	struct helper *h = xcalloc(1, sizeof(*h));

	h->ssh = ssh;
	h->channel = channel;
	h->in = xmalloc(IN_SIZE);
	h->out = BUF_INIT(OUT_MAX);
	h->said = BUF_INIT(STDERR_KEPT);
	h->said_line = BUF_INIT(1024);
	h->last_in = h->last_out = now_ms();
	frame_reader_init(&h->reader, WIRE_CLIENT);
	return h;
}

void helper_free(struct helper *h)
{
	ssh_channel_close(h->channel);
	frame_reader_release(&h->reader);
	free(h->in);
	buf_release(&h->out);
	buf_release(&h->said);
	buf_release(&h->said_line);
	json_decref(h->hello);
	json_decref(h->current);
	free(h);
}

/* Sending */

static int flush(struct helper *h, struct error *err)
{
	while (h->out_pos < h->out.len) {
		ssize_t n = ssh_write(h->channel, h->out.data + h->out_pos, h->out.len - h->out_pos,
				      err);

		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		h->out_pos += (size_t)n;
		h->last_out = h->last_taken = now_ms();
	}
	buf_reset(&h->out);
	h->out_pos = 0;
	return 0;
}

int helper_send_frame(struct helper *h, enum frame_type type, uint32_t request, const char *body,
		      size_t len, struct error *err)
{
	if (h->out_pos) {
		buf_consume(&h->out, h->out_pos);
		h->out_pos = 0;
	}
	/* PINGs of a link that takes nothing do not pile up */
	if (type == FRAME_PING && h->out.len)
		return flush(h, err);
	if (h->out.len + WIRE_HEADER_SIZE + len > h->out.max)
		return error_set(err, ERR_SSH, "the helper takes no more requests");
	if (type != FRAME_DATA)
		log_at(LOG_DEBUG, "to helper: %s %u, %zu bytes", frame_type_name(type), request,
		       len);
	if (!h->out.len)
		h->last_taken = now_ms();
	frame_add(&h->out, type, request, body, len);
	return flush(h, err);
}

/* Receiving */

int helper_broken(struct helper *h, struct error *err)
{
	h->lost = true;
	return error_prefix(err, "helper");
}

bool helper_lost(const struct helper *h)
{
	return h->lost;
}

int helper_check_usable(const struct helper *h, struct error *err)
{
	if (!h->lost)
		return 0;
	error_set(err, ERR_SSH, "the connection to the helper is lost");
	if (err)
		err->sys = ECONNRESET;
	return -1;
}

/* The stream has ended: say how. */
static int explain_end(struct helper *h, struct error *err)
{
	char signal_name[32];
	int status = ssh_exit_status(h->channel, signal_name);
	auto_free char *words = helper_last_words(h);

	h->lost = true;
	if (status < 0)
		error_set(err, ERR_NODE, "the helper ended: killed by signal %s%s%s",
			  *signal_name ? signal_name : "(unknown)", words ? ": " : "",
			  words ? words : "");
	else
		error_set(err, ERR_NODE, "the helper ended: exit status %d%s%s", status,
			  words ? ": " : "", words ? words : "");
	return helper_hint_stderr(h, err);
}

/* Take in bytes as far as there is room. 1 when some came, 0, -1. */
static int fill(struct helper *h, struct error *err)
{
	ssize_t n;

	if (helper_read_stderr(h, err) < 0)
		return helper_broken(h, err);
	if (h->in_pos == h->in_len)
		h->in_pos = h->in_len = 0;
	if (h->in_len == IN_SIZE) {
		h->last_in = now_ms(); /* there is no way to tell, and no reason to doubt */
		return 0;
	}
	n = ssh_read(h->channel, SSH_STDOUT, h->in + h->in_len, IN_SIZE - h->in_len, err);
	if (n < 0)
		return helper_broken(h, err);
	if (n > 0) {
		h->in_len += (size_t)n;
		h->last_in = now_ms();
	}
	return n > 0;
}

/* Send what is due, and look whether the peer still lives. */
static int tick(struct helper *h, struct error *err)
{
	uint64_t now = now_ms();

	if (now - h->last_in >= WIRE_DEAD_MS) {
		error_set(err, ERR_SSH, "the connection is lost: nothing came for %d s",
			  WIRE_DEAD_MS / 1000);
		return helper_broken(h, err);
	}
	if (now - h->last_out >= WIRE_PING_MS) {
		h->last_out = now; /* also when the link takes none: not in each turn */
		if (helper_send_frame(h, FRAME_PING, 0, NULL, 0, err) < 0)
			return helper_broken(h, err);
	}
	return flush(h, err) < 0 ? helper_broken(h, err) : 0;
}

/* The next frame: 1, 0 when there is none at the deadline, -1. */
int helper_next_frame(struct helper *h, uint64_t deadline, struct frame *f, struct error *err)
{
	for (;;) {
		const char *data = h->in + h->in_pos;
		size_t len = h->in_len - h->in_pos;
		uint64_t now;
		int rc = frame_reader_take(&h->reader, &data, &len, f, err);

		h->in_pos = h->in_len - len;
		if (rc < 0)
			return helper_broken(h, err);
		if (rc > 0)
			return 1;
		rc = fill(h, err);
		if (rc < 0 || tick(h, err) < 0 || ssh_check_interrupt(h->ssh, err) < 0)
			return -1;
		if (rc > 0)
			continue;
		if (ssh_eof(h->channel))
			return explain_end(h, err);
		now = now_ms();
		if (now >= deadline)
			return 0;
		if (ssh_wait(h->ssh, deadline - now < WAIT_MS ? deadline - now : WAIT_MS, err) < 0)
			return -1;
	}
}

int helper_poll(struct helper *h, struct pollfd *fds, unsigned int max)
{
	return h->lost ? -1 : ssh_poll(h->ssh, fds, max);
}

int helper_pump(struct helper *h, struct error *err)
{
	int rc;

	if (helper_check_usable(h, err) < 0)
		return -1;
	do {
		rc = fill(h, err);
		if (rc < 0 || tick(h, err) < 0)
			return -1;
	} while (rc > 0);
	return ssh_wait(h->ssh, 0, err) < 0 ? -1 : 0;
}

static size_t unsent(const struct helper *h)
{
	return h->out.len - h->out_pos;
}

/* What there is no room for lies unread, and counts as having moved: then by time. */
static int wait_for_link(struct helper *h, struct error *err)
{
	bool full = h->in_len == IN_SIZE;

	if (ssh_wait(h->ssh, full ? 0 : WAIT_MS, err) < 0)
		return -1;
	if (full)
		(void)nanosleep(&(struct timespec){.tv_nsec = FULL_NS}, NULL);
	return 0;
}

int helper_wait_sent(struct helper *h, size_t most, struct error *err)
{
	for (;;) {
		int rc = fill(h, err);

		if (rc >= 0 && ssh_eof(h->channel)) {
			buf_reset(&h->out);
			h->out_pos = 0;
			return 0;
		}
		if (rc < 0 || tick(h, err) < 0 || ssh_check_interrupt(h->ssh, err) < 0)
			return -1;
		if (unsent(h) <= most)
			return 0;
		if (now_ms() - h->last_taken >= WIRE_DEAD_MS) {
			error_set(err, ERR_SSH, "the connection is lost: it took nothing for %d s",
				  WIRE_DEAD_MS / 1000);
			return helper_broken(h, err);
		}
		if (rc == 0 && wait_for_link(h, err) < 0)
			return -1;
	}
}

/* Read and forget until it has ended. Whether it did, with status 0. */
static bool wait_for_end(struct helper *h, uint64_t deadline)
{
	struct error ignored = {0};
	char signal_name[32];
	int status;

	while (!ssh_eof(h->channel)) {
		int rc;

		h->in_pos = h->in_len = 0;
		rc = fill(h, &ignored);
		if (rc < 0 || now_ms() >= deadline)
			return false;
		if (rc == 0 && ssh_wait(h->ssh, 200, &ignored) < 0)
			return false;
	}
	status = ssh_exit_status(h->channel, signal_name);
	log_at(LOG_STEP, "helper ended with status %d", status);
	return status == 0;
}

bool helper_stop(struct helper *h)
{
	struct error ignored = {0};
	uint64_t deadline = now_ms() + STOP_MS;
	struct ssh_session *ssh;
	bool ended = false;

	if (!h)
		return true;
	ssh = h->ssh;
	ssh_set_uninterruptible(ssh, true);
	if (!h->lost && flush(h, &ignored) == 0 && ssh_write_eof(h->channel, &ignored) == 0)
		ended = wait_for_end(h, deadline);
	helper_free(h);
	ssh_set_uninterruptible(ssh, false);
	return ended;
}
