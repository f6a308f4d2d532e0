/*
 * Where the subject token of an external account comes from (credential_source of the file,
 * https://google.aip.dev/auth/4117): a file, a URL, or a program.
 *
 * - A URL is the CI system's own, so it may be anywhere, but https; plain http only to this machine
 *   and its link (loopback, 169.254.0.0/16, fe80::/10: metadata servers), which no router forwards.
 *   Redirects are not followed, and it gets nothing but the headers that stand in the same file.
 * - A program runs only when GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1, without a shell: the
 *   command is split at white space, as the reference clients do. Its stderr is dropped: programs
 *   that print tokens there exist, and the log of a CI job is public.
 * - The token goes to Google's Security Token Service only (endpoint_is_service).
 * AWS and X.509 sources are refused with a hint.
 */
#ifndef JDIAG_GCS_SUBJECT_H
#define JDIAG_GCS_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "jdiag/gcs/fields.h"
#include "jdiag/secret.h"
#include "remote/base/error.h"

struct credentials;
struct google_token;

enum subject_from { SUBJECT_FILE, SUBJECT_URL, SUBJECT_COMMAND };

struct subject {
	enum subject_from from;
	char *where;	/* path, URL or command line */
	char *field;	/* the member of a JSON object; NULL: the token is all of the text */
	char **headers; /* for the URL: "Name: value", NULL-terminated; may hold secrets; or NULL */
	/* SUBJECT_COMMAND */
	char *account;	   /* that will be impersonated, or NULL */
	char *output_file; /* where the program keeps its last answer, or NULL */
	uint64_t timeout_ms;
};

/* credential_source of f. account: the one that will be impersonated, or NULL. ERR_USAGE. */
int subject_parse(struct subject **ret, const struct fields *f, const char *account,
		  struct error *err) must_check;

/* The subject token of c. t says how to wait and what code errors have. */
int subject_get(const struct google_token *t, const struct credentials *c, struct secret *ret,
		struct error *err) must_check;

/* subject_command.c: an answer of the program (response version 1). now: Unix time. 0; 1: a kept
 * answer (`kept`) that is of no use any more; -1. Errors never quote the token. */
int subject_answer(const struct subject *s, const char *text, size_t len, int64_t now, bool kept,
		   enum err_code code, struct secret *ret, struct error *err) must_check;

/* subject_command.c: run the program, unless its last answer is still good. */
int subject_run(const struct google_token *t, const struct credentials *c, struct secret *ret,
		struct error *err) must_check;

void subject_free(struct subject *s);

#endif
