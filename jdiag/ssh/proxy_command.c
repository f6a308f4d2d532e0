#include "jdiag/ssh/proxy_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jdiag/ssh/child.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_SAID 700   /* kept of stderr */
#define ENDING_MS 1000 /* from the end of its output to its own */

struct proxy_command {
	struct child child;
	int said_fd;
	struct buf said;
};

int proxy_start(struct proxy_command **ret, const char *command, int *ret_fd, struct error *err)
{
	auto_free char *line = xasprintf("exec %s", command);
	const char *const argv[] = {"/bin/sh", "-c", line, NULL};
	auto_fd int ours = -1, theirs = -1, said_r = -1, said_w = -1;
	struct child child;
	int pair[2], said[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, ERR_SSH, errno, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(said, O_CLOEXEC) < 0)
		return error_sys(err, ERR_SSH, errno, "cannot make a pipe");
	said_r = said[0];
	said_w = said[1];
	if (io_set_nonblock(ours) < 0 || io_set_nonblock(said_r) < 0)
		return error_set(err, ERR_SSH, "cannot make a socket non-blocking");
	rc = child_start(&child, argv, (const int[3]){theirs, theirs, said_w});
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot run the ProxyCommand");
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->child = child;
	(*ret)->said_fd = STEAL_FD(said_r);
	(*ret)->said = BUF_INIT(4 * MAX_SAID);
	*ret_fd = STEAL_FD(ours);
	return 0;
}

void proxy_listen(struct proxy_command *p)
{
	char chunk[MAX_SAID];
	ssize_t n;

	while ((n = read(p->said_fd, chunk, sizeof(chunk))) > 0) {
		auto_free char *safe = str_escape_dup(chunk, (size_t)n, "\n");

		log_at(LOG_DEBUG, "ssh: the ProxyCommand says: %s", safe);
		if (p->said.len + (size_t)n > MAX_SAID) {
			size_t drop = p->said.len + (size_t)n - MAX_SAID;

			buf_consume(&p->said, drop < p->said.len ? drop : p->said.len);
		}
		buf_add(&p->said, chunk, (size_t)n);
	}
}

/* It may still be on its way out. */
static bool has_ended(struct proxy_command *p)
{
	uint64_t deadline = now_ms() + ENDING_MS;

	do {
		proxy_listen(p);
		if (child_ended(&p->child)) {
			proxy_listen(p);
			return true;
		}
		poll(NULL, 0, 10);
	} while (now_ms() < deadline);
	return false;
}

static int hint_said(const struct proxy_command *p, struct error *err)
{
	size_t n = p->said.len;

	while (n && (p->said.data[n - 1] == '\n' || p->said.data[n - 1] == '\r'))
		n--;
	if (!n)
		return error_hint(err, "it said nothing; try the command by hand");
	return error_hint(err, "it said:\n%.*s", (int)n, p->said.data);
}

int proxy_explain(struct proxy_command *p, const char *host, const void *data, size_t len,
		  struct error *err)
{
	auto_free char *first = NULL;
	const char *newline = memchr(data, '\n', len);
	char status[24];

	if (len == 0) {
		if (has_ended(p))
			error_set(err, ERR_SSH,
				  "cannot connect to '%s': its ProxyCommand failed (%s)", host,
				  child_status_text(&p->child, status));
		else
			error_set(err, ERR_SSH,
				  "cannot connect to '%s': its ProxyCommand closed the connection",
				  host);
		return hint_said(p, err);
	}
	len = newline ? (size_t)(newline - (const char *)data) : len;
	first = str_escape_dup(data, len < 80 ? len : 80, NULL);
	(void)has_ended(p);
	error_set(err, ERR_SSH,
		  "cannot connect to '%s': its ProxyCommand prints '%s', which is "
		  "not SSH",
		  host, first);
	return p->said.len ? hint_said(p, err)
			   : error_hint(err, "its standard output is the connection: what it has "
					     "to say belongs on standard error");
}

int proxy_ended(struct proxy_command *p, const char *what, const char *host, uint16_t port,
		struct error *err)
{
	char status[24];

	if (has_ended(p))
		error_set(err, ERR_SSH, "%s '%s' port %u: the ProxyCommand has ended (%s)", what,
			  host, port, child_status_text(&p->child, status));
	else
		error_set(err, ERR_SSH, "%s '%s' port %u: the ProxyCommand closed the connection",
			  what, host, port);
	if (err)
		err->sys = ECONNRESET;
	return hint_said(p, err);
}

void proxy_end(struct proxy_command *p)
{
	if (!p)
		return;
	child_end(&p->child);
	fd_close(&p->said_fd);
	buf_release(&p->said);
	free(p);
}
