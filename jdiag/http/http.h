/*
 * HTTP over libcurl, which lives in this folder only. Policy that holds for every request:
 * HTTP/1.1, redirects are never followed, TLS is verified unless a client was made `insecure`,
 * TLS 1.2 at least, only http and https, no .netrc, no cookies, answers bounded. A 3xx, 4xx or 5xx
 * is an answer and not an error. The interrupt flag and `tick` are looked after while waiting.
 *
 * Errors have the client's code, and in err->sys what happened:
 *	ECONNREFUSED, EHOSTUNREACH ...	nothing listens there, no way there, the name is not known
 *	ETIMEDOUT	no connection, no answer, or no progress in time
 *	ECONNRESET	the connection broke; whether the request took effect is not known
 *	EKEYREJECTED	the server's certificate is not trusted
 *	EKEYEXPIRED	it has expired, or is not valid yet
 *	EFBIG		the answer is larger than allowed
 *	EPROTO		what answers does not speak HTTP or TLS as we do
 *	EINVAL		the request, a certificate or a key cannot be used
 */
#ifndef JDIAG_HTTP_HTTP_H
#define JDIAG_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

/* How to reach one origin. All strings are copied. Empty or NULL: not set. */
struct http_options {
	const char *ca_pem; /* trust these only (PEM text) */
	const char *ca_file;
	const char *cert_pem, *key_pem; /* client certificate */
	const char *server_name;	/* verify and send this name instead of the URL's host */
	const char *proxy; /* http://, https://, socks5:// (the proxy resolves names, as with Go);
			      NULL: the environment's *_proxy, never for loopback */
	bool no_proxy;	   /* ignore the environment's proxies (metadata server) */
	bool insecure;
	uint64_t connect_timeout_ms; /* 0: 10 s */
	uint64_t stall_timeout_ms;   /* of a pushed PUT without progress; 0: 60 s */
	enum err_code code;	     /* of errors: ERR_API, ERR_UPLOAD ... */
};

struct http_client;
struct pollfd;

struct http_client *http_client_new(const struct http_options *o);
void http_client_free(struct http_client *c);

/* Called about every 200 ms while a request waits; a return of -1 aborts the request with that
 * error. */
void http_client_set_tick(struct http_client *c, int (*tick)(void *ctx, struct error *err),
			  void *ctx);

/* A connection that is there already, and that somebody feeds: no name is looked up, no proxy is
 * asked, and the wait for it is one with the wait for what feeds it. */
struct http_stream {
	/* A socket whose bytes are to go there and to come from there; ctx owns it then. Called
	 * once, before anything can be read from it. */
	void (*attach)(void *ctx, int fd);
	/* Move what there is, without waiting. -1 aborts the request with that error. */
	int (*pump)(void *ctx, struct error *err);
	/* When to pump: fills at most max, returns how many; -1: at once. */
	int (*poll)(void *ctx, struct pollfd *fds, unsigned int max);
	void *ctx;
};

struct http_request {
	const char *method; /* "GET" ... */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL; may hold secrets */
	const char *body;	    /* or NULL */
	size_t body_len;
	uint64_t timeout_ms; /* of the whole request; 0: 30 s */
	size_t max_body;     /* largest answer; 0: MAX_HTTP_BODY */
	bool secret_url;     /* errors and logs show only where it goes, not the path */
	bool cleaning_up;    /* neither the interrupt flag nor tick may stop it */
	const struct http_stream *stream; /* borrowed; NULL: connect to the URL's host */
};

struct http_response {
	long status;
	struct buf body;
	struct buf headers; /* as received, CR LF stripped to LF; bounded to 64 KiB */
};

void http_response_release(struct http_response *r); /* wipes: answers hold tokens */

/* Value of a header (case-insensitive, the last one wins) copied into dst; false when absent or too
 * long. */
bool http_response_header(const struct http_response *r, const char *name, char *dst, size_t size);

/* Retry-After in ms (seconds or an HTTP date); 0 when absent. At most 10 minutes. */
uint64_t http_retry_after_ms(const struct http_response *r);

/* One request. Errors show the URL without user, query (session URIs are secret) and fragment. 0
 * when an answer came, whatever its status; ret is filled, release it. */
int http_do(struct http_client *c, const struct http_request *req, struct http_response *ret,
	    struct error *err) must_check;

/*
 * A PUT whose body is pushed by the caller, for uploads from a stream. The URL is secret: never
 * shown. length is the exact Content-Length. http_put_write blocks until the bytes are taken by
 * libcurl; when the server answers early (an error) it returns 0 with *ret_answered set and the
 * rest need not be written. http_put_finish waits for the answer. http_put_abort closes the
 * connection unless the answer came. A connection that breaks is an error with err->sys =
 * ECONNRESET, one that stands still ETIMEDOUT (both retryable: ask the status).
 * Several PUTs and requests of one client may be under way.
 */
struct http_put;

int http_put_begin(struct http_client *c, const char *url, const char *const *headers,
		   uint64_t length, struct http_put **ret, struct error *err) must_check;
int http_put_write(struct http_put *p, const void *data, size_t len, bool *ret_answered,
		   struct error *err) must_check;
int http_put_finish(struct http_put *p, struct http_response *ret, struct error *err) must_check;
void http_put_abort(struct http_put *p); /* also after finish: frees; NULL is fine */

/* Percent-encode all but unreserved characters; append to b. */
void http_escape(struct buf *b, const char *s);

#endif
