#include "jdiag/crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "remote/base/log.h"

/* The library refuses only when memory or its own set-up is broken; nothing sensible can follow. */
static _Noreturn void die(const char *what)
{
	log_at(LOG_WARN, "%s failed", what);
	abort();
}

void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len, unsigned char ret[20])
{
	unsigned int n = 0;

	if (key_len > INT_MAX || !HMAC(EVP_sha1(), key, (int)key_len, data, len, ret, &n) ||
	    n != 20)
		die("HMAC-SHA1");
}

char *ssh_fingerprint(char dst[64], const void *key, size_t len)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	auto_buf struct buf b = BUF_INIT(63);

	if (!EVP_Digest(key, len, md, &n, EVP_sha256(), NULL) || n != 32)
		die("SHA-256");
	buf_adds(&b, "SHA256:");
	base64_encode(&b, md, n, false);
	/* 32 bytes end in one '=', which ssh-keygen does not show */
	snprintf(dst, 64, "%.*s", (int)b.len - 1, b.data);
	return dst;
}

void crypto_random(void *dst, size_t len)
{
	unsigned char *p = dst;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			die("getrandom");
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}
