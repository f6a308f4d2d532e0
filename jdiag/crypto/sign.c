#include "jdiag/crypto/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static void bio_cleanup(BIO **b)
{
	BIO_free(*b);
}

static void pkey_cleanup(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void md_ctx_cleanup(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

/* Without it the library would ask for the passphrase on the terminal. */
static int no_passphrase(char *dst, int size, int writing, void *ctx)
{
	(void)dst, (void)size, (void)writing, (void)ctx;
	return -1;
}

static EVP_PKEY *read_key(const char *pem, struct error *err)
{
	size_t len = strlen(pem);
	auto_cleanup(bio_cleanup) BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	auto_cleanup(pkey_cleanup) EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	ERR_clear_error();
	if (!key) {
		error_set(err, ERR_USAGE, "the private key is not readable as unencrypted PEM");
		return NULL;
	}
	if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
		error_set(err, ERR_USAGE, "the private key is not an RSA key");
		return NULL;
	}
	return STEAL(key);
}

int rsa_sha256_sign(const char *pem, const void *data, size_t len, struct buf *out,
		    struct error *err)
{
	auto_cleanup(pkey_cleanup) EVP_PKEY *key = read_key(pem, err);
	auto_cleanup(md_ctx_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n;
	char *dst;

	if (!key)
		return -1;
	if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(ctx, NULL, &n, data, len) != 1 || !(dst = buf_reserve(out, n)) ||
	    EVP_DigestSign(ctx, (unsigned char *)dst, &n, data, len) != 1) {
		ERR_clear_error();
		return error_set(err, ERR_FAILED, "cannot sign with the private key");
	}
	out->len += n;
	return 0;
}
