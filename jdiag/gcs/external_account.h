/* The parts of credentials_parse for identities of other systems. Each fills c (zeroed but for
 * source); ERR_USAGE. */
#ifndef JDIAG_GCS_EXTERNAL_ACCOUNT_H
#define JDIAG_GCS_EXTERNAL_ACCOUNT_H

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/fields.h"

int external_account_parse(struct credentials *c, const struct fields *f,
			   struct error *err) must_check;
int external_user_parse(struct credentials *c, const struct fields *f,
			struct error *err) must_check;

/* service_account_impersonation_url, delegates and lifetime around base, whose content is taken
 * over when it succeeds. */
int impersonation_parse(struct credentials *c, const struct fields *f, struct credentials *base,
			struct error *err) must_check;

/* The e-mail address in
 * https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/ADDRESS: generateAccessToken;
 * NULL when the URL is another one. Free with free(). */
char *impersonation_account(const char *url);

#endif
