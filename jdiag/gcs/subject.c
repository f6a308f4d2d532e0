#include "jdiag/gcs/subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "jdiag/gcs/endpoint.h"
#include "jdiag/gcs/exchange.h"
#include "jdiag/http/http.h"
#include "jdiag/json.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define SOURCE "credential_source"
#define ALLOW "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
#define MAX_HEADERS 32
#define CONNECT_MS 5000

void subject_free(struct subject *s)
{
	if (!s)
		return;
	for (char **h = s->headers; h && *h; h++) {
		secret_wipe(*h, strlen(*h));
		free(*h);
	}
	free(s->headers);
	free(s->where);
	free(s->field);
	free(s->account);
	free(s->output_file);
	free(s);
}

static int take_format(struct subject *s, const struct fields *f, struct error *err)
{
	const char *type, *field;

	if (field_maybe(f, SOURCE ".format.type", &type, err) < 0)
		return -1;
	if (!type || strcmp(type, "text") == 0)
		return 0;
	if (strcmp(type, "json") != 0)
		return field_bad(f, SOURCE ".format.type", err, "'%s' is neither text nor json",
				 type);
	field = field_text(f, SOURCE ".format.subject_token_field_name", err);
	if (!field)
		return -1;
	s->field = xstrdup(field);
	return 0;
}

static int take_url(struct subject *s, const struct fields *f, struct error *err)
{
	struct endpoint e;

	if (!endpoint_parse(s->where, &e))
		return field_bad(f, SOURCE ".url", err, "is not an address");
	if (e.tls || endpoint_is_loopback(&e) || endpoint_is_link_local(&e))
		return 0;
	field_bad(f, SOURCE ".url", err, "asks '%s' without TLS", e.host);
	return error_hint(err, "a subject token comes by https, or from this machine or its link "
			       "(127.0.0.0/8, 169.254.0.0/16): where does this file come from?");
}

/* What is no name or value of a header is refused by http.h as well, but then without the file. */
static bool is_header(const char *name, const json_t *value)
{
	static const char set[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *s = json_string_value(value);

	if (!s || !str_only(name, set))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static int take_headers(struct subject *s, const struct fields *f, struct error *err)
{
	json_t *headers = json_at(f->root, SOURCE ".headers"), *value;
	const char *name;
	size_t n = 0;

	if (!headers || json_is_null(headers))
		return 0;
	if (!json_is_object(headers) || json_object_size(headers) > MAX_HEADERS)
		return field_bad(f, SOURCE ".headers", err, "is not an object of at most %d texts",
				 MAX_HEADERS);
	s->headers = xcalloc(MAX_HEADERS + 1, sizeof(*s->headers));
	json_object_foreach (headers, name, value) {
		if (!is_header(name, value))
			return field_bad(f, SOURCE ".headers", err,
					 "has an entry that is no "
					 "header");
		s->headers[n++] = xasprintf("%s: %s", name, json_string_value(value));
	}
	return 0;
}

static int take_command(struct subject *s, const struct fields *f, const char *account,
			struct error *err)
{
	static const char name[] = SOURCE ".executable.command";
	const char *allowed = getenv(ALLOW), *output;

	if (str_only(s->where, " \t\r\n"))
		return field_bad(f, name, err, "names no program");
	if (!allowed || strcmp(allowed, "1") != 0) {
		field_bad(f, name, err, "wants to run '%.*s', which is not allowed",
			  (int)strcspn(s->where, " \t\r\n"), s->where);
		return error_hint(err,
				  "if you trust that file and that program: export " ALLOW "=1");
	}
	if (field_maybe(f, SOURCE ".executable.output_file", &output, err) < 0 ||
	    field_number(f, SOURCE ".executable.timeout_millis", 5000, 120000, 30000,
			 &s->timeout_ms, err) < 0)
		return -1;
	s->output_file = output ? xstrdup(output) : NULL;
	s->account = account ? xstrdup(account) : NULL;
	return 0;
}

static int not_built(const struct fields *f, const char *name, const char *what, struct error *err)
{
	field_bad(f, name, err, "asks for %s, which jdiag cannot use", what);
	return error_hint(err,
			  "let gcloud get the token: "
			  "--token-command 'gcloud auth application-default print-access-token'");
}

/* Exactly one of the kinds; *ret is its value. */
static int take_kind(struct subject *s, const struct fields *f, struct error *err)
{
	static const char *const names[] = {[SUBJECT_FILE] = SOURCE ".file",
					    [SUBJECT_URL] = SOURCE ".url",
					    [SUBJECT_COMMAND] = SOURCE ".executable.command"};
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value;

		if ((i == SUBJECT_COMMAND ? field_maybe_lines(f, names[i], &value, err)
					  : field_maybe(f, names[i], &value, err)) < 0)
			return -1;
		if (!value)
			continue;
		if (found++)
			return field_bad(f, SOURCE, err,
					 "has more than one of file, url and "
					 "executable");
		s->from = (enum subject_from)i;
		s->where = xstrdup(value);
	}
	return found ? 0
		     : field_bad(f, SOURCE, err, "has none of file, url and executable.command");
}

static int parse_source(struct subject *s, const struct fields *f, const char *account,
			struct error *err)
{
	if (json_at(f->root, SOURCE ".environment_id"))
		return not_built(f, SOURCE ".environment_id", "AWS credentials", err);
	if (json_at(f->root, SOURCE ".certificate"))
		return not_built(f, SOURCE ".certificate", "a client certificate", err);
	if (take_kind(s, f, err) < 0)
		return -1;
	if (s->from == SUBJECT_COMMAND)
		return take_command(s, f, account, err);
	if (take_format(s, f, err) < 0)
		return -1;
	if (s->from == SUBJECT_FILE)
		return 0;
	return take_url(s, f, err) < 0 ? -1 : take_headers(s, f, err);
}

int subject_parse(struct subject **ret, const struct fields *f, const char *account,
		  struct error *err)
{
	struct subject *s = xcalloc(1, sizeof(*s));

	if (parse_source(s, f, account, err) < 0) {
		subject_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* All of the text without the white space around it, or a member of it. */
static int take_token(const struct google_token *t, const struct credentials *c,
		      const struct buf *text, struct secret *ret, struct error *err)
{
	static const char blanks[] = " \t\r\n";
	const struct subject *s = c->subject;
	const char *from = buf_str(text) + strspn(buf_str(text), blanks);
	size_t n = strlen(from);

	if (strlen(buf_str(text)) != text->len)
		return error_set(err, t->code, "its content is not text");
	if (s->field) {
		/* the parser's own words could quote the token */
		auto_json json_t *root =
			json_from_text(buf_str(text), text->len, "it", t->code, NULL);
		json_t *value = json_object_get(root, s->field);

		if (!json_string_length(value))
			return error_set(err, t->code, "its content has no text '%s'", s->field);
		secret_set(ret, json_string_value(value), json_string_length(value));
		secret_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
		return 0;
	}
	while (n && strchr(blanks, from[n - 1]))
		n--;
	if (!n)
		return error_set(err, t->code, "it is empty");
	secret_set(ret, from, n);
	return 0;
}

static int from_file(const struct google_token *t, const struct credentials *c, struct secret *ret,
		     struct error *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_SUBJECT_TOKEN);
	int r = read_secret_file(c->subject->where, &text);

	if (r < 0)
		r = r == -EINVAL ? error_set(err, t->code, "it is not a plain file")
				 : error_sys(err, t->code, -r, "it cannot be read");
	else
		r = take_token(t, c, &text, ret, err);
	secret_wipe(text.data, text.cap);
	if (r < 0)
		error_prefix(err, "subject token '%s' (" SOURCE ".file of '%s')", c->subject->where,
			     c->source);
	return r;
}

static void http_cleanup(struct http_client **c)
{
	http_client_free(*c);
}

static int from_url(const struct google_token *t, const struct credentials *c, struct secret *ret,
		    struct error *err)
{
	const struct subject *s = c->subject;
	const struct http_request req = {.method = "GET",
					 .url = s->where,
					 .headers = (const char *const *)s->headers,
					 .max_body = MAX_SUBJECT_TOKEN,
					 .secret_url = true};
	auto_cleanup(http_response_release) struct http_response r = {0};
	auto_cleanup(http_cleanup) struct http_client *http = NULL;
	struct endpoint e = {0};
	int rc;

	/* what is asked without TLS is on this machine or beside it */
	if (!endpoint_parse(s->where, &e))
		return error_set(err, t->code, "not an address");
	http = http_client_new(&(struct http_options){
		.code = t->code, .no_proxy = !e.tls, .connect_timeout_ms = CONNECT_MS});
	http_client_set_tick(http, t->tick, t->tick_ctx);
	rc = exchange_send(t, http, &req, &r, err);
	if (rc == 0 && r.status != 200)
		rc = error_set(err, t->code, "it answered with status %ld", r.status);
	if (rc == 0)
		rc = take_token(t, c, &r.body, ret, err);
	if (rc < 0)
		error_prefix(err, "subject token from '%s' (" SOURCE ".url of '%s')", e.host,
			     c->source);
	return rc;
}

int subject_get(const struct google_token *t, const struct credentials *c, struct secret *ret,
		struct error *err)
{
	switch (c->subject->from) {
	case SUBJECT_FILE:
		return from_file(t, c, ret, err);
	case SUBJECT_URL:
		return from_url(t, c, ret, err);
	default:
		return subject_run(t, c, ret, err);
	}
}
