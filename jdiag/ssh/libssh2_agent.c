#include <libssh2.h>
#include <stdlib.h>
#include <string.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/ssh/keys.h"
#include "jdiag/ssh/known_hosts.h"
#include "jdiag/ssh/libssh2_session.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define MAX_AGENT_KEYS 64

static void agent_free(LIBSSH2_AGENT **agent)
{
	if (*agent) {
		libssh2_agent_disconnect(*agent);
		libssh2_agent_free(*agent);
	}
}

static bool wanted(const struct libssh2_agent_publickey *key, const struct identity *only, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (only[i].blob && only[i].blob_len == key->blob_len &&
		    memcmp(only[i].blob, key->blob, key->blob_len) == 0)
			return true;
	return false;
}

/* Hardware keys, certificates and DSA are nothing for libssh2 1.10, and each try counts. */
static bool type_is_usable(const char *type)
{
	return strcmp(type, "ssh-ed25519") == 0 || key_is_rsa(type) ||
	       (str_starts(type, "ecdsa-sha2-nistp") && !strchr(type, '@'));
}

/* 1: logged in, 0: not by this key, -1: error */
static int try_key(struct auth *a, LIBSSH2_AGENT *agent, struct libssh2_agent_publickey *key,
		   struct error *err)
{
	struct lib_session *s = a->s;
	auto_free char *name = xasprintf("agent key '%.80s'", key->comment ? key->comment : "");
	char type[48];
	int rc;

	if (!known_key_type(key->blob, key->blob_len, type))
		return 0;
	if (!type_is_usable(type) || (key_is_rsa(type) && !lib_has_rsa(s))) {
		auth_cannot(a, name, type);
		return 0;
	}
	while ((rc = libssh2_agent_userauth(agent, s->base.user, key)) == LIBSSH2_ERROR_EAGAIN)
		if (lib_wait(s, a->deadline, "cannot log in to", err) < 0)
			return -1;
	if (rc == 0)
		return 1;
	a->disconnected |= auth_hung_up(s, rc);
	a->rejected |= !a->disconnected;
	auth_note(a, name, type,
		  a->disconnected ? "the server hung up"
		  : rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
				  rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
			  ? "rejected by the server"
			  : "the agent did not sign");
	return 0;
}

int lib_agent_auth(struct auth *a, const struct identity *only, size_t n, bool all,
		   struct error *err)
{
	auto_cleanup(agent_free) LIBSSH2_AGENT *agent = NULL;
	struct libssh2_agent_publickey *key = NULL;
	const char *path = a->c->agent ? a->c->agent : getenv("SSH_AUTH_SOCK");

	if (!path || !*path)
		return 0;
	agent = libssh2_agent_init(a->s->lib);
	if (agent)
		libssh2_agent_set_identity_path(agent, path);
	a->s->agent_deadline = a->deadline;
	if (!agent || libssh2_agent_connect(agent) || libssh2_agent_list_identities(agent)) {
		auth_note(a, "agent", "", "cannot be talked to");
		return 0;
	}
	for (int i = 0; i < MAX_AGENT_KEYS && !a->disconnected; i++) {
		int rc;

		if (libssh2_agent_get_identity(agent, &key, key))
			break;
		if (!all && !wanted(key, only, n))
			continue;
		rc = try_key(a, agent, key, err);
		if (rc)
			return rc;
	}
	return 0;
}
