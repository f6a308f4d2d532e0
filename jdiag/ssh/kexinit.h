/* What a server offers before encryption begins: libssh2 does not tell, but a failed negotiation
 * has to be explained. Hostile input. */
#ifndef JDIAG_SSH_KEXINIT_H
#define JDIAG_SSH_KEXINIT_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/compiler.h"

#define KEXINIT_BYTES 8192 /* enough of the stream: a banner and OpenSSH's 1.2 KB message */

/* From the first bytes that the server sent (RFC 4253: banner, then SSH_MSG_KEXINIT), its list of
 * host key algorithms, comma-separated, into dst. False when they are not (yet) in there. */
bool kexinit_host_key_algorithms(const unsigned char *stream, size_t len, char *dst,
				 size_t size) must_check;

#endif
