/* The low-level interface on purpose: EVP would link the whole provider machinery into the helper.
 */
#define OPENSSL_API_COMPAT 0x10100000L
#include "remote/base/sha256.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "remote/base/error.h"
#include "remote/base/str.h"

struct sha256 {
	SHA256_CTX ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = xcalloc(1, sizeof(*s));

	SHA256_Init(&s->ctx);
	return s;
}

void sha256_free(struct sha256 *s)
{
	free(s);
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	SHA256_Update(&s->ctx, data, len);
}

char *sha256_hex(const struct sha256 *s, char hex[SHA256_HEX_SIZE])
{
	SHA256_CTX copy = s->ctx;
	unsigned char digest[SHA256_BYTES];

	SHA256_Final(digest, &copy);
	return str_hex(hex, digest, sizeof(digest));
}
