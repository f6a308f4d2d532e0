/* What `ssh -G` prints: one "keyword value" a line, as it stands in the ssh_config, some of it with
 * its tokens expanded and some not (which depends on the release). Foreign text: bounded, checked.
 */
#ifndef JDIAG_SSH_CONFIG_DUMP_H
#define JDIAG_SSH_CONFIG_DUMP_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/error.h"

enum dump_key {
	DUMP_HOSTNAME,
	DUMP_USER,
	DUMP_PORT,
	DUMP_IDENTITY_FILE,
	DUMP_IDENTITIES_ONLY,
	DUMP_IDENTITY_AGENT,
	DUMP_CERTIFICATE_FILE,
	DUMP_USER_KNOWN_HOSTS,
	DUMP_GLOBAL_KNOWN_HOSTS,
	DUMP_HOST_KEY_ALIAS,
	DUMP_STRICT_HOST_KEYS,
	DUMP_PROXY_JUMP,
	DUMP_PROXY_COMMAND,
	DUMP_PROXY_FDPASS,
	DUMP_CONNECT_TIMEOUT,
	DUMP_ALIVE_INTERVAL,
	DUMP_ALIVE_COUNT,
	/* what libssh2 cannot do */
	DUMP_PREFERRED_AUTHENTICATIONS,
	DUMP_PUBKEY_AUTHENTICATION,
	DUMP_GSSAPI,
	DUMP_PKCS11_PROVIDER,
	DUMP_KNOWN_HOSTS_COMMAND,
	DUMP_REVOKED_HOST_KEYS,
	DUMP_BIND_ADDRESS,
	DUMP_BIND_INTERFACE,
	DUMP_KEYS
};

#define DUMP_MAX_LINE 8192

struct ssh_dump {
	/* owned, NULL: not there. IdentityFile and CertificateFile, which may come several times,
	 * have a line for each; of the others the first one counts, as in an ssh_config. */
	char *value[DUMP_KEYS];
};

/* The keyword as ssh_config(5) spells it, for messages. */
const char *dump_keyword(enum dump_key key);

/* Take a text of lines. Keywords that nobody asks for are skipped; one that is asked for with a
 * value that is too long or has a control character is ERR_SSH. */
int dump_parse(struct ssh_dump *d, const char *text, size_t len, struct error *err) must_check;

/* "Keyword=value" or "Keyword value", as -o has it. A keyword that is not known here: false in
 * *ret_known. ERR_USAGE. */
int dump_option(struct ssh_dump *d, const char *option, bool *ret_known,
		struct error *err) must_check;

void dump_release(struct ssh_dump *d);

#endif
