/* Certificates made for one run, and a TLS server on loopback that tells what the client said. */
#ifndef TESTS_UNIT_TLS_H
#define TESTS_UNIT_TLS_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "remote/base/error.h"
#include "remote/base/str.h"
#include "tests/unit/server.h"

/* A certificate and its key, made for this run. */
struct identity {
	X509 *cert;
	EVP_PKEY *key;
	char *cert_pem, *key_pem, *locked_key_pem;
};

static inline char *text_of(BIO *bio)
{
	char *data, *copy;
	long len = BIO_get_mem_data(bio, &data);

	copy = xstrndup(data, (size_t)len);
	BIO_free(bio);
	return copy;
}

static inline void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (!x)
		abort();
	X509_add_ext(cert, x, -1);
	X509_EXTENSION_free(x);
}

static inline void write_pem(struct identity *id)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem()),
	    *locked = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(cert, id->cert);
	PEM_write_bio_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_PrivateKey(locked, id->key, EVP_aes_128_cbc(), NULL, 0, NULL,
				 (void *)"passphrase");
	id->cert_pem = text_of(cert);
	id->key_pem = text_of(key);
	id->locked_key_pem = text_of(locked);
}

/* issuer NULL: a CA that signs itself. */
static inline void make_identity(struct identity *id, const struct identity *issuer,
				 const char *name, const char *san)
{
	X509_NAME *subject;

	id->key = str_starts(name, "rsa") ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	id->cert = X509_new();
	if (!id->key || !id->cert)
		abort();
	X509_set_version(id->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), issuer ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), 3600);
	X509_set_pubkey(id->cert, id->key);
	subject = X509_get_subject_name(id->cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(id->cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	if (!issuer)
		add_extension(id->cert, NID_basic_constraints, "critical,CA:TRUE");
	if (san)
		add_extension(id->cert, NID_subject_alt_name, san);
	if (X509_sign(id->cert, issuer ? issuer->key : id->key, EVP_sha256()) <= 0)
		abort();
	write_pem(id);
}

static inline void free_identity(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	free(id->cert_pem);
	free(id->key_pem);
	free(id->locked_key_pem);
}

/* One TLS connection, one request; what the client said is kept. */
struct tls_server {
	struct server base;
	SSL_CTX *ctx;
	const char *body;
	char sni[64], peer[64], head[4096];
};

static inline void note_client(struct tls_server *s, SSL *ssl)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	X509 *peer = SSL_get1_peer_certificate(ssl);

	snprintf(s->sni, sizeof(s->sni), "%s", sni ? sni : "");
	if (peer)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, s->peer,
					  sizeof(s->peer));
	X509_free(peer);
}

static inline void serve_one(struct tls_server *s, int fd)
{
	char answer[256];
	SSL *ssl = SSL_new(s->ctx);
	int n;

	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		 strlen(s->body), s->body);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		note_client(s, ssl);
		n = SSL_read(ssl, s->head, sizeof(s->head) - 1);
		s->head[n > 0 ? n : 0] = '\0';
		if (n > 0)
			SSL_write(ssl, answer, (int)strlen(answer));
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static inline void *tls_loop(void *arg)
{
	struct tls_server *s = arg;
	int fd;

	while ((fd = accept(s->base.listener, NULL, NULL)) >= 0) {
		serve_one(s, fd);
		close(fd);
	}
	return NULL;
}

/* client_ca NULL: no client certificate is asked for. body is the answer to everything. */
static inline void tls_start(struct tls_server *s, const struct identity *id,
			     const struct identity *client_ca, const char *body)
{
	*s = (struct tls_server){.ctx = SSL_CTX_new(TLS_server_method()), .body = body};
	SSL_CTX_use_certificate(s->ctx, id->cert);
	SSL_CTX_use_PrivateKey(s->ctx, id->key);
	if (client_ca) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(s->ctx), client_ca->cert);
		SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	server_listen(&s->base);
	snprintf(s->base.url, sizeof(s->base.url), "https://127.0.0.1:%u", s->base.port);
	if (pthread_create(&s->base.thread, NULL, tls_loop, s) != 0)
		abort();
}

static inline void tls_stop(struct tls_server *s)
{
	server_stop(&s->base);
	SSL_CTX_free(s->ctx);
}

#endif
