/*
 * Access tokens of Google for one scope, from whichever credentials there are (credentials.h).
 * Asked for when first needed, kept in memory, renewed before they end.
 *
 *	struct google_token t = {.scope = SCOPE_STORAGE, .code = ERR_UPLOAD};
 *	credentials_find(&t.cred, o->token_command, err); token_get(&t, err);
 *	... Authorization: Bearer secret_str(&t.value)
 *	token_answered(&t, status): ask again with another token?
 *	token_release(&t);
 */
#ifndef JDIAG_GCS_TOKEN_H
#define JDIAG_GCS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/secret.h"
#include "remote/base/error.h"

#define SCOPE_STORAGE "https://www.googleapis.com/auth/devstorage.read_write"

struct google_token {
	struct credentials cred;		   /* owned */
	const char *scope;			   /* what the token is for */
	enum err_code code;			   /* of errors */
	int (*tick)(void *ctx, struct error *err); /* as http.h; or NULL */
	void *tick_ctx;

	struct secret value; /* empty: none yet, or CRED_NONE */
	uint64_t expires;    /* now_ms() time at which another one is got */
	bool used;	     /* in an earlier request that was answered */
};

/* Have t->value good for some minutes; nothing to do for CRED_NONE. Errors have t->code (ERR_USAGE
 * for a key that cannot be used) and say which credentials; never a part of them. */
int token_get(struct google_token *t, struct error *err) must_check;

/* The service answered a request that carried t->value. True: with 401 to a token that was good
 * before (ended by somebody, not by its age); it is dropped, and the request is worth one more try.
 * One that is refused at its first use would only be refused again. */
bool token_answered(struct google_token *t, long status);

void token_release(struct google_token *t);

#endif
