#include <errno.h>
#include <libssh2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/ssh/keys.h"
#include "jdiag/ssh/libssh2_session.h"
#include "jdiag/ssh/tty.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define AUTH_MS 20000
#define MAX_IDENTITIES 32
#define MAX_REPORT 700
#define PASSPHRASE_TRIES 3

struct identities {
	struct identity list[MAX_IDENTITIES];
	size_t n;
};

static void identities_release(struct identities *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		identity_release(&ids->list[i]);
}

void auth_note(struct auth *a, const char *name, const char *type, const char *fmt, ...)
{
	auto_free char *safe = str_escape_dup(name, strlen(name), NULL);
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	log_at(LOG_STEP, "ssh: %s%s%s: %s", safe, *type ? " " : "", type, what);
	buf_addf(a->report, "  %s%s%s: %s\n", safe, *type ? " " : "", type, what);
}

void auth_cannot(struct auth *a, const char *name, const char *type)
{
	char *cannot = a->s->base.cannot;

	auth_note(a, name, type, "cannot be used by libssh2 %s", libssh2_version(0));
	if (*cannot)
		return;
	/* of the name its end says more */
	if (strlen(name) > 80)
		name += strlen(name) - 80;
	str_escape(cannot, 100, name, strlen(name), NULL);
	snprintf(cannot + strlen(cannot), sizeof(a->s->base.cannot) - strlen(cannot),
		 " (%s) cannot be used by libssh2 %s", type, libssh2_version(0));
}

/* A server that closes the connection instead of answering is reported like a key that it refuses,
 * but for the text. */
bool auth_hung_up(const struct lib_session *s, int rc)
{
	char *text = NULL;

	if (rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_SOCKET_SEND ||
	    rc == LIBSSH2_ERROR_SOCKET_RECV)
		return true;
	libssh2_session_last_error(s->lib, &text, NULL, 0);
	return rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && text && str_starts(text, "Waiting for ");
}

/* One login by the private key. 1, 0 (*ret_rc tells why not), -1. */
static int try_private_key(struct auth *a, const struct identity *id, const char *passphrase,
			   int *ret_rc, struct error *err)
{
	struct lib_session *s = a->s;
	int rc;

	while ((rc = libssh2_userauth_publickey_frommemory(
			s->lib, s->base.user, strlen(s->base.user), NULL, 0, id->text.data,
			id->text.len, passphrase)) == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, a->deadline, "cannot log in to", err) < 0)
			return -1;
	*ret_rc = rc;
	a->disconnected |= auth_hung_up(s, rc);
	a->rejected |= rc && !a->disconnected;
	return rc == 0;
}

/* Called by libssh2 when the server has said that it would take the key: enough to know. */
static int remember_wanted(LIBSSH2_SESSION *session, unsigned char **sig, size_t *sig_len,
			   const unsigned char *data, size_t data_len, void **abstract)
{
	bool *is_wanted = *abstract;

	(void)session, (void)sig, (void)sig_len, (void)data, (void)data_len;
	*is_wanted = true;
	return -1;
}

/* Whether the server would take this key: nobody types a passphrase for one that it would not.
 * 1, 0, -1. */
static int server_wants(struct auth *a, const struct identity *id, struct error *err)
{
	struct lib_session *s = a->s;
	bool is_wanted = false;
	void *abstract = &is_wanted;
	int rc;

	if (!id->blob)
		return 1;
	while ((rc = libssh2_userauth_publickey(s->lib, s->base.user, id->blob, id->blob_len,
						remember_wanted, &abstract)) ==
	       LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, a->deadline, "cannot log in to", err) < 0)
			return -1;
	a->disconnected |= auth_hung_up(s, rc);
	return is_wanted;
}

static const char *result_text(const struct auth *a, const struct identity *id, int rc)
{
	if (a->disconnected)
		return "the server hung up";
	if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
		return "rejected by the server";
	return id->encrypted ? "wrong passphrase" : "cannot be read by libssh2";
}

/* Time that a person takes to type does not count. */
static int ask_passphrase(struct auth *a, const struct identity *id, struct secret *ret,
			  struct error *err)
{
	auto_free char *name = str_escape_dup(id->path, strlen(id->path), NULL);
	auto_free char *prompt = xasprintf("passphrase for key '%s': ", name);
	uint64_t before = now_ms();
	int rc = tty_ask_secret(prompt, ret, err);

	a->deadline += now_ms() - before;
	return rc;
}

static int try_encrypted(struct auth *a, const struct identity *id, struct error *err)
{
	int rc = server_wants(a, id, err), code = 0;

	if (rc < 0)
		return -1;
	if (rc == 0) {
		auth_note(a, id->path, id->type,
			  a->disconnected ? "the server hung up" : "rejected by the server");
		return 0;
	}
	if (a->o->no_input || !tty_present()) {
		auth_note(a, id->path, id->type, "encrypted, and %s",
			  a->o->no_input ? "asking for its passphrase is forbidden"
					 : "there is no terminal to ask for its passphrase");
		return 0;
	}
	for (int i = 0; i < PASSPHRASE_TRIES && !a->disconnected; i++) {
		auto_secret struct secret passphrase = {0};

		if (ask_passphrase(a, id, &passphrase, err) < 0)
			return -1;
		rc = try_private_key(a, id, secret_str(&passphrase), &code, err);
		if (rc || code == LIBSSH2_ERROR_AUTHENTICATION_FAILED)
			break;
	}
	if (rc == 0)
		auth_note(a, id->path, id->type, "%s", result_text(a, id, code));
	return rc;
}

/* ssh takes the certificate beside a key; we log in by the key alone, if that is enough. */
static void note_certificate(struct auth *a, const struct identity *id)
{
	auto_free char *path = xasprintf("%s-cert.pub", id->path);

	if (access(path, F_OK) == 0)
		auth_cannot(a, path, "certificate");
}

static int try_identity(struct auth *a, const struct identity *id, struct error *err)
{
	int rc, code;

	if (id->missing && a->c->identities_default)
		return 0;
	if (id->unusable[0]) {
		auth_note(a, id->path, id->type, "%s", id->unusable);
		return 0;
	}
	note_certificate(a, id);
	if ((key_is_rsa(id->type) && !lib_has_rsa(a->s)) || str_starts(id->type, "sk-")) {
		auth_cannot(a, id->path, id->type);
		return 0;
	}
	if (!id->text.data) {
		auth_note(a, id->path, id->type, "a public key; the agent has not logged in by it");
		return 0;
	}
	if (id->encrypted)
		return try_encrypted(a, id, err);
	rc = try_private_key(a, id, NULL, &code, err);
	if (rc == 0)
		auth_note(a, id->path, id->type, "%s", result_text(a, id, code));
	return rc;
}

/* A key whose public half stands beside it can be found in the agent by that. */
static void add_public_half(struct identity *id)
{
	auto_free char *path = xasprintf("%s.pub", id->path);
	struct identity half;

	if (id->blob)
		return;
	identity_load(&half, path);
	if (half.blob && !half.text.data) {
		id->blob = STEAL(half.blob);
		id->blob_len = half.blob_len;
		memcpy(id->type, half.type, sizeof(id->type));
	}
	identity_release(&half);
}

static void load_identities(struct identities *ids, const struct ssh_config *c)
{
	for (size_t i = 0; c->identities && c->identities[i] && ids->n < MAX_IDENTITIES; i++) {
		identity_load(&ids->list[ids->n], c->identities[i]);
		if (!ids->list[ids->n].missing || !c->identities_default)
			add_public_half(&ids->list[ids->n]);
		ids->n++;
	}
}

/* Whatever keys there are, a Kerberos ticket might do. */
static void note_gssapi(struct auth *a, const char *methods)
{
	char *cannot = a->s->base.cannot;

	if (!*cannot && a->c->gssapi && strstr(methods, "gssapi"))
		snprintf(cannot, sizeof(a->s->base.cannot),
			 "the server takes GSSAPI, which libssh2 cannot do");
}

static int hint_report(const struct auth *a, struct error *err)
{
	return error_hint(
		err, "keys that were tried:\n%s%s", a->report->len ? a->report->data : "  none\n",
		a->s->base.cannot[0]
			? "the OpenSSH client can do more than this libssh2: --ssh openssh"
			: "add the public key to the authorized keys of that user, or "
			  "choose a key by -i");
}

static int no_key_was_taken(struct auth *a, const char *methods, struct error *err)
{
	const struct lib_session *s = a->s;

	if (s->lost && !a->rejected) {
		error_set(err, ERR_SSH,
			  "cannot log in to '%s' port %u: the connection was closed by the other "
			  "side",
			  s->base.host, s->base.port);
		err->sys = ECONNRESET;
		return -1;
	}
	note_gssapi(a, methods);
	error_set(err, ERR_SSH, "cannot log in to '%s' port %u as '%s': %s (the server offers: %s)",
		  s->base.host, s->base.port, s->base.user,
		  a->disconnected  ? "the server hung up after too many keys"
		  : a->report->len ? "no key was accepted"
				   : "there is no key to try",
		  methods);
	err->sys = EACCES;
	return hint_report(a, err);
}

/* The methods that the server offers, which is the answer to method "none"; NULL with *ret_done
 * when that was enough. */
static char *offered_methods(struct auth *a, bool *ret_done, struct error *err)
{
	struct lib_session *s = a->s;
	const char *user = s->base.user;
	char *list;

	while (!(list = libssh2_userauth_list(s->lib, user, (unsigned int)strlen(user)))) {
		*ret_done = libssh2_userauth_authenticated(s->lib) == 1;
		if (*ret_done)
			return NULL;
		if (libssh2_session_last_errno(s->lib) != LIBSSH2_ERROR_EAGAIN) {
			lib_error(s, "cannot log in to", err);
			return NULL;
		}
		if (lib_wait(s, a->deadline, "cannot log in to", err) < 0)
			return NULL;
	}
	return list;
}

static int try_all(struct auth *a, const struct identities *ids, struct error *err)
{
	int rc = 0;

	if (!a->o->no_agent)
		rc = lib_agent_auth(a, ids->list, ids->n, !a->c->identities_only, err);
	for (size_t i = 0; i < ids->n && rc == 0 && !a->disconnected; i++)
		rc = try_identity(a, &ids->list[i], err);
	return rc;
}

int lib_authenticate(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
		     struct error *err)
{
	auto_cleanup(identities_release) struct identities ids = {.n = 0};
	auto_buf struct buf report = BUF_INIT(MAX_REPORT);
	struct auth a = {.s = s, .o = o, .c = c, .report = &report};
	auto_free char *methods = NULL;
	bool done = false;
	char *list;
	int rc;

	a.deadline = now_ms() + (o->auth_timeout_ms ? o->auth_timeout_ms : AUTH_MS);
	list = offered_methods(&a, &done, err);
	if (!list)
		return done ? 0 : -1;
	methods = xstrdup(list); /* the library keeps its copy until the next call only */
	if (!strstr(methods, "publickey")) {
		note_gssapi(&a, methods);
		return error_set(err, ERR_SSH,
				 "cannot log in to '%s' port %u as '%s': the server does not take "
				 "keys (it offers: %s)",
				 s->base.host, s->base.port, s->base.user, methods);
	}
	load_identities(&ids, c);
	rc = try_all(&a, &ids, err);
	if (rc == 0)
		return no_key_was_taken(&a, methods, err);
	return rc > 0 ? 0 : -1;
}
