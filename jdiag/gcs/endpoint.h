/*
 * Where requests with credentials may go. An address that a file or the environment names is
 * believed only when it is https below googleapis.com, or on this machine's own loopback (which
 * cannot hand a secret to anybody else; it is how tests and local proxies are reached).
 */
#ifndef JDIAG_GCS_ENDPOINT_H
#define JDIAG_GCS_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/base/compiler.h"

struct endpoint {
	bool tls;
	char host[256]; /* lower case, without the brackets of IPv6 */
	uint16_t port;
};

/* scheme://host[:port][/...]; no user, no control characters, no blank, no backslash. False when
 * not. */
bool endpoint_parse(const char *url, struct endpoint *ret) must_check;

/* host, host:port or a URL of an API as a variable gives it, with its scheme (else http), without a
 * slash at the end and without the suffix ("/storage/v1"); free with free(). */
char *endpoint_base(const char *value, const char *suffix) must_check;

/* A URL (as endpoint_parse takes it) of a scheme and a host alone. */
bool endpoint_is_base(const char *url);

bool endpoint_same(const struct endpoint *a, const struct endpoint *b);
bool endpoint_is_loopback(const struct endpoint *e);

/* 169.254.0.0/16 or fe80::/10 by number: no router forwards there. */
bool endpoint_is_link_local(const struct endpoint *e);

/* The rule above. */
bool endpoint_may_see_secrets(const struct endpoint *e);

/*
 * The narrower rule for what a credential file of an external account names: https on port 443 to
 * one service of Google ("sts", "iamcredentials") and nothing else; not loopback. Its subject token
 * is not in the file but anywhere the file says, and below googleapis.com there are also buckets
 * that anybody can write to. S.googleapis.com, S.R, R.S, R-S with a region R ("us-east1"), S.mtls,
 * and S-X.p, as Google's own libraries once had it with any R (google-auth, external_account.py).
 */
bool endpoint_is_service(const struct endpoint *e, const char *service);

#endif
