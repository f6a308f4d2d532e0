#include "jdiag/ssh/host_key.h"

#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

struct shown {
	const char *type;
	char fingerprint[64];
	const char *name; /* as known_hosts has it */
	const char *file; /* where a new key goes */
};

int host_key_known(struct known_hosts *kh, const struct ssh_config *c, struct error *err)
{
	known_hosts_init(kh, c->host_name, c->port, c->host_key_alias);
	for (size_t i = 0; c->known_hosts[i]; i++)
		if (known_hosts_load(kh, c->known_hosts[i], err) < 0)
			return -1;
	return 0;
}

/* "ssh-ed25519" as ssh-keyscan -t wants it */
static const char *scan_type(const char *type)
{
	return str_starts(type, "ecdsa-") ? "ecdsa" : str_starts(type, "ssh-") ? type + 4 : type;
}

static int hint_unknown(const struct ssh_config *c, const struct shown *k, struct error *err)
{
	return error_hint(err,
			  "compare the fingerprint with the node's own (ssh-keygen -lf "
			  "/etc/ssh/ssh_host_%s_key.pub there), then add it:\n"
			  "  ssh-keyscan -t %s -p %u %s >>%s\n"
			  "or take the key of a host that is seen for the first time: --host-key "
			  "accept-new",
			  scan_type(k->type), scan_type(k->type), c->port, c->host_name, k->file);
}

static int refuse_changed(const struct shown *k, const struct known_key *line, struct error *err)
{
	char known[64];

	error_set(err, ERR_SSH,
		  "the host key of '%s' has changed: it shows %s %s, but %s:%u has %s", k->name,
		  k->type, k->fingerprint, line->file, line->line,
		  ssh_fingerprint(known, line->blob, line->len));
	return error_hint(err,
			  "somebody may be between you and the host; if the node was made anew, "
			  "remove the old key:\n  ssh-keygen -f '%s' -R '%s'",
			  line->file, k->name);
}

static int refuse_revoked(const struct shown *k, const struct known_key *line, struct error *err)
{
	error_set(err, ERR_SSH, "the host key of '%s' (%s %s) is revoked by %s:%u", k->name,
		  k->type, k->fingerprint, line->file, line->line);
	return error_hint(err, "this key must not be trusted: give the host a new one");
}

static int refuse_other_type(const struct ssh_config *c, const struct shown *k,
			     const struct known_key *line, struct error *err)
{
	error_set(err, ERR_SSH,
		  "no %s key of '%s' is known: it shows %s, and %s:%u has a key of type %s only",
		  k->type, k->name, k->fingerprint, line->file, line->line, line->type);
	return hint_unknown(c, k, err);
}

static int refuse_ca(const struct ssh_config *c, const struct shown *k,
		     const struct known_key *line, struct error *err)
{
	error_set(err, ERR_SSH,
		  "the host key of '%s' is not known: %s:%u names a certificate authority, and "
		  "libssh2 cannot check host certificates; the host shows %s %s",
		  k->name, line->file, line->line, k->type, k->fingerprint);
	return error_hint(
		err,
		"use the OpenSSH client, which checks them: --ssh openssh\nor compare the "
		"fingerprint with the node's own, and add this key:\n"
		"  ssh-keyscan -t %s -p %u %s >>%s",
		scan_type(k->type), c->port, c->host_name, k->file);
}

static int refuse(const struct ssh_config *c, enum known_verdict verdict, const struct shown *k,
		  const struct known_key *line, struct error *err)
{
	switch (verdict) {
	case KNOWN_CHANGED:
		return refuse_changed(k, line, err);
	case KNOWN_OTHER_TYPE:
		return refuse_other_type(c, k, line, err);
	case KNOWN_CA_ONLY:
		return refuse_ca(c, k, line, err);
	default:
		error_set(err, ERR_SSH, "the host key of '%s' is not known: it shows %s %s",
			  k->name, k->type, k->fingerprint);
		return hint_unknown(c, k, err);
	}
}

int host_key_decide(const struct known_hosts *kh, const struct ssh_config *c, const void *blob,
		    size_t len, struct error *err)
{
	const char *file = c->known_hosts[0];
	char type[48];
	struct shown k = {.type = type, .name = kh->name, .file = file};
	const struct known_key *line;
	enum known_verdict verdict = known_hosts_check(kh, blob, len, &line);

	if (!known_key_type(blob, len, type))
		return error_set(err, ERR_SSH, "'%s' shows a host key that is not well-formed",
				 c->host_name);
	ssh_fingerprint(k.fingerprint, blob, len);
	if (verdict == KNOWN_MATCH)
		return 0;
	if (verdict == KNOWN_REVOKED)
		return refuse_revoked(&k, line, err);
	if (c->host_keys == HOST_KEY_IGNORE) {
		log_at(LOG_WARN,
		       "warning: the host key of '%s' is NOT checked (--host-key ignore); %s: %s "
		       "%s",
		       k.name,
		       verdict == KNOWN_CHANGED ? "it is not the one that is known"
						: "it is not known",
		       k.type, k.fingerprint);
		return 0;
	}
	if (c->host_keys == HOST_KEY_ACCEPT_NEW && verdict == KNOWN_UNKNOWN) {
		if (known_hosts_append(kh, file, blob, len, err) < 0)
			return -1;
		log_at(LOG_WARN, "new host '%s': its key %s %s was added to '%s'", k.name, k.type,
		       k.fingerprint, file);
		return 0;
	}
	return refuse(c, verdict, &k, line, err);
}
