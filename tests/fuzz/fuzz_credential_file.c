/* jdiag: a credential file, and what of it decides where secrets go */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/gcs/credentials.h"
#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool address_ok(const char *url, const char *service)
{
	struct endpoint e;

	if (!url || !endpoint_parse(url, &e))
		return false;
	return service ? endpoint_is_service(&e, service) : endpoint_may_see_secrets(&e);
}

static bool subject_ok(const struct subject *s)
{
	struct endpoint e;

	if (s->from == SUBJECT_COMMAND) /* the variable is not set */
		return false;
	if (s->from == SUBJECT_FILE)
		return *s->where;
	return endpoint_parse(s->where, &e) &&
	       (e.tls || endpoint_is_loopback(&e) || endpoint_is_link_local(&e));
}

/* Whatever a file says, its secrets go to Google only. */
static void check(const struct credentials *c)
{
	switch (c->kind) {
	case CRED_SERVICE_ACCOUNT:
	case CRED_USER:
		if (!address_ok(c->token_uri, NULL) || !c->key.len)
			abort();
		return;
	case CRED_EXTERNAL:
		if (!address_ok(c->token_uri, "sts") || !c->audience || !subject_ok(c->subject))
			abort();
		return;
	case CRED_EXTERNAL_USER:
		if (!address_ok(c->token_uri, "sts") || !c->refresh_token.len)
			abort();
		return;
	case CRED_IMPERSONATED:
		if (!address_ok(c->token_uri, "iamcredentials") || !c->account || !c->lifetime_s)
			abort();
		check(c->base);
		return;
	default:
		abort();
	}
}

/* What a program that gives subject tokens has printed. */
static void try_answer(const char *text, size_t size)
{
	const struct subject s = {.from = SUBJECT_COMMAND};
	auto_secret struct secret token = {0};
	struct error err = {0};
	int r = subject_answer(&s, text, size, 0, false, ERR_UPLOAD, &token, &err);

	if (r > 0 || (r == 0) != (token.len > 0) || (r < 0 && !*err.msg))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_cleanup(credentials_release) struct credentials c = {0};
	struct error err = {0};

	unsetenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
	try_answer((const char *)data, size);
	if (credentials_parse(&c, (const char *)data, size, "fuzz", &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg || c.source)
			abort();
		return 0;
	}
	check(&c);
	return 0;
}
