/*
 * Which credentials there are, in the order of Google's Application Default Credentials; finding
 * them asks nobody. token.h turns them into access tokens.
 */
#ifndef JDIAG_GCS_CREDENTIALS_H
#define JDIAG_GCS_CREDENTIALS_H

#include <stddef.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

enum credential_kind {
	CRED_NONE,	      /* an emulator: nothing is sent */
	CRED_COMMAND,	      /* --token-command */
	CRED_SERVICE_ACCOUNT, /* key file: a signed claim is exchanged for a token */
	CRED_USER,	      /* `gcloud auth application-default login` */
	CRED_METADATA,	      /* the machine's own service account */
};

struct credentials {
	enum credential_kind kind;
	char *source;	   /* for messages: the file, the command, the metadata host */
	char *account;	   /* client_email, or NULL when it is not known */
	char *key_id;	   /* private_key_id, or NULL */
	char *token_uri;   /* of the files; an address that may see secrets */
	char *client_id;   /* of a user */
	struct secret key; /* PEM of a service account, or the client secret of a user */
	struct secret refresh_token;
};

/* The content of a credential file; path is for messages. ERR_USAGE, naming file and field. */
int credentials_parse(struct credentials *ret, const char *text, size_t len, const char *path,
		      struct error *err) must_check;

/* token_command (or NULL); GOOGLE_APPLICATION_CREDENTIALS; the file of gcloud; the metadata server.
 * With STORAGE_EMULATOR_HOST set the caller asks for none of them. */
int credentials_find(struct credentials *ret, const char *token_command,
		     struct error *err) must_check;

void credentials_release(struct credentials *c);

#endif
