/*
 * The helper on a node: push it, start it, talk to it (remote/wire/PROTOCOL.md).
 * Everything that it answers is checked as hostile input.
 */
#ifndef JDIAG_HELPER_HELPER_H
#define JDIAG_HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

struct json_t;
struct pollfd;
struct ssh_session;
struct helper;

enum sudo_mode { SUDO_AUTO, SUDO_ALWAYS, SUDO_NEVER };

struct helper_options {
	enum sudo_mode sudo;
	uint64_t start_timeout_ms; /* 0: 30 s */
	const char *machine;	   /* what the node is likely to be ("aarch64"); NULL unknown */
};

/* One exec request: private mount namespace, tmpfs, the binary by length, exec; then hello. A
 * second one when the node turns out to be another machine than the first was for. ERR_NODE when
 * root is refused (err->sys is EPERM; with the sudoers line), when the node cannot run it (with
 * what the remote shell printed) or its architecture has no helper in this build. */
int helper_start(struct helper **ret, struct ssh_session *ssh, const struct helper_options *o,
		 struct error *err) must_check;

/* Say goodbye, wait at most 5 s for it to undo its things and end. True when it has, as far as it
 * says itself (status 0). NULL is fine, and true. */
bool helper_stop(struct helper *h);

/* Nothing can be said to it any more: it has ended, or the connection has. */
bool helper_lost(const struct helper *h);

/* The hello's body. Borrowed. */
const struct json_t *helper_hello(const struct helper *h);

/* How it came to run, by what the start command said. */
struct helper_how {
	bool sudo;	/* else the login was root's, or --sudo never */
	bool in_memory; /* from a tmpfs of its own; else from a directory of the node, unlinked */
};
void helper_how(const struct helper *h, struct helper_how *ret);

struct helper_message {
	enum {
		HELPER_NOTHING,
		HELPER_PROGRESS,
		HELPER_RESULT,
		HELPER_ERROR,
		HELPER_DATA,
		HELPER_END
	} kind;
	uint32_t request;
	struct json_t *json; /* PROGRESS, RESULT, END: borrowed until the next call */
	struct error error;  /* ERROR */
	uint64_t offset;     /* DATA */
	const char *data;    /* DATA: borrowed until the next call */
	uint32_t len;
};

/* Send a request; params (an object without "op"; may be NULL) is borrowed. *ret_id names it. */
int helper_request(struct helper *h, const char *op, const struct json_t *params, uint32_t *ret_id,
		   struct error *err) must_check;

/* DATA of an open request whose operation takes it, from offset on; len may be anything. Waits
 * until the link has taken all but the last 512 KiB, and keeps what arrives meanwhile for
 * helper_next (at most 256 KiB; the rest stays in the link). Of a request that has ended: nothing
 * is sent, 0. A failure of the operation is seen by helper_next, so look between pieces. */
int helper_send_data(struct helper *h, uint32_t id, uint64_t offset, const void *data, size_t len,
		     struct error *err) must_check;

int helper_cancel(struct helper *h, uint32_t id, struct error *err) must_check;

/* The next message; HELPER_NOTHING after timeout_ms without one. -1: connection lost or protocol
 * broken. */
int helper_next(struct helper *h, uint64_t timeout_ms, struct helper_message *ret,
		struct error *err) must_check;

/* Keep the connection alive and take in what has arrived, without delivering it: the tick of an
 * upload. */
int helper_pump(struct helper *h, struct error *err) must_check;

/* For who waits for other things as well, after helper_pump and after helper_next said
 * HELPER_NOTHING: what to poll, as ssh_poll. */
int helper_poll(struct helper *h, struct pollfd *fds, unsigned int max);

/* Request and result in one, for operations without data. *ret: a new reference. What arrives for
 * other requests meanwhile is dropped, so none should be open unless it was cancelled. A failure on
 * the node comes back with the node's code and text. */
int helper_call(struct helper *h, const char *op, const struct json_t *params, uint64_t timeout_ms,
		struct json_t **ret, struct error *err) must_check;

#endif
