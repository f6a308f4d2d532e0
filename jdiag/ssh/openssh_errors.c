#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/ssh/keys.h"
#include "jdiag/ssh/known_hosts.h"
#include "jdiag/ssh/openssh_session.h"
#include "jdiag/ssh/tcp.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_REPORT 700

static int bad_connection(const struct open_session *s, struct error *err)
{
	bool silent = strstr(s->words.detail, "timed out");

	error_set(err, ERR_SSH, "cannot connect to '%s' port %u: %s", s->base.host, s->base.port,
		  silent ? "no answer" : s->words.detail);
	(void)tcp_unreachable(err);
	return error_hint(err,
			  "check the address and that port %u of the node can be reached from here "
			  "(firewall, bastion, VPN)",
			  s->base.port);
}

static int no_ssh(const struct open_session *s, struct error *err)
{
	if (strstr(s->words.detail, "timed out")) {
		error_set(err, ERR_SSH, "cannot start SSH with '%s' port %u: no answer in time",
			  s->base.host, s->base.port);
		return error_hint(err, "the port is open, but nothing came from it: is it SSH?");
	}
	error_set(err, ERR_SSH, "cannot start SSH with '%s' port %u: %s", s->base.host,
		  s->base.port, s->words.detail);
	if (s->words.last.len) /* of a jump host or a ProxyCommand: it was not the host itself */
		return error_hint(err, "%s", buf_str(&s->words.last));
	return error_hint(
		err,
		"does an SSH server listen on port %u of the host? sshd also hangs up when "
		"it has too many logins at once (MaxStartups)",
		s->base.port);
}

static int no_algorithm(const struct open_session *s, struct error *err)
{
	error_set(err, ERR_SSH, "cannot agree on encryption with '%s' port %u: %s", s->base.host,
		  s->base.port, s->words.detail);
	return error_hint(err, "what the ssh client of this machine may use is in its ssh_config: "
			       "Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms");
}

/* Where a new key would go. */
static const char *known_hosts_file(const struct ssh_config *c)
{
	return c->known_hosts && c->known_hosts[0] ? c->known_hosts[0] : "~/.ssh/known_hosts";
}

/* "ssh-ed25519" as ssh-keyscan -t wants it */
static const char *scan_type(const char *type)
{
	return str_starts(type, "ecdsa-") ? "ecdsa"
	       : strstr(type, "rsa")	  ? "rsa"
	       : str_starts(type, "ssh-") ? type + 4
					  : type;
}

static int unknown_host(const struct words *w, const struct ssh_config *c, const char *name,
			struct error *err)
{
	error_set(err, ERR_SSH, "the host key of '%s' is not known: it shows %s %s", name,
		  w->key_type, w->fingerprint);
	return error_hint(err,
			  "compare the fingerprint with the node's own (ssh-keygen -lf "
			  "/etc/ssh/ssh_host_%s_key.pub there), then add it:\n"
			  "  ssh-keyscan -t %s -p %u %s >>%s\n%s",
			  scan_type(w->key_type), scan_type(w->key_type), c->port, c->host_name,
			  known_hosts_file(c),
			  c->host_keys == HOST_KEY_ACCEPT_NEW
				  ? "it is not taken as new: known_hosts has a certificate "
				    "authority or another key for it"
				  : "or take the key of a host that is seen for the first time: "
				    "--host-key accept-new");
}

static int changed_host(const struct words *w, const struct ssh_config *c, const char *name,
			struct error *err)
{
	size_t file = strcspn(w->detail, ":");

	error_set(err, ERR_SSH,
		  "the host key of '%s' has changed: it shows %s %s, but %s has "
		  "another",
		  name, w->key_type, w->fingerprint, *w->detail ? w->detail : known_hosts_file(c));
	return error_hint(err,
			  "somebody may be between you and the host; if the node was made anew, "
			  "remove the old key:\n  ssh-keygen -f '%.*s' -R '%s'",
			  *w->detail ? (int)file : 200,
			  *w->detail ? w->detail : known_hosts_file(c), name);
}

static int bad_host(const struct open_session *s, const struct ssh_config *c, struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};
	const struct words *w = &s->words;

	known_hosts_init(&kh, c->host_name, c->port, c->host_key_alias);
	switch (w->cause) {
	case CAUSE_HOST_CHANGED:
		return changed_host(w, c, kh.name, err);
	case CAUSE_HOST_REVOKED:
		error_set(err, ERR_SSH, "the host key of '%s' (%s %s) is revoked", kh.name,
			  w->key_type, w->fingerprint);
		return error_hint(err, "this key must not be trusted: give the host a new one");
	case CAUSE_HOST_CERTIFICATE:
		return error_set(err, ERR_SSH, "the host certificate of '%s' is not valid: %s",
				 kh.name, w->detail);
	default:
		return unknown_host(w, c, kh.name, err);
	}
}

static void note(struct buf *report, const char *name, const char *type, const char *what)
{
	auto_free char *safe = str_escape_dup(name, strlen(name), NULL);

	log_at(LOG_STEP, "ssh: %s%s%s: %s", safe, *type ? " " : "", type, what);
	buf_addf(report, "  %s%s%s: %s\n", safe, *type ? " " : "", type, what);
}

static const struct words_offer *find_offer(const struct words *w, const char *name)
{
	for (size_t i = 0; i < w->n_offers; i++)
		if (strcmp(w->offers[i].name, name) == 0)
			return &w->offers[i];
	return NULL;
}

static const char *not_asked(const struct ssh_options *o)
{
	return o->no_input ? "encrypted, and asking for its passphrase is forbidden"
			   : "encrypted, and there is no terminal to ask for its passphrase";
}

/* A file that was named or that is tried by itself: ssh does not say why it did not use one. */
static void note_file(struct buf *report, const struct open_session *s, const struct ssh_options *o,
		      const char *path)
{
	const struct words_offer *offer = find_offer(&s->words, path);
	struct identity id;

	identity_load(&id, path);
	if (id.missing && !o->identities)
		; /* nobody asked for it */
	else if (id.unusable[0])
		note(report, path, id.type, id.unusable);
	else if (offer && !offer->accepted)
		note(report, path, id.type, "rejected by the server");
	else if (offer && id.encrypted)
		note(report, path, id.type, s->may_ask ? "wrong passphrase" : not_asked(o));
	else if (offer)
		note(report, path, id.type, "accepted by the server, but ssh could not use it");
	else if (s->words.cause == CAUSE_TOO_MANY)
		note(report, path, id.type, "not tried any more: the server hung up");
	identity_release(&id);
}

static void note_agent(struct buf *report, const struct words *w)
{
	for (size_t i = 0; i < w->n_offers; i++) {
		auto_free char *name = xasprintf("agent key '%s'", w->offers[i].name);

		if (w->offers[i].agent)
			note(report, name, w->offers[i].type,
			     w->offers[i].accepted ? "the agent did not sign"
						   : "rejected by the server");
	}
}

static int denied(const struct open_session *s, const struct ssh_options *o,
		  const struct ssh_config *c, struct error *err)
{
	auto_buf struct buf report = BUF_INIT(MAX_REPORT);
	const struct words *w = &s->words;
	const char *methods = w->cause == CAUSE_DENIED ? w->detail : w->methods;

	if (*methods && !strstr(methods, "publickey") && !strstr(methods, "gssapi") &&
	    !strstr(methods, "hostbased"))
		return error_set(err, ERR_SSH,
				 "cannot log in to '%s' port %u as '%s': the server does not take "
				 "keys (it offers: %s)",
				 s->base.host, s->base.port, s->base.user, methods);
	note_agent(&report, w);
	for (size_t i = 0; c->identities && c->identities[i]; i++)
		note_file(&report, s, o, c->identities[i]);
	error_set(err, ERR_SSH, "cannot log in to '%s' port %u as '%s': %s (the server offers: %s)",
		  s->base.host, s->base.port, s->base.user,
		  w->cause == CAUSE_TOO_MANY  ? "the server hung up after too many keys"
		  : w->n_offers || report.len ? "no key was accepted"
					      : "there is no key to try",
		  methods);
	err->sys = EACCES;
	return error_hint(err,
			  "keys that were tried:\n%sadd the public key to the authorized keys of "
			  "that user, or choose a key by -i",
			  report.len ? buf_str(&report) : "  none\n");
}

/* A connection that broke while it was made may come back: who connects again has to know. */
static bool broke(const struct words *w)
{
	static const char *const texts[] = {"Connection reset by", "Connection closed by",
					    "closed by remote host", "Broken pipe"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if ((w->cause == CAUSE_NO_SSH && strstr(w->detail, texts[i])) ||
		    (w->cause == CAUSE_OTHER && strstr(buf_str(&w->last), texts[i])))
			return true;
	return false;
}

static int other(const struct open_session *s, struct error *err)
{
	char last[WORDS_LAST];

	error_set(err, ERR_SSH, "cannot log in to '%s' port %u: ssh says: %s", s->base.host,
		  s->base.port, words_last(&s->words, last));
	return s->words.last.len ? error_hint(err, "%s", buf_str(&s->words.last)) : -1;
}

static int explain(const struct open_session *s, const struct ssh_options *o,
		   const struct ssh_config *c, struct error *err)
{
	const struct words *w = &s->words;

	switch (w->cause) {
	case CAUSE_NO_ADDRESS:
		error_set(err, ERR_SSH, "cannot find the address of '%s': %s", s->base.host,
			  w->detail);
		return tcp_unreachable(err);
	case CAUSE_NO_CONNECTION:
		return bad_connection(s, err);
	case CAUSE_NO_SSH:
		return no_ssh(s, err);
	case CAUSE_NO_ALGORITHM:
		return no_algorithm(s, err);
	case CAUSE_HOST_UNKNOWN:
	case CAUSE_HOST_CHANGED:
	case CAUSE_HOST_REVOKED:
	case CAUSE_HOST_CERTIFICATE:
		return bad_host(s, c, err);
	case CAUSE_DENIED:
	case CAUSE_TOO_MANY:
		return denied(s, o, c, err);
	case CAUSE_CONFIG:
		return error_set(err, ERR_SSH, "the ssh client refuses its configuration: %s",
				 w->detail);
	default:
		return other(s, err);
	}
}

int open_explain(const struct open_session *s, const struct ssh_options *o,
		 const struct ssh_config *c, struct error *err)
{
	(void)explain(s, o, c, err);
	if (err && broke(&s->words))
		err->sys = ECONNRESET;
	return -1;
}

int open_tell_host_key(const struct open_session *s, const struct ssh_config *c, struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};
	const struct words *w = &s->words;
	char text[64], last[WORDS_LAST];

	known_hosts_init(&kh, c->host_name, c->port, c->host_key_alias);
	if (c->host_keys == HOST_KEY_IGNORE && !w->matched) {
		log_at(LOG_WARN,
		       "warning: the host key of '%s' is NOT checked (--host-key ignore); %s: %s "
		       "%s",
		       kh.name,
		       w->cause == CAUSE_HOST_CHANGED ? "it is not the one that is known"
						      : "it is not known",
		       w->key_type, w->fingerprint);
		return 0;
	}
	if (w->matched || c->host_keys != HOST_KEY_ACCEPT_NEW)
		return 0;
	/* what was written counts, not what was said */
	if (known_hosts_load(&kh, known_hosts_file(c), err) < 0)
		return -1;
	if (!kh.n && !w->added)
		return error_set(err, ERR_SSH, "cannot add the host key of '%s' to '%s': %s",
				 kh.name, known_hosts_file(c), words_last(w, last));
	if (!kh.n)
		return 0;
	log_at(LOG_WARN, "new host '%s': its key %s %s was added to '%s'", kh.name,
	       kh.keys[kh.n - 1].type,
	       ssh_fingerprint(text, kh.keys[kh.n - 1].blob, kh.keys[kh.n - 1].len),
	       known_hosts_file(c));
	return 0;
}
