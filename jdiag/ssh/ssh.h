/*
 * SSH to a node: one interface, back ends behind a vtable (backend.h): libssh2, and the system's
 * OpenSSH client as a child process. Single-threaded and non-blocking below: reads and writes
 * return at once, ssh_wait waits. The interrupt flag is looked after in every wait.
 */
#ifndef JDIAG_SSH_SSH_H
#define JDIAG_SSH_SSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote/base/error.h"

/* Bytes that a host may send before we take them; what it sends faster than we can use them lies
 * in our memory. The largest one for a distant host (at 20 ms 243 to 418 MB/s, against 90 with
 * 2 MiB); for one that is near the smallest one does. */
#define SSH_MAX_WINDOW (16 * 1024 * 1024)
#define SSH_MIN_WINDOW (2 * 1024 * 1024)

enum host_key_mode { HOST_KEY_STRICT, HOST_KEY_ACCEPT_NEW, HOST_KEY_IGNORE };

/* Which back end. Auto: libssh2; the OpenSSH client where libssh2 of this machine cannot (RSA keys,
 * user certificates, RSA-only hosts, security keys, GSSAPI, host certificates), with one line that
 * says why. */
enum ssh_way { SSH_AUTO, SSH_LIBSSH2, SSH_OPENSSH };

/* What jdiag was told. What is not given comes from the user's ssh_config (config.h), then from the
 * defaults named here. */
struct ssh_options {
	enum ssh_way way;
	const char *host;	       /* name or address, characters checked by ssh_check_name */
	uint16_t port;		       /* 0: not given; default 22 */
	const char *user;	       /* NULL: not given; default the local user's name */
	const char *const *identities; /* -i, NULL-terminated, or NULL: not given; default
					* ~/.ssh/id_ed25519, id_ecdsa ..., google_compute_engine */
	const char *config_file;  /* ssh_config, as ssh -F; NULL: the user's and the system's */
	const char *const *extra; /* --ssh-option: "Keyword=value", NULL-terminated, or NULL */
	const char
		*jumps; /* -J: "[USER@]HOST[:PORT],..." in order, "none": none; NULL: not given */
	const char
		*host_key_alias; /* name to look up in known_hosts; NULL: not given; default host */
	const char *instance;	 /* "compute.ID": what gcloud calls a host in its own
				  * ~/.ssh/google_compute_known_hosts, which is asked when no other
				  * file knows the host; NULL: it is none of Compute Engine */
	const char *known_hosts; /* file; NULL: not given; default ~/.ssh/known_hosts and the
				    system's */
	bool host_keys_given;
	enum host_key_mode host_keys; /* when not given: StrictHostKeyChecking, else strict */
	uint64_t connect_timeout_ms;  /* TCP and key exchange; 0: not given; default 10 s */
	uint64_t auth_timeout_ms;     /* 0: 20 s */
	bool no_input;		      /* never ask for a passphrase */
	bool no_agent;
};

struct pollfd;
struct ssh_session;
struct ssh_channel;

/* A user or host name that cannot become an option, a metacharacter or a control character:
 * [A-Za-z0-9._-], not starting with "-", at most 255 bytes; when `what` begins with "host" also an
 * IPv6 address without brackets. `what` names it in the error. ERR_USAGE. */
int ssh_check_name(const char *name, const char *what, struct error *err) must_check;

/* Connect, check the host key, authenticate. ERR_SSH; the message names host and port, offered
 * methods, tried keys; err->sys is EHOSTUNREACH when no TCP connection came about: another address
 * of the same host may do. EACCES in err->sys: the login
 * was refused. */
int ssh_open(struct ssh_session **ret, const struct ssh_options *o, struct error *err) must_check;
void ssh_close(struct ssh_session *s); /* NULL is fine */

const char *ssh_user(const struct ssh_session *s);
const char *ssh_host(const struct ssh_session *s);

/* "libssh2" or "openssh", and why it is not libssh2 where that was tried; "" otherwise. */
const char *ssh_backend_name(const struct ssh_session *s);
const char *ssh_backend_why(const struct ssh_session *s);

/* While set, a signal that has come ends neither ssh_wait nor ssh_check_interrupt: what goes on
 * cleans up, bounded by its own time-outs. */
void ssh_set_uninterruptible(struct ssh_session *s, bool on);
int ssh_check_interrupt(const struct ssh_session *s, struct error *err) must_check;

/* Start a command (a shell of the node parses it). */
int ssh_exec(struct ssh_session *s, const char *command, struct ssh_channel **ret,
	     struct error *err) must_check;

enum ssh_stream { SSH_STDOUT, SSH_STDERR };

/* Bytes read, 0 when there are none now (ask ssh_eof), -1 on a lost connection. */
ssize_t ssh_read(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
		 struct error *err) must_check;

/* Bytes taken, 0 when the window is full now, -1. */
ssize_t ssh_write(struct ssh_channel *c, const void *data, size_t n, struct error *err) must_check;

int ssh_write_eof(struct ssh_channel *c, struct error *err) must_check;
bool ssh_eof(const struct ssh_channel *c); /* both streams are at their end */

/* Wait until something may have moved: 1; 0 when the time passed; -1 when the connection is lost or
 * a signal came. Sends keep-alives. Read both streams of the channels until they give 0 before
 * waiting: what lies unread counts as having moved. */
int ssh_wait(struct ssh_session *s, uint64_t timeout_ms, struct error *err) must_check;

/* For who waits for other things as well: what ssh_wait would wait for. Fills at most max, returns
 * how many; -1: do not wait, something may have moved already. Afterwards ssh_wait with no time
 * does what is due. */
int ssh_poll(struct ssh_session *s, struct pollfd *fds, unsigned int max);

/* How the command ended, after ssh_eof: its status, or -1 and the signal's name ("" when unknown).
 */
int ssh_exit_status(struct ssh_channel *c, char signal_name[32]);

void ssh_channel_close(struct ssh_channel *c); /* NULL is fine; no waiting beyond 2 s */

#endif
