/* The tokens of ssh_config(5): "%h", "${VARIABLE}", "~/". `ssh -G` leaves them in some values. */
#ifndef JDIAG_SSH_CONFIG_TOKENS_H
#define JDIAG_SSH_CONFIG_TOKENS_H

#include <stdint.h>

#include "remote/base/compiler.h"

struct ssh_tokens {
	const char *host;  /* %h */
	const char *name;  /* %n: as it was given */
	const char *user;  /* %r */
	uint16_t port;	   /* %p */
	const char *alias; /* %k: HostKeyAlias, or NULL: the name */
};

/* %h %n %p %r %%: what ProxyCommand and ProxyJump have. NULL for another token, a lone '%' at the
 * end, or when it comes out too long; free with free(). */
char *tokens_expand(const char *text, const struct ssh_tokens *t) must_check;

/* The name of a file: "~/" (of the password database, as ssh does it), ${VARIABLE}, those tokens
 * and %d %i %k %L %l %u. NULL as above, for "~somebody/" and for a variable that is not set. */
char *tokens_expand_path(const char *text, const struct ssh_tokens *t) must_check;

#endif
