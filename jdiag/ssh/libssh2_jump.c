#include <errno.h>
#include <libssh2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/libssh2_session.h"
#include "jdiag/ssh/tcp.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define PACKET_BYTES 32768
#define MAX_MESSAGE 300

/* A string of the SSH wire format. */
static size_t put_string(unsigned char *p, const char *s)
{
	uint32_t n = (uint32_t)strlen(s);

	p[0] = (unsigned char)(n >> 24);
	p[1] = (unsigned char)(n >> 16);
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
	memcpy(p + 4, s, n);
	return 4 + n;
}

static size_t put_port(unsigned char *p, uint16_t port)
{
	memset(p, 0, 2);
	p[2] = (unsigned char)(port >> 8);
	p[3] = (unsigned char)port;
	return 4;
}

/* What a channel of type "direct-tcpip" says: where to, and from where (RFC 4254 7.2). */
static size_t tunnel_message(unsigned char *p, const struct ssh_config *c)
{
	size_t n = put_string(p, c->host_name);

	n += put_port(p + n, c->port);
	n += put_string(p + n, "127.0.0.1");
	return n + put_port(p + n, 0);
}

/* Another address of the same host may do. */
static int unreachable(const struct lib_session *outer, const struct ssh_config *c, const char *why,
		       struct error *err)
{
	const char *jump = outer->base.host;

	error_set(err, ERR_SSH, "cannot connect to '%s' port %u through jump host '%s': %s",
		  c->host_name, c->port, jump, why);
	(void)tcp_unreachable(err);
	return error_hint(err, "check that '%s' port %u can be reached from '%s'", c->host_name,
			  c->port, jump);
}

/* libssh2 has the reason of the refusal in its text only. */
static int explain_refusal(struct lib_session *outer, const struct ssh_config *c, struct error *err)
{
	const char *jump = outer->base.host;
	char *text = NULL;

	libssh2_session_last_error(outer->lib, &text, NULL, 0);
	if (outer->lost || !text || !str_starts(text, "Channel open failure"))
		return lib_error(outer, "cannot open a tunnel through jump host", err);
	if (strstr(text, "prohibited")) {
		error_set(err, ERR_SSH,
			  "cannot connect to '%s' port %u through jump host '%s': it does not "
			  "forward there",
			  c->host_name, c->port, jump);
		return error_hint(err,
				  "its sshd_config has to allow it: AllowTcpForwarding yes (or "
				  "local), and PermitOpen, if there, with %s:%u",
				  c->host_name, c->port);
	}
	return unreachable(outer, c, strstr(text, "connect failed") ? "it cannot reach it" : text,
			   err);
}

/* libssh2_channel_direct_tcpip_ex would open it with a window of 2 MiB. */
int lib_tunnel(struct lib_session *s, const struct ssh_config *c, struct error *err)
{
	uint64_t deadline = now_ms() + c->connect_timeout_ms;
	struct lib_session *outer = s->outer;
	unsigned char message[MAX_MESSAGE];
	size_t n = tunnel_message(message, c);

	log_at(LOG_STEP, "ssh: %s port %u through %s", c->host_name, c->port, outer->base.host);
	while (!(s->tunnel = libssh2_channel_open_ex(
			 outer->lib, "direct-tcpip", sizeof("direct-tcpip") - 1, SSH_MAX_WINDOW,
			 PACKET_BYTES, (const char *)message, (unsigned int)n))) {
		if (libssh2_session_last_errno(outer->lib) != LIBSSH2_ERROR_EAGAIN)
			return explain_refusal(outer, c, err);
		if (lib_wait(outer, deadline, "cannot open a tunnel through jump host", err) == 0)
			continue;
		return interrupted() ? -1 : unreachable(outer, c, "no answer in time", err);
	}
	/* no such thing is meant to come, and nobody would read it */
	libssh2_channel_handle_extended_data2(s->tunnel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
	s->fd = outer->fd;
	return 0;
}

/* Where nothing else is said for a jump host, the keys that were given for the host behind it are
 * tried there, too, and then those that would have been. */
static void add_identities(struct ssh_config *c, const struct ssh_options *o)
{
	char **defaults = c->identities;

	if (!c->identities_default || !o->identities)
		return;
	c->identities = NULL;
	c->identities_default = false;
	for (size_t i = 0; o->identities[i]; i++)
		c->identities = ssh_list_add(c->identities, o->identities[i]);
	for (size_t i = 0; defaults && defaults[i]; i++)
		if (access(defaults[i], F_OK) == 0)
			c->identities = ssh_list_add(c->identities, defaults[i]);
	ssh_list_free(defaults);
}

/* The same with the file that was given: it may know the jump host, too. */
static void add_known_hosts(struct ssh_config *c, const struct ssh_options *o)
{
	char **own = c->known_hosts;

	if (!o->known_hosts)
		return;
	c->known_hosts = ssh_list_add(NULL, o->known_hosts);
	for (size_t i = 0; own[i]; i++)
		c->known_hosts = ssh_list_add(c->known_hosts, own[i]);
	ssh_list_free(own);
}

static struct lib_session *new_hop(struct lib_session *s, const struct ssh_config *c)
{
	struct lib_session *hop = lib_new();

	hop->base.backend = s->base.backend;
	hop->base.user = xstrdup(c->user);
	hop->base.host = xstrdup(c->host_name);
	hop->base.port = c->port;
	hop->outer = STEAL(s->outer);
	hop->depth = s->depth + 1;
	return hop;
}

/* As ssh_open does it for the host at the end. */
static int check_beyond(struct lib_session *hop, const struct ssh_options *o,
			const struct ssh_config *c, struct error *err)
{
	if (!c->beyond)
		return 0;
	if (!c->beyond_matters && o->way != SSH_AUTO) {
		log_at(LOG_NOTICE, "libssh2 cannot do '%s' of the ssh_config: it is left out",
		       c->beyond);
		return 0;
	}
	snprintf(hop->base.cannot, sizeof(hop->base.cannot),
		 "libssh2 cannot do '%s' of the ssh_config", c->beyond);
	error_set(err, ERR_SSH, "%s", hop->base.cannot);
	return error_hint(err, "use the OpenSSH client: --ssh openssh");
}

/* One more jump host becomes s->outer, through the one that is it now. */
static int open_hop(struct lib_session *s, const struct ssh_options *o, const struct ssh_hop *at,
		    struct error *err)
{
	auto_cleanup(ssh_config_release) struct ssh_config c = {0};
	struct ssh_options own = *o;
	struct lib_session *hop;
	int rc;

	own.host = at->host;
	own.user = at->user;
	own.port = at->port;
	own.identities = NULL;
	own.known_hosts = NULL;
	own.extra = NULL; /* as with ssh, these are for the host at the end of the way */
	own.jumps = s->outer ? "none" : NULL;
	own.host_key_alias = NULL;
	if (ssh_config_load(&c, &own, err) < 0)
		return -1;
	add_identities(&c, o);
	add_known_hosts(&c, o);
	hop = new_hop(s, &c);
	rc = check_beyond(hop, &own, &c, err);
	if (rc == 0)
		rc = lib_open(hop, &own, &c, err);
	if (rc < 0 && hop->base.cannot[0])
		snprintf(s->base.cannot, sizeof(s->base.cannot), "jump host '%.60s': %.80s",
			 at->host, hop->base.cannot);
	s->outer = hop; /* also when it failed: freed with s */
	return rc;
}

static bool is_loop(const struct ssh_options *o, const struct ssh_config *c,
		    const struct ssh_hop *hop)
{
	return strcasecmp(hop->host, o->host) == 0 && (!hop->port || hop->port == c->port) &&
	       (!hop->user || strcmp(hop->user, c->user) == 0);
}

int lib_jump(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
	     struct error *err)
{
	for (size_t i = 0; i < c->n_jumps; i++) {
		const struct ssh_hop *hop = &c->jumps[i];

		if (is_loop(o, c, hop) || s->depth >= SSH_MAX_JUMPS) {
			error_set(err, ERR_SSH,
				  "the way to '%s' leads through jump host '%s' again", o->host,
				  hop->host);
			return error_hint(err, "give it 'ProxyJump none' in the ssh_config");
		}
		if (open_hop(s, o, hop, err) < 0) {
			if (err && err->sys == EHOSTUNREACH)
				err->sys = 0; /* whether the host itself answers is not known */
			return error_prefix(err, "jump host '%s'", hop->host);
		}
	}
	return 0;
}
