#include "jdiag/ssh/ssh.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/backend.h"
#include "jdiag/ssh/config.h"
#include "remote/base/str.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool is_ipv6(const char *name)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, name, &a) == 1;
}

int ssh_check_name(const char *name, const char *what, struct error *err)
{
	size_t len = strlen(name);

	if (len == 0)
		return error_set(err, ERR_USAGE, "%s is empty", what);
	if (len > 255)
		return error_set(err, ERR_USAGE, "%s is longer than 255 bytes", what);
	if (str_starts(what, "host") && is_ipv6(name))
		return 0;
	if (name[0] == '-' || !str_only(name, NAME_CHARACTERS))
		return error_set(err, ERR_USAGE,
				 "%s '%s' is not valid: letters, digits, '.', '_' and '-' are, "
				 "'-' not first",
				 what, name);
	return 0;
}

int ssh_open(struct ssh_session **ret, const struct ssh_options *o, struct error *err)
{
	auto_cleanup(ssh_config_release) struct ssh_config c = {0};
	struct ssh_session *s;

	if (ssh_config_load(&c, o, err) < 0)
		return -1;
	s = ssh_libssh2.alloc();
	s->backend = &ssh_libssh2;
	s->user = xstrdup(c.user);
	s->host = xstrdup(c.host_name);
	s->port = c.port;
	if (s->backend->open(s, o, &c, err) < 0) {
		ssh_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void ssh_close(struct ssh_session *s)
{
	char *user, *host;

	if (!s)
		return;
	user = s->user;
	host = s->host;
	s->backend->close(s);
	free(user);
	free(host);
}

const char *ssh_user(const struct ssh_session *s)
{
	return s->user;
}

const char *ssh_host(const struct ssh_session *s)
{
	return s->host;
}

void ssh_set_uninterruptible(struct ssh_session *s, bool on)
{
	s->uninterruptible = on;
}

int ssh_check_interrupt(const struct ssh_session *s, struct error *err)
{
	return s->uninterruptible ? 0 : interrupt_check(err);
}

int ssh_exec(struct ssh_session *s, const char *command, struct ssh_channel **ret,
	     struct error *err)
{
	return s->backend->exec(s, command, ret, err);
}

ssize_t ssh_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
		 struct error *err)
{
	return c->session->backend->read(c, which, data, n, err);
}

ssize_t ssh_write(struct ssh_channel *c, const void *data, size_t n, struct error *err)
{
	return c->session->backend->write(c, data, n, err);
}

int ssh_write_eof(struct ssh_channel *c, struct error *err)
{
	return c->session->backend->write_eof(c, err);
}

bool ssh_eof(const struct ssh_channel *c)
{
	return c->session->backend->eof(c);
}

int ssh_wait(struct ssh_session *s, uint64_t timeout_ms, struct error *err)
{
	return s->backend->wait(s, timeout_ms, err);
}

int ssh_exit_status(struct ssh_channel *c, char signal_name[32])
{
	return c->session->backend->exit_status(c, signal_name);
}

void ssh_channel_close(struct ssh_channel *c)
{
	if (c)
		c->session->backend->channel_close(c);
}
