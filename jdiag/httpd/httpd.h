/*
 * A small HTTP/1.1 server: whole answers to GET and HEAD, one for each connection, from a thread of
 * its own. Who asks is not trusted: HTTPD_CONNECTIONS at a time, HTTPD_HEAD bytes of a request, no
 * body, and each connection ends after some seconds, however slowly it asks or reads.
 */
#ifndef JDIAG_HTTPD_HTTPD_H
#define JDIAG_HTTPD_HTTPD_H

#include <stdint.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

#define HTTPD_CONNECTIONS 64
#define HTTPD_HEAD 16384
#define HTTPD_LIFE_MS 20000 /* of one connection */

struct httpd;

struct httpd_answer {
	unsigned int status; /* 200 */
	const char *type;    /* "application/json"; of static storage */
	struct buf body; /* as large as the callback makes its maximum; released by the server */
};

/* Called in the server's thread for a GET or HEAD of a path (decoded, without its query). *ret
 * starts as a 404. */
typedef void httpd_answer_fn(void *ctx, const char *path, struct httpd_answer *ret);

/* Take the address: "ADDRESS:PORT", "[ADDRESS]:PORT", "localhost:PORT", and on 127.0.0.1 ":PORT"
 * and "PORT". Port 0 is one that is free. Clients can connect from now on, and wait for
 * httpd_start. ERR_USAGE for what is no address, is not this machine's, or is in use; ERR_FAILED.
 */
int httpd_open(struct httpd **ret, const char *listen, struct error *err) must_check;

/* "127.0.0.1:9405", with the port that it has. Borrowed. */
const char *httpd_address(const struct httpd *h);

/* Other than HTTPD_LIFE_MS; before httpd_start. */
void httpd_set_life(struct httpd *h, uint64_t ms);

/* Begin to answer. No signal is delivered to the server's thread. */
int httpd_start(struct httpd *h, httpd_answer_fn *answer, void *ctx, struct error *err) must_check;

/* Does it still answer? ERR_FAILED: it cannot any more. */
int httpd_check(const struct httpd *h, struct error *err) must_check;

/* Connections that are open end at once. NULL is fine. */
void httpd_close(struct httpd *h);

#endif
