/*
 * The libssh2 back end, inside. One session on one non-blocking socket; each call of libssh2 that
 * says EAGAIN is repeated after lib_wait.
 *
 * libssh2_connect.c: key exchange, host key. libssh2_stream.c: the bytes below it. libssh2_jump.c:
 * jump hosts. libssh2_auth.c, libssh2_agent.c: who we are. libssh2_channel.c: commands. libssh2.c:
 * the rest and the table.
 *
 * A session through a jump host is one on a channel of another session, its `outer` one, and so on;
 * only the outermost has a socket (its own `fd`; that of the others is the same number), and all
 * waiting is for that. No session ever sees half of a packet written: what the socket or the
 * channel below does not take stands in `out`. libssh2 could not send anything else before it has
 * sent the other half, and reading has to send, too (window adjustments).
 */
#ifndef JDIAG_SSH_LIBSSH2_SESSION_H
#define JDIAG_SSH_LIBSSH2_SESSION_H

#include "jdiag/ssh/backend.h"
#include "jdiag/ssh/kexinit.h"
#include "remote/base/buf.h"

struct _LIBSSH2_SESSION;
struct _LIBSSH2_CHANNEL;
#define LIB_MAX_OUT (256 * 1024ul) /* bytes that may stand in lib_session.out */

struct lib_channel;
struct proxy_command;

struct lib_session {
	struct ssh_session base;
	struct _LIBSSH2_SESSION *lib;
	struct lib_session *outer;	 /* owned; to the jump host, or NULL */
	struct _LIBSSH2_CHANNEL *tunnel; /* in outer: our bytes */
	struct proxy_command *proxy;	 /* owned; at the other end of fd, or NULL */
	int fd;				 /* owned, unless there is an outer session */
	unsigned int depth;		 /* of jump hosts that have jump hosts */
	struct buf out;			 /* what the stream below has not taken yet */
	unsigned char *in;		 /* owned; from the tunnel, handed out up to in_pos */
	size_t in_pos, in_len;
	bool ready;		      /* keys were exchanged: a goodbye can be sent */
	bool lost;		      /* the socket has come to its end, or broke */
	uint64_t agent_deadline;      /* until when the agent may take to answer */
	unsigned char *first_bytes;   /* owned; of the server, until keys were exchanged */
	size_t first_len;	      /* at most KEXINIT_BYTES */
	size_t early;		      /* bytes that came until then */
	size_t turn;		      /* bytes that came since we last waited */
	struct lib_channel *channels; /* all that are open */
};

struct lib_channel {
	struct ssh_channel base;
	struct _LIBSSH2_CHANNEL *lib;
	struct lib_channel *next;
	bool eof_seen;	       /* somebody was told */
	unsigned int window;   /* kept this large by us; 0: as opened, libssh2 fills it */
	unsigned long filling; /* bytes of a window adjustment that is on its way out */
};

/* Wait for the socket in the directions that libssh2 blocks on. 0, or -1: the deadline has passed,
 * also when something came: who sends for ever would never let us go (ERR_SSH, "WHAT: no answer
 * within the time"), a signal. */
int lib_wait(struct lib_session *s, uint64_t deadline, const char *what,
	     struct error *err) must_check;

/* The last error of libssh2 as "WHAT 'host' port N: text"; sys is ECONNRESET where the connection
 * broke. Returns -1. */
int lib_error(struct lib_session *s, const char *what, struct error *err);

/* A session with nothing open; free it with lib_free, which closes it politely if it can. user and
 * host of base are the caller's. */
struct lib_session *lib_new(void) must_check;
void lib_free(struct lib_session *s);

/* All of it: connect and log in. */
int lib_open(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
	     struct error *err) must_check;

/* Connect, exchange keys, check the host's. */
int lib_connect(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
		struct error *err) must_check;

/* Log in to the jump hosts of c, the last one becomes s->outer. Errors name the host. */
int lib_jump(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
	     struct error *err) must_check;

/* A channel of s->outer to the host of c, below s. */
int lib_tunnel(struct lib_session *s, const struct ssh_config *c, struct error *err) must_check;

/* Where the bytes of s->lib go and come from. */
void lib_stream_callbacks(struct lib_session *s);

/* Hand on what stands in `out`, as far as it goes. */
void lib_flush(struct lib_session *s);

/* Enough stands in `out`: more would have to wait. */
bool lib_congested(const struct lib_session *s);

/* Whether bytes for s (or an end) have been taken off the socket already. */
bool lib_unread(const struct lib_session *s);

/* The outermost session: the one with the socket. */
struct lib_session *lib_root(struct lib_session *s);

/* Whether this libssh2 can use RSA with SHA-2: 1.11 can, 1.10 (Debian 12) cannot. */
bool lib_has_rsa(const struct lib_session *s);

int lib_authenticate(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
		     struct error *err) must_check;

/* What became of a key, for the error when none was accepted. */
struct auth {
	struct lib_session *s;
	const struct ssh_options *o;
	const struct ssh_config *c;
	uint64_t deadline;
	struct buf *report;
	bool rejected;	   /* a key was, by the server */
	bool disconnected; /* the server has had enough, or the connection broke */
};

/* "  NAME (TYPE): RESULT\n" */
void auth_note(struct auth *a, const char *name, const char *type, const char *fmt, ...)
	printf_like(4, 5);

/* A key that libssh2 cannot use, and the OpenSSH client could. */
void auth_cannot(struct auth *a, const char *name, const char *type);

/* Whether a login that failed with this code of libssh2 means that the server has gone. */
bool auth_hung_up(const struct lib_session *s, int rc);

/* Try the keys of the agent: those whose public half is among `only` (n of them), or, when n is 0
 * and `all`, each. 1: logged in, 0: not, -1: error. */
struct identity;
int lib_agent_auth(struct auth *a, const struct identity *only, size_t n, bool all,
		   struct error *err) must_check;

int lib_exec(struct ssh_session *s, const char *command, struct ssh_channel **ret,
	     struct error *err) must_check;
ssize_t lib_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
		 struct error *err) must_check;
ssize_t lib_write(struct ssh_channel *c, const void *data, size_t n, struct error *err) must_check;
int lib_write_eof(struct ssh_channel *c, struct error *err) must_check;
bool lib_eof(const struct ssh_channel *c);
bool lib_channels_pending(struct lib_session *s);
int lib_exit_status(struct ssh_channel *c, char signal_name[32]);
void lib_channel_close(struct ssh_channel *c);

#endif
