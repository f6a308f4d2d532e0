/*
 * One PUT by the node's own curl: the address, which is a secret, and the headers go to it on its
 * standard input (`--config -`), the bytes through a pipe; nothing of either is in its arguments or
 * its environment, which every user of the node can read. It runs as a user that nobody else is,
 * with no descriptor but these. Debian's curl since 7.64 was run; nothing newer than `--config`,
 * `write-out` and `upload-file` is used.
 */
#ifndef REMOTE_UPLOAD_CURL_H
#define REMOTE_UPLOAD_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/buf.h"
#include "remote/base/error.h"

struct curl {
	pid_t pid;
	int in;	 /* write the body here; non-blocking; -1 when it is all written */
	int out; /* what it says; non-blocking; -1 at its end */
	struct buf said;
};

#define CURL_INIT ((struct curl){.pid = -1, .in = -1, .out = -1})

/* Its path, or NULL: there is none on this node. */
const char *curl_find(void);

/* May text stand in a configuration file of curl: printable ASCII, no quote, no backslash? */
bool curl_text_is_safe(const char *text);

/* Is line "Name: value", safe, and no more to curl ('@' begins the name of a file)? */
bool curl_header_is_safe(const char *line);

/* Start it. uri: http or https, safe. headers: whole lines "Name: value", safe; its Content-Length
 * (length) is added. ERR_NODE when there is no curl on the node. */
int curl_start(struct curl *c, const char *uri, const char *const *headers, size_t n_headers,
	       uint64_t length, struct error *err) must_check;

/* Some bytes of the body: how many were taken (0: none now), or -1 when it takes no more (it has
 * ended or answered early: its words say why). */
ssize_t curl_write(struct curl *c, const void *data, size_t len);

/* The body is written. */
void curl_finish(struct curl *c);

/* Take in what it says. True at its end: then *status is the HTTP status (0: none), and said has
 * what it printed, at most 64 KiB, without the status. */
bool curl_read(struct curl *c, unsigned int *status);

/* Kill and reap it if it still runs; free. CURL_INIT is fine. */
void curl_stop(struct curl *c);

#endif
