#include "jdiag/ssh/ssh.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/backend.h"
#include "jdiag/ssh/google.h"
#include "remote/base/log.h"
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

/* cannot: of the back end, when it failed. */
static int open_with(const struct ssh_backend *b, struct ssh_session **ret,
		     const struct ssh_options *o, const struct ssh_config *c, char cannot[160],
		     struct error *err)
{
	struct ssh_session *s = b->alloc();

	s->backend = b;
	s->user = xstrdup(c->user);
	s->host = xstrdup(c->host_name);
	s->port = c->port;
	if (b->open(s, o, c, err) < 0) {
		memcpy(cannot, s->cannot, sizeof(s->cannot));
		ssh_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* What libssh2 cannot be told of an ssh_config, where it was asked for by name. */
static int check_beyond(const struct ssh_config *c, struct error *err)
{
	if (!c->beyond)
		return 0;
	if (!c->beyond_matters) {
		log_at(LOG_NOTICE, "libssh2 cannot do '%s' of the ssh_config: it is left out",
		       c->beyond);
		return 0;
	}
	error_set(err, ERR_SSH, "libssh2 cannot do '%s', which the ssh_config for '%s' has",
		  c->beyond, c->host_name);
	return error_hint(err, "use the OpenSSH client: --ssh openssh");
}

static int open_auto(struct ssh_session **ret, const struct ssh_options *o,
		     const struct ssh_config *c, struct error *err)
{
	struct error why = {0};
	char cannot[160] = "", why_not[160];

	if (c->beyond && c->from_ssh) {
		snprintf(cannot, sizeof(cannot), "libssh2 cannot do '%s' of the ssh_config",
			 c->beyond);
	} else {
		if (check_beyond(c, err) < 0)
			return -1;
		if (open_with(&ssh_libssh2, ret, o, c, cannot, &why) == 0)
			return 0;
		if (!cannot[0] || !c->from_ssh) {
			if (err)
				*err = why;
			return cannot[0] ? error_hint(err,
						      "install the OpenSSH client, which can "
						      "do it: %s",
						      cannot)
					 : -1;
		}
	}
	log_at(LOG_WARN, "using the OpenSSH client for '%s': %s", c->host_name, cannot);
	memcpy(why_not, cannot, sizeof(why_not));
	if (open_with(&ssh_openssh, ret, o, c, cannot, err) < 0)
		return -1;
	memcpy((*ret)->why, why_not, sizeof((*ret)->why));
	return 0;
}

int ssh_open(struct ssh_session **ret, const struct ssh_options *o, struct error *err)
{
	auto_cleanup(ssh_config_release) struct ssh_config c = {0};
	char cannot[160];

	if (ssh_config_load(&c, o, err) < 0 || google_host_key(&c, o, err) < 0)
		return -1;
	if (o->way == SSH_AUTO)
		return open_auto(ret, o, &c, err);
	if (o->way == SSH_OPENSSH)
		return open_with(&ssh_openssh, ret, o, &c, cannot, err);
	return check_beyond(&c, err) < 0 ? -1 : open_with(&ssh_libssh2, ret, o, &c, cannot, err);
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

const char *ssh_backend_name(const struct ssh_session *s)
{
	return s->backend->name;
}

const char *ssh_backend_why(const struct ssh_session *s)
{
	return s->why;
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

int ssh_poll(struct ssh_session *s, struct pollfd *fds, unsigned int max)
{
	return s->backend->poll(s, fds, max);
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
