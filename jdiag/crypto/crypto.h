/* What needs OpenSSL, which lives in this folder (and in remote/base/sha256.c) only; and the CRC32C
 * of GCS, which OpenSSL does not have. */
#ifndef JDIAG_CRYPTO_CRYPTO_H
#define JDIAG_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/crc32c.h"
#include "remote/base/error.h"

/* Standard alphabet with padding, or that of URLs without. */
void base64_encode(struct buf *out, const void *data, size_t len, bool url_safe_unpadded);

/* Strict standard alphabet, padding required, unused bits zero, white space skipped. Appended to
 * out. False when not base64, or when out overflows; out may then hold a part. */
bool base64_decode(struct buf *out, const char *text, size_t len) must_check;

/* RS256 signature of data by a PEM private key; appended to out. ERR_USAGE when the key is no RSA
 * key, or is encrypted (nothing is asked on the terminal). */
int rsa_sha256_sign(const char *pem, const void *data, size_t len, struct buf *out,
		    struct error *err) must_check;

/* HMAC-SHA1, for hashed names in known_hosts. */
void hmac_sha1(const void *key, size_t key_len, const void *data, size_t len,
	       unsigned char ret[20]);

/* "SHA256:base64" as ssh-keygen -l shows a key. dst needs 64 bytes. */
char *ssh_fingerprint(char dst[64], const void *key, size_t len);

void crypto_random(void *dst, size_t len); /* ends the process when the kernel gives none */

#endif
