/*
 * What a back end of ssh.h implements. A back end's session and channel begin with the structs
 * below; ssh.c only dispatches. Tests bring a back end of their own.
 */
#ifndef JDIAG_SSH_BACKEND_H
#define JDIAG_SSH_BACKEND_H

#include "jdiag/ssh/config.h"
#include "jdiag/ssh/ssh.h"

struct ssh_session {
	const struct ssh_backend *backend;
	char *user; /* owned; freed by ssh_close after the back end's close */
	char *host; /* owned; for messages */
	uint16_t port;
	bool uninterruptible; /* waits go on although a signal came: cleaning up */
	char why[160];	      /* this back end was chosen, and not libssh2; "" otherwise */
	char cannot[160]; /* why this back end cannot although another one could; "" otherwise */
};

struct ssh_channel {
	struct ssh_session *session;
};

/* The functions of ssh.h, one by one; the contracts are written there. */
struct ssh_backend {
	const char *name;
	/* `s` is what alloc gave, with user, host and port set; close is called when it fails. What
	 * o and c both have a say in (config.h) is taken from c. */
	struct ssh_session *(*alloc)(void);
	int (*open)(struct ssh_session *s, const struct ssh_options *o, const struct ssh_config *c,
		    struct error *err);
	void (*close)(struct ssh_session *s); /* frees s itself, too */
	int (*exec)(struct ssh_session *s, const char *command, struct ssh_channel **ret,
		    struct error *err);
	ssize_t (*read)(struct ssh_channel *c, enum ssh_stream which, void *data, size_t n,
			struct error *err);
	ssize_t (*write)(struct ssh_channel *c, const void *data, size_t n, struct error *err);
	int (*write_eof)(struct ssh_channel *c, struct error *err);
	bool (*eof)(const struct ssh_channel *c);
	int (*wait)(struct ssh_session *s, uint64_t timeout_ms, struct error *err);
	int (*poll)(struct ssh_session *s, struct pollfd *fds, unsigned int max);
	int (*exit_status)(struct ssh_channel *c, char signal_name[32]);
	void (*channel_close)(struct ssh_channel *c);
};

extern const struct ssh_backend ssh_libssh2, ssh_openssh;

#endif
