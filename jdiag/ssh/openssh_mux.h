/*
 * A client of OpenSSH's connection multiplexing (PROTOCOL.mux of OpenSSH, version 4, unchanged
 * since 5.4): the master is asked for a command over its control socket, and is given the
 * descriptors that become the command's streams. So a command costs no process of ours, and how it
 * ended is known better than from the status of an ssh client, which is 255 for whatever went
 * wrong.
 *
 * One connection serves one command; a second kind of connection only asks whether the master
 * lives.
 */
#ifndef JDIAG_SSH_OPENSSH_MUX_H
#define JDIAG_SSH_OPENSSH_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/base/error.h"

#define MUX_MAX_MESSAGE 4096 /* of those that a master sends to us */

enum mux_type {
	MUX_HELLO = 0x00000001,
	MUX_NEW_SESSION = 0x10000002,
	MUX_ALIVE_CHECK = 0x10000004,
	MUX_PERMISSION_DENIED = 0x80000002,
	MUX_FAILURE = 0x80000003,
	MUX_EXIT_MESSAGE = 0x80000004,
	MUX_ALIVE = 0x80000005,
	MUX_SESSION_OPENED = 0x80000006,
};

struct mux_message {
	uint32_t type;	  /* one of those above, or one that is not known here */
	uint32_t number;  /* HELLO: version; else: request or session id; 0 where it has none */
	uint32_t value;	  /* EXIT_MESSAGE: status; SESSION_OPENED: session; ALIVE: pid */
	char reason[256]; /* PERMISSION_DENIED, FAILURE: escaped; else "" */
};

/* The body of a message, without its length. False when it is not well-formed. */
bool mux_parse(const unsigned char *body, size_t len, struct mux_message *ret) must_check;

struct mux {
	int fd; /* owned; -1: none */
	size_t len;
	unsigned char in[4 + MUX_MAX_MESSAGE];
};

#define MUX_INIT ((struct mux){.fd = -1})

/* Connect and say hello; what it says comes by mux_next. 0 or -errno (-EAGAIN: it is busy). */
int mux_connect(struct mux *ret, const char *path) must_check;
void mux_close(struct mux *m);

/* Ask for a command with these descriptors (they stay the caller's). 0 or -errno. */
int mux_new_session(struct mux *m, const char *command, const int fds[3]) must_check;
int mux_alive_check(struct mux *m) must_check;

/* The next message: 1, 0 when there is none now, -1 at the end of the connection, and for what is
 * no message. Never waits. */
int mux_next(struct mux *m, struct mux_message *ret) must_check;

#endif
