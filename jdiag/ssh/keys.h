/* Identity files: private keys, or public ones whose private half is in the agent. */
#ifndef JDIAG_SSH_KEYS_H
#define JDIAG_SSH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

struct identity {
	char *path;	     /* owned */
	struct secret text;  /* the file; empty for a public key */
	unsigned char *blob; /* owned; public key as in the protocol; NULL when it is not known */
	size_t blob_len;
	char type[48];	    /* "ssh-ed25519"; "" when it is not known */
	bool encrypted;	    /* needs a passphrase */
	bool missing;	    /* there is no such file */
	char unusable[160]; /* why it cannot be used; "" when it can */
};

/* Read what stands in the file. Whatever is wrong with it is said in `unusable`, because the next
 * key may do. Permissions are judged as ssh does: a private key of ours that others can read is
 * refused. */
void identity_load(struct identity *id, const char *path);
void identity_release(struct identity *id);

bool key_is_rsa(const char *type);

/* $HOME (or the user's directory)/relative; free with free(). */
char *home_path(const char *relative) must_check;

#endif
