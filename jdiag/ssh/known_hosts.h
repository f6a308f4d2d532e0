/*
 * known_hosts as OpenSSH means it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): plain and hashed names,
 * comma lists, wildcards, negation, "[host]:port", several keys for a host, @revoked and
 * @cert-authority. A line that does not parse is skipped. libssh2's own reader is not used: it
 * takes markers for names, knows no wildcards and stops at the first broken line.
 */
#ifndef JDIAG_SSH_KNOWN_HOSTS_H
#define JDIAG_SSH_KNOWN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

enum known_marker { MARKER_NONE, MARKER_REVOKED, MARKER_CA };

/* A line that is about the host in question. */
struct known_key {
	enum known_marker marker;
	bool by_plain_name; /* the line names the host without the port, which is not 22 */
	char type[48];
	unsigned char *blob; /* owned; the public key as in the protocol */
	size_t len;
	char *file; /* owned */
	unsigned int line;
};

struct known_hosts {
	char *name;  /* owned; as a line has it: "host", "[host]:port" or the alias; lower case */
	char *plain; /* owned; "host" when name has a port, else NULL */
	struct known_key *keys; /* owned */
	size_t n;
	bool hashed; /* the file in use has hashed names: write such */
};

/* host: of the options; alias replaces host and port when it is not NULL. */
void known_hosts_init(struct known_hosts *kh, const char *host, uint16_t port, const char *alias);
void known_hosts_release(struct known_hosts *kh);

/* Keep the lines of this text that are about the host. `file` is for messages. */
void known_hosts_scan(struct known_hosts *kh, const char *text, size_t len, const char *file);

/* The same with a file; one that does not exist is empty. ERR_SSH when it cannot be read. */
int known_hosts_load(struct known_hosts *kh, const char *file, struct error *err) must_check;

enum known_verdict {
	KNOWN_MATCH,
	KNOWN_UNKNOWN,
	KNOWN_CHANGED,	  /* another key of this type is known */
	KNOWN_OTHER_TYPE, /* only keys of other types are known */
	KNOWN_REVOKED,
	KNOWN_CA_ONLY, /* only a certificate authority is known */
};

/*
 * Judge a key that the host shows. *ret (may be NULL): the line that decided, or NULL. As OpenSSH:
 * a line with the port decides alone; one without it can vouch for (or revoke) a key on another
 * port, but a different key there proves nothing.
 */
enum known_verdict known_hosts_check(const struct known_hosts *kh, const void *blob, size_t len,
				     const struct known_key **ret);

/* Whether a key of this type ("ssh-ed25519") may match. */
bool known_hosts_has_type(const struct known_hosts *kh, const char *type);

/* Add the key to the file (created 0600, its directory 0700). ERR_SSH. */
int known_hosts_append(const struct known_hosts *kh, const char *file, const void *blob, size_t len,
		       struct error *err) must_check;

/* The type inside a public key ("ssh-ed25519"): false when it is not well-formed. */
bool known_key_type(const void *blob, size_t len, char ret[48]) must_check;

#endif
