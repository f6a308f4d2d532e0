/*
 * The settings for one connection: jdiag's own options over the user's ssh_config over the defaults
 * of OpenSSH. The ssh_config is read by the ssh client itself (`ssh -G`, ssh(1)): there is no
 * second parser of Host, Match and Include. Without a client only the options and the defaults
 * count.
 */
#ifndef JDIAG_SSH_CONFIG_H
#define JDIAG_SSH_CONFIG_H

#include "jdiag/ssh/ssh.h"

#define SSH_MAX_JUMPS 8

/* One machine on the way. */
struct ssh_hop {
	char *user;    /* owned; NULL: that of its own ssh_config */
	char *host;    /* owned */
	uint16_t port; /* 0: that of its own ssh_config */
};

struct ssh_config {
	bool from_ssh;	 /* an ssh client was asked; else options and defaults only */
	char *host_name; /* owned; what to connect to */
	char *user;	 /* owned */
	uint16_t port;
	char **identities; /* owned, NULL-terminated: files in the order of trying; some may not
			      exist */
	bool identities_only;
	bool identities_default; /* nobody named them: a missing one is no error */
	char **certificates;	 /* owned, NULL-terminated: CertificateFile */
	char *agent;		 /* owned; socket of the agent; NULL: $SSH_AUTH_SOCK, "": none */
	char **known_hosts;	 /* owned, NULL-terminated: the user's file first (new keys go
				    there), then the system's */
	char *host_key_alias;	 /* owned; NULL: none */
	bool known_by_google;	 /* known_hosts is gcloud's, the alias what it calls the host */
	enum host_key_mode host_keys;
	bool revoked_file;     /* RevokedHostKeys is set */
	struct ssh_hop *jumps; /* owned; the first one is connected to directly */
	size_t n_jumps;
	char *proxy_command; /* owned; %-tokens expanded; NULL: none. Run by /bin/sh, as ssh does */
	uint64_t connect_timeout_ms;
	unsigned int alive_interval_s, alive_count_max; /* ServerAlive*; interval 0: our default */
	bool gssapi;	     /* GSSAPIAuthentication: libssh2 cannot, but there may be keys */
	const char *beyond;  /* a keyword in it that libssh2 cannot do ("PKCS11Provider"); NULL */
	bool beyond_matters; /* to go on without it would be less safe: libssh2 refuses */
};

/* Lists of owned strings, NULL-terminated. */
char **ssh_list_add(char **list, const char *text) must_check; /* list may be NULL */
void ssh_list_free(char **list);

/* o->host (checked by ssh_check_name before anything is run with it) in the light of the
 * ssh_config. ERR_USAGE for a bad option, ERR_SSH where the ssh_config itself is broken (with what
 * ssh says), ERR_INTERRUPTED. */
int ssh_config_load(struct ssh_config *ret, const struct ssh_options *o,
		    struct error *err) must_check;
void ssh_config_release(struct ssh_config *c);

/* "[USER@]HOST[:PORT],..." as -J and ProxyJump have it, characters checked. ERR_USAGE. */
int ssh_config_parse_jumps(const char *text, struct ssh_hop **ret, size_t *ret_n,
			   struct error *err) must_check;

#endif
