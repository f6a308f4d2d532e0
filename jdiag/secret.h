/* Secrets: tokens, passphrases, private keys, session URIs. One type, wiped when released, never
 * printed: there is no function here that formats one. */
#ifndef JDIAG_SECRET_H
#define JDIAG_SECRET_H

#include <stddef.h>

#include "remote/base/compiler.h"

struct secret {
	char *data; /* owned; NUL-terminated; NULL when empty */
	size_t len;
};

void secret_set(struct secret *s, const char *data, size_t len); /* wipes what was there */
void secret_release(struct secret *s);
const char *secret_str(const struct secret *s); /* never NULL */

/* Wipe any memory, also when the compiler thinks that nobody looks at it again. */
void secret_wipe(void *p, size_t len);

/* Forbid core dumps and ptrace by others of the same user for this process. Once, in main. */
void secret_protect_process(void);

#define auto_secret auto_cleanup(secret_release)

#endif
