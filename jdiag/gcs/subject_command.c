#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "jdiag/gcs/subject.h"
#include "jdiag/gcs/token.h"
#include "jdiag/json.h"
#include "jdiag/process.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define PREFIX "GOOGLE_EXTERNAL_ACCOUNT_"
#define TYPE "urn:ietf:params:oauth:token-type:"
#define MAX_ARGS 64
#define OWN_VARIABLES 5

static const char blanks[] = " \t\r\n";

extern char **environ;

static int bad_answer(enum err_code code, struct error *err, const char *why)
{
	return error_set(err, code, "its answer %s", why);
}

/* By its type, the token is in one of two members. */
static const char *token_member(const json_t *root)
{
	const char *type = json_str_at(root, "token_type", "");

	if (strcmp(type, TYPE "id_token") == 0 || strcmp(type, TYPE "jwt") == 0)
		return "id_token";
	return strcmp(type, TYPE "saml2") == 0 ? "saml_response" : NULL;
}

static int take_success(const struct subject *s, json_t *root, int64_t now, bool kept,
			enum err_code code, struct secret *ret, struct error *err)
{
	const json_t *expires = json_object_get(root, "expiration_time");
	const char *member = token_member(root);
	json_t *token = member ? json_object_get(root, member) : NULL;

	if (!member)
		return bad_answer(code, err, "has a token_type that is not known");
	if (!json_string_length(token) || json_string_length(token) > MAX_SUBJECT_TOKEN)
		return error_set(err, code, "its answer has no %s", member);
	if (expires && !json_is_integer(expires))
		return bad_answer(code, err, "has an expiration_time that is not a number");
	if (!expires && s->output_file)
		return bad_answer(code, err, "has no expiration_time, which goes with output_file");
	if (expires && json_integer_value(expires) <= now)
		return kept ? 1 : bad_answer(code, err, "has a token that has expired already");
	secret_set(ret, json_string_value(token), json_string_length(token));
	return 0;
}

static int take_answer(const struct subject *s, json_t *root, int64_t now, bool kept,
		       enum err_code code, struct secret *ret, struct error *err)
{
	const json_t *version = json_object_get(root, "version");
	const json_t *success = json_object_get(root, "success");

	if (!json_is_object(root))
		return bad_answer(code, err, "is not a JSON object");
	if (!json_is_integer(version) || !json_is_boolean(success))
		return bad_answer(code, err, "has no version or no success");
	if (json_integer_value(version) != 1)
		return error_set(err, code, "its answer is of version %lld, which is not known",
				 (long long)json_integer_value(version));
	if (json_is_true(success))
		return take_success(s, root, now, kept, code, ret, err);
	if (kept)
		return 1;
	return error_set(err, code, "it has no token: %.60s: %.200s",
			 json_str_at(root, "code", "(no code)"),
			 json_str_at(root, "message", "(no message)"));
}

int subject_answer(const struct subject *s, const char *text, size_t len, int64_t now, bool kept,
		   enum err_code code, struct secret *ret, struct error *err)
{
	/* the parser's own words could quote the token */
	auto_json json_t *root = json_from_text(text, len, "answer", code, NULL);
	const char *key;
	json_t *value;
	int r = take_answer(s, root, now, kept, code, ret, err);

	json_object_foreach (root, key, value)
		if (json_is_string(value))
			secret_wipe((char *)(uintptr_t)json_string_value(value),
				    json_string_length(value));
	return r;
}

/* Ours and the five of the specification; what we do not set of those is not inherited. */
static char **environment(const struct credentials *c)
{
	const struct subject *s = c->subject;
	size_t n = 0, own = 0;
	char **env;

	while (environ[own])
		own++;
	env = xcalloc(own + OWN_VARIABLES + 1, sizeof(*env));
	for (size_t i = 0; i < own; i++)
		if (!str_starts(environ[i], PREFIX) || str_starts(environ[i], PREFIX "ALLOW_"))
			env[n++] = xstrdup(environ[i]);
	env[n++] = xasprintf(PREFIX "AUDIENCE=%s", c->audience);
	env[n++] = xasprintf(PREFIX "TOKEN_TYPE=%s", c->subject_type);
	env[n++] = xstrdup(PREFIX "INTERACTIVE=0");
	if (s->account)
		env[n++] = xasprintf(PREFIX "IMPERSONATED_EMAIL=%s", s->account);
	if (s->output_file)
		env[n++] = xasprintf(PREFIX "OUTPUT_FILE=%s", s->output_file);
	return env;
}

static void free_list(char ***list)
{
	for (char **s = *list; s && *s; s++)
		free(*s);
	free(*list);
}

/* At white space, without quotes, as the reference clients do. */
static char **split(const char *line)
{
	char **argv = xcalloc(MAX_ARGS + 1, sizeof(*argv));
	size_t n = 0;

	for (line += strspn(line, blanks); *line && n < MAX_ARGS; line += strspn(line, blanks)) {
		argv[n++] = xstrndup(line, strcspn(line, blanks));
		line += strcspn(line, blanks);
	}
	return argv;
}

static int run(const struct google_token *t, const struct credentials *c, struct secret *ret,
	       struct error *err)
{
	const struct subject *s = c->subject;
	auto_cleanup(free_list) char **argv = split(s->where);
	auto_cleanup(free_list) char **env = environment(c);
	auto_free char *what = xasprintf("'%s'", argv[0]);
	auto_buf struct buf out = BUF_INIT(MAX_PLUGIN_OUTPUT);
	int r;

	log_at(LOG_STEP, "running '%s' for a subject token", argv[0]);
	r = process_run(&(struct process_run){.what = what,
					      .program = argv[0],
					      .argv = argv,
					      .envp = env,
					      .quiet = true,
					      .group = true,
					      .timeout_ms = s->timeout_ms,
					      .code = t->code,
					      .tick = t->tick,
					      .tick_ctx = t->tick_ctx},
			&out, err);
	if (r == 0) {
		r = subject_answer(s, buf_str(&out), out.len, (int64_t)time(NULL), false, t->code,
				   ret, err);
		if (r < 0)
			error_prefix(err, "%s", what);
	}
	secret_wipe(out.data, out.cap);
	if (r < 0 && err && err->code != ERR_INTERRUPTED) {
		error_prefix(err, "subject token (executable of '%s')", c->source);
		error_hint(err, "run the program by hand: what it prints on standard error is not "
				"shown here");
	}
	return r;
}

/* Its last answer: 0 good, 1 none that is. */
static int from_output_file(const struct google_token *t, const struct credentials *c,
			    struct secret *ret, struct error *err)
{
	const struct subject *s = c->subject;
	auto_buf struct buf text = BUF_INIT(MAX_PLUGIN_OUTPUT);
	int r;

	if (!s->output_file)
		return 1;
	r = read_secret_file(s->output_file, &text);
	if (r == -ENOENT || (r == 0 && !text.len))
		return 1;
	if (r == -EINVAL)
		r = error_set(err, t->code, "it is not a plain file");
	else if (r < 0)
		r = error_sys(err, t->code, -r, "it cannot be read");
	else
		r = subject_answer(s, buf_str(&text), text.len, (int64_t)time(NULL), true, t->code,
				   ret, err);
	secret_wipe(text.data, text.cap);
	if (r < 0) {
		error_prefix(err, "'%s' (executable.output_file of '%s')", s->output_file,
			     c->source);
		error_hint(err, "remove that file: the program makes it anew");
	}
	return r;
}

int subject_run(const struct google_token *t, const struct credentials *c, struct secret *ret,
		struct error *err)
{
	int r = from_output_file(t, c, ret, err);

	return r == 1 ? run(t, c, ret, err) : r;
}
