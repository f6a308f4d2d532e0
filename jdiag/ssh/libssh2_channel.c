#include <libssh2.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jdiag/ssh/libssh2_session.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define EXEC_MS 30000 /* a login shell's start, not the command's run */
#define CLOSE_MS 2000

static struct lib_channel *of(struct ssh_channel *c)
{
	return (struct lib_channel *)c;
}

static struct lib_session *session_of(const struct ssh_channel *c)
{
	return (struct lib_session *)c->session;
}

#define DISTANT_MS                                                                    \
	(SSH_MAX_WINDOW / 1000000) /* the largest window is 1 GB/s at this round trip \
				    */

/* For 1 GB/s at the shortest round trip so far: that of the kernel, because sshd thinks for some
 * milliseconds even when it is near. */
static unsigned int window_for(const struct lib_session *s)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	uint64_t bytes;

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || !info.tcpi_min_rtt)
		return SSH_MAX_WINDOW;
	bytes = (uint64_t)info.tcpi_min_rtt * 1000;
	return bytes < SSH_MIN_WINDOW	? SSH_MIN_WINDOW
	       : bytes < SSH_MAX_WINDOW ? (unsigned int)bytes
					: SSH_MAX_WINDOW;
}

/*
 * Behind a relay, a tunnel or a jump host the kernel knows the distance to that only. To open the
 * channel took a round trip at least, and what sshd had to do for it; where that leaves it open, a
 * request that sshd answers at once tells. LC_ALL=C does no harm, and sshd may refuse it.
 */
static int is_distant(struct lib_channel *c, uint64_t opened_in_ms, uint64_t deadline, bool *ret,
		      struct error *err)
{
	uint64_t start = now_ms();

	*ret = false;
	if (opened_in_ms < DISTANT_MS)
		return 0;
	while (libssh2_channel_setenv_ex(c->lib, "LC_ALL", sizeof("LC_ALL") - 1, "C", 1) ==
	       LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(session_of(&c->base), deadline, "cannot start a command on", err) < 0)
			return -1;
	*ret = now_ms() - start >= DISTANT_MS;
	return 0;
}

static int choose_window(struct lib_channel *c, unsigned int opened, uint64_t opened_in_ms,
			 uint64_t deadline, struct error *err)
{
	bool distant = false;

	if (opened < SSH_MAX_WINDOW && is_distant(c, opened_in_ms, deadline, &distant, err) < 0)
		return -1;
	if (distant)
		c->window = SSH_MAX_WINDOW;
	log_at(LOG_DEBUG, "ssh: channel opened in %llu ms, window of %u bytes",
	       (unsigned long long)opened_in_ms, c->window ? c->window : opened);
	return 0;
}

/* libssh2 fills a window up to the size that it was opened with; one that is kept larger than that
 * is ours to fill. */
static int fill_window(struct lib_channel *c, struct error *err)
{
	unsigned long left = libssh2_channel_window_read_ex(c->lib, NULL, NULL);
	unsigned int unused;
	int rc;

	if (!c->filling && (!c->window || left > c->window / 4 * 3))
		return 0;
	if (!c->filling)
		c->filling = c->window - left;
	rc = libssh2_channel_receive_window_adjust2(c->lib, c->filling, 1, &unused);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return 0; /* the same again with the next read */
	c->filling = 0;
	return rc ? lib_error(session_of(&c->base), "lost the connection to", err) : 0;
}

static LIBSSH2_CHANNEL *open_channel(struct lib_session *s, unsigned int window, uint64_t deadline,
				     struct error *err)
{
	LIBSSH2_CHANNEL *c;

	while (!(c = libssh2_channel_open_ex(s->lib, "session", sizeof("session") - 1, window,
					     LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0))) {
		if (libssh2_session_last_errno(s->lib) != LIBSSH2_ERROR_EAGAIN) {
			lib_error(s, "cannot open a channel to", err);
			return NULL;
		}
		if (lib_wait(s, deadline, "cannot open a channel to", err) < 0)
			return NULL;
	}
	return c;
}

int lib_exec(struct ssh_session *base, const char *command, struct ssh_channel **ret,
	     struct error *err)
{
	struct lib_session *s = (struct lib_session *)base;
	uint64_t start = now_ms(), deadline = start + EXEC_MS;
	unsigned int window = window_for(s);
	struct lib_channel *c;
	int rc;

	c = xcalloc(1, sizeof(*c));
	c->base.session = base;
	c->lib = open_channel(s, window, deadline, err);
	if (!c->lib) {
		free(c);
		return -1;
	}
	c->next = s->channels;
	s->channels = c;
	if (choose_window(c, window, now_ms() - start, deadline, err) < 0) {
		lib_channel_close(&c->base);
		return -1;
	}
	while ((rc = libssh2_channel_process_startup(c->lib, "exec", sizeof("exec") - 1, command,
						     (unsigned int)strlen(command))) ==
	       LIBSSH2_ERROR_EAGAIN) {
		if (lib_wait(s, deadline, "cannot start a command on", err) < 0) {
			lib_channel_close(&c->base);
			return -1;
		}
	}
	if (rc) {
		lib_error(s, "cannot start a command on", err);
		lib_channel_close(&c->base);
		return -1;
	}
	*ret = &c->base;
	return 0;
}

ssize_t lib_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
		 struct error *err)
{
	ssize_t got;

	if (fill_window(of(c), err) < 0)
		return -1;
	got = libssh2_channel_read_ex(of(c)->lib,
				      which == SSH_STDERR ? SSH_EXTENDED_DATA_STDERR : 0, data, n);

	if (got >= 0)
		return got;
	if (got == LIBSSH2_ERROR_EAGAIN)
		return 0;
	return lib_error(session_of(c), "lost the connection to", err);
}

ssize_t lib_write(struct ssh_channel *c, const void *data, size_t n, struct error *err)
{
	ssize_t put;

	if (lib_congested(session_of(c)))
		return 0;
	put = libssh2_channel_write_ex(of(c)->lib, 0, data, n);
	if (put >= 0)
		return put;
	if (put == LIBSSH2_ERROR_EAGAIN)
		return 0;
	return lib_error(session_of(c), "cannot write to", err);
}

int lib_write_eof(struct ssh_channel *c, struct error *err)
{
	uint64_t deadline = now_ms() + CLOSE_MS;
	int rc;

	while ((rc = libssh2_channel_send_eof(of(c)->lib)) == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(session_of(c), deadline, "cannot write to", err) < 0)
			return -1;
	return rc ? lib_error(session_of(c), "cannot write to", err) : 0;
}

bool lib_eof(const struct ssh_channel *c)
{
	struct lib_channel *lc = (struct lib_channel *)c;
	bool eof = libssh2_channel_eof(lc->lib) == 1;

	lc->eof_seen |= eof;
	return eof;
}

/* Whether a channel has bytes, or an end, that nobody was told of. */
bool lib_channels_pending(struct lib_session *s)
{
	for (struct lib_channel *c = s->channels; c; c = c->next) {
		unsigned long bytes = 0;

		libssh2_channel_window_read_ex(c->lib, &bytes, NULL);
		if (bytes)
			return true;
		if (!c->eof_seen && lib_eof(&c->base))
			return true;
	}
	return false;
}

int lib_exit_status(struct ssh_channel *c, char signal_name[32])
{
	uint64_t deadline = now_ms() + CLOSE_MS;
	struct lib_session *s = session_of(c);
	char *name = NULL;
	int rc;

	signal_name[0] = '\0';
	/* the status comes after the end of the streams; to close first could lose it, and what is
	 * lost reads as 0 */
	while ((rc = libssh2_channel_wait_closed(of(c)->lib)) == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, deadline, "closing", NULL) < 0)
			break;
	if (rc)
		return -1;
	/* of a command that a signal ended, libssh2 says status 0: the signal is asked first */
	(void)libssh2_channel_get_exit_signal(of(c)->lib, &name, NULL, NULL, NULL, NULL, NULL);
	if (name) {
		snprintf(signal_name, 32, "%s", name);
		libssh2_free(s->lib, name);
		return -1;
	}
	return libssh2_channel_get_exit_status(of(c)->lib);
}

static void forget(struct lib_session *s, const struct lib_channel *gone)
{
	struct lib_channel **p = &s->channels;

	while (*p && *p != gone)
		p = &(*p)->next;
	if (*p)
		*p = gone->next;
}

void lib_channel_close(struct ssh_channel *c)
{
	struct lib_session *s = session_of(c);
	uint64_t deadline = now_ms() + CLOSE_MS;
	bool before = s->base.uninterruptible;

	s->base.uninterruptible = true;
	/* what cannot be freed in time goes with the session */
	while (libssh2_channel_free(of(c)->lib) == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, deadline, "closing", NULL) < 0)
			break;
	s->base.uninterruptible = before;
	forget(s, of(c));
	free(c);
}
