/*
 * What the ssh client says on stderr when it is run with -v: how far it is, which key the host
 * shows, which keys it offers, and why it gives up. Only for messages: nothing here decides
 * anything, because a server can put any text in there (its banner). Hostile input. A banner comes
 * after the keys are exchanged: what belongs before that is not believed then.
 */
#ifndef JDIAG_SSH_OPENSSH_WORDS_H
#define JDIAG_SSH_OPENSSH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/base/buf.h"

#define WORDS_MAX_OFFERS 24

enum words_phase { PHASE_CONNECT, PHASE_KEY_EXCHANGE, PHASE_LOGIN };

enum words_cause {
	CAUSE_OTHER,
	CAUSE_NO_ADDRESS,    /* detail: why */
	CAUSE_NO_CONNECTION, /* detail: why */
	CAUSE_NO_SSH,	     /* it is no SSH server, or hung up; detail */
	CAUSE_NO_ALGORITHM,  /* detail: what it offers */
	CAUSE_HOST_UNKNOWN,
	CAUSE_HOST_CHANGED, /* detail: FILE:LINE, or "" */
	CAUSE_HOST_REVOKED,
	CAUSE_HOST_CERTIFICATE, /* detail: what is wrong with it */
	CAUSE_DENIED,		/* detail: the methods that the server takes */
	CAUSE_TOO_MANY,		/* keys, for the server */
	CAUSE_CONFIG,		/* the ssh_config is broken; detail */
};

struct words_offer {
	char name[256]; /* file, or comment of an agent's key; escaped */
	char type[32];	/* "RSA", "ED25519-CERT" */
	bool agent;
	bool accepted; /* the server would take it */
};

struct words {
	struct buf line; /* the one that is not whole yet */
	struct buf last; /* the end of what was neither debugging nor understood, escaped lines */
	enum words_phase phase; /* of the host that was reached last */
	unsigned int jumps; /* clients of jump hosts, which say what they do on the same stderr */
	unsigned int keys;  /* that hosts have shown; more than hosts: some of it is made up */
	bool authenticated;
	bool matched;			    /* the host's key is a known one */
	bool added;			    /* it was added to known_hosts */
	char key_type[48], fingerprint[64]; /* of the host's key; "" */
	enum words_cause cause;		    /* the first one that was recognized */
	char detail[256];		    /* escaped */
	char methods[128];		    /* that the server takes, as it said last; escaped */
	struct words_offer offers[WORDS_MAX_OFFERS];
	size_t n_offers;
};

void words_init(struct words *w);
void words_release(struct words *w);

/* Take what was read from its stderr. Whole lines are logged at LOG_DEBUG. */
void words_take(struct words *w, const char *data, size_t n);

#define WORDS_LAST 320

/* Its last words, for the end of an error; never empty. Returns dst. */
char *words_last(const struct words *w, char dst[WORDS_LAST]);

#endif
