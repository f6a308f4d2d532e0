/*
 * Which credentials there are, in the order of Google's Application Default Credentials; finding
 * them asks nobody and runs nothing. token.h turns them into access tokens.
 *
 * File types: service_account, authorized_user, external_account (a token of a CI system or another
 * cloud, exchanged at Google's Security Token Service), external_account_authorized_user,
 * impersonated_service_account (around any of the others). Sources: golang/oauth2 google/, and
 * https://google.aip.dev/auth/4117 for external accounts.
 *
 * A file is somebody else's word about where secrets go and what is run, so that is checked before
 * anything is sent: see endpoint.h for addresses, subject.h for subject tokens.
 */
#ifndef JDIAG_GCS_CREDENTIALS_H
#define JDIAG_GCS_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

struct subject;

enum credential_kind {
	CRED_NONE,	      /* an emulator: nothing is sent */
	CRED_COMMAND,	      /* --token-command */
	CRED_SERVICE_ACCOUNT, /* key file: a signed claim is exchanged for a token */
	CRED_USER,	      /* `gcloud auth application-default login` */
	CRED_EXTERNAL,	      /* a subject token is exchanged */
	CRED_EXTERNAL_USER,   /* a user of an external identity provider who has logged in */
	CRED_IMPERSONATED,    /* a token of base is exchanged for one of a service account */
	CRED_METADATA,	      /* the machine's own service account */
};

struct credentials {
	enum credential_kind kind;
	char *source;	   /* the file, the command, the metadata host */
	char *account;	   /* the service account that the tokens are of, or NULL: not known */
	char *key_id;	   /* private_key_id, or NULL */
	char *token_uri;   /* of the files: where secrets go; checked */
	char *client_id;   /* of a user; of an external account, or NULL */
	struct secret key; /* PEM of a service account, or the client secret */
	struct secret refresh_token;

	/* CRED_EXTERNAL */
	char *audience, *subject_type;
	char *user_project; /* workforce_pool_user_project, or NULL */
	struct subject *subject;

	/* CRED_IMPERSONATED */
	struct credentials *base;
	char *delegates; /* JSON array of names, or NULL */
	uint64_t lifetime_s;
};

/* The content of a credential file; path is for messages. ERR_USAGE, naming file and field, never
 * quoting a secret. */
int credentials_parse(struct credentials *ret, const char *text, size_t len, const char *path,
		      struct error *err) must_check;

/* token_command (or NULL); GOOGLE_APPLICATION_CREDENTIALS; the file of gcloud; the metadata server.
 * With STORAGE_EMULATOR_HOST set the caller asks for none of them. */
int credentials_find(struct credentials *ret, const char *token_command,
		     struct error *err) must_check;

/* Whose they are, as IAM's policies name members: "serviceAccount:A", "user:ACCOUNT" (to be filled
 * in), all of a pool of external identities; as one word of a shell. Free with free(). */
char *credentials_member(const struct credentials *c) must_check;

/* The source as messages may say it: of a command not its text, which may hold a secret. Borrowed.
 */
const char *credentials_from(const struct credentials *c) must_check;

void credentials_release(struct credentials *c);

#endif
