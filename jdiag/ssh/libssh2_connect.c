#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jdiag/interrupt.h"
#include "jdiag/ssh/host_key.h"
#include "jdiag/ssh/libssh2_session.h"
#include "jdiag/ssh/proxy_command.h"
#include "jdiag/ssh/tcp.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_PREFERENCE 512

/* No SHA-1, no CBC, and no MAC or cipher that prefix truncation (CVE-2023-48795) or the overflows
 * fixed after 1.11.1 (encrypt-then-MAC, GCM, chacha20) could touch. aes128 is the faster one. */
static const char kex[] = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
			  "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512,"
			  "diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha256,"
			  "diffie-hellman-group14-sha256";
static const char ciphers[] = "aes128-ctr,aes256-ctr,aes192-ctr";
static const char macs[] = "hmac-sha2-256,hmac-sha2-512";

/* Signature algorithm and type of key, in the order in which they are wanted. */
static const struct {
	const char *algorithm, *type;
} host_keys[] = {
	{"ssh-ed25519", "ssh-ed25519"},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
	{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
	{"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
	{"rsa-sha2-512", "ssh-rsa"},
	{"rsa-sha2-256", "ssh-rsa"},
};

static bool lib_supports(const struct lib_session *s, const char *algorithm)
{
	const char **list = NULL;
	int n = libssh2_session_supported_algs(s->lib, LIBSSH2_METHOD_HOSTKEY, &list);
	bool found = false;

	for (int i = 0; i < n && !found; i++)
		found = strcmp(list[i], algorithm) == 0;
	if (n > 0)
		libssh2_free(s->lib, list);
	return found;
}

bool lib_has_rsa(const struct lib_session *s)
{
	return lib_supports(s, "rsa-sha2-512");
}

static void add_algorithms(const struct lib_session *s, const struct known_hosts *kh, bool known,
			   struct buf *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(host_keys); i++)
		if (known_hosts_has_type(kh, host_keys[i].type) == known &&
		    lib_supports(s, host_keys[i].algorithm))
			buf_addf(list, "%s%s", list->len ? "," : "", host_keys[i].algorithm);
}

/* The types that are known of this host come first, else a host with several keys would show one
 * that we cannot compare. */
static int set_preferences(struct lib_session *s, const struct known_hosts *kh, struct error *err)
{
	auto_buf struct buf list = BUF_INIT(MAX_PREFERENCE);

	add_algorithms(s, kh, true, &list);
	add_algorithms(s, kh, false, &list);
	if (libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_HOSTKEY, buf_str(&list)) ||
	    libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_KEX, kex) ||
	    libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_CRYPT_CS, ciphers) ||
	    libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_CRYPT_SC, ciphers) ||
	    libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_MAC_CS, macs) ||
	    libssh2_session_method_pref(s->lib, LIBSSH2_METHOD_MAC_SC, macs))
		return lib_error(s, "cannot choose algorithms for", err);
	return 0;
}

static int new_library_session(struct lib_session *s, struct error *err)
{
	if (libssh2_init(0))
		return error_set(err, ERR_SSH, "libssh2 cannot start");
	s->lib = libssh2_session_init_ex(NULL, NULL, NULL, s);
	if (!s->lib)
		die_oom();
	libssh2_session_set_blocking(s->lib, 0);
	lib_stream_callbacks(s);
	return 0;
}

/* Whether each algorithm of the list is RSA. */
static bool only_rsa(const char *list)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (!str_starts(list, "rsa-sha2-") && !str_starts(list, "ssh-rsa"))
			return false;
		list += n + (list[n] == ',');
	}
	return true;
}

static int explain_no_kex(struct lib_session *s, struct error *err)
{
	char list[512] = "";

	if (!kexinit_host_key_algorithms(s->first_bytes, s->first_len, list, sizeof(list)) ||
	    !*list || lib_has_rsa(s) || !only_rsa(list)) {
		lib_error(s, "cannot agree on encryption with", err);
		return *list ? error_hint(err, "the host offers these host keys: %s", list) : -1;
	}
	snprintf(s->base.cannot, sizeof(s->base.cannot),
		 "the host has only an RSA key, and libssh2 %s cannot do RSA with SHA-2",
		 libssh2_version(0));
	error_set(err, ERR_SSH, "cannot check the host key of '%s' port %u: %s (%s)", s->base.host,
		  s->base.port, s->base.cannot, list);
	return error_hint(err, "use the OpenSSH client: --ssh openssh\nor give the host an ed25519 "
			       "key: ssh-keygen -A there, and restart its sshd");
}

/* A command that has ended takes nothing any more, which is noticed before what it had printed is
 * read. */
static void take_last_words(struct lib_session *s)
{
	ssize_t n = recv(s->fd, s->first_bytes + s->first_len, KEXINIT_BYTES - s->first_len,
			 MSG_DONTWAIT);

	if (n > 0)
		s->first_len += (size_t)n;
}

static int explain_handshake(struct lib_session *s, int rc, struct error *err)
{
	if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE ||
	    rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)
		return explain_no_kex(s, err);
	lib_error(s, "cannot start SSH with", err);
	if (s->proxy)
		take_last_words(s);
	if (s->proxy && (s->first_len < 4 || memcmp(s->first_bytes, "SSH-", 4) != 0))
		return proxy_explain(s->proxy, s->base.host, s->first_bytes, s->first_len, err);
	if (!s->outer && (rc == LIBSSH2_ERROR_BANNER_RECV || s->first_len == 0))
		return error_hint(err,
				  "does an SSH server listen on port %u of the host? sshd "
				  "also hangs up when it has too many logins at once "
				  "(MaxStartups)",
				  s->base.port);
	return -1;
}

static int handshake(struct lib_session *s, uint64_t deadline, struct error *err)
{
	int rc;

	s->first_bytes = xmalloc(KEXINIT_BYTES);
	while ((rc = libssh2_session_handshake(s->lib, s->fd)) == LIBSSH2_ERROR_EAGAIN) {
		if (lib_wait(s, deadline, "cannot start SSH with", err) == 0)
			continue;
		if (!s->first_len && !interrupted())
			error_hint(err, s->proxy ? "nothing came from the ProxyCommand"
						 : "the port is open, but nothing came from it: is "
						   "it SSH?");
		return -1;
	}
	if (rc)
		return explain_handshake(s, rc, err);
	s->ready = true;
	free(STEAL(s->first_bytes));
	log_at(LOG_STEP, "ssh: %s port %u: %s, %s, %s", s->base.host, s->base.port,
	       libssh2_session_methods(s->lib, LIBSSH2_METHOD_KEX),
	       libssh2_session_methods(s->lib, LIBSSH2_METHOD_HOSTKEY),
	       libssh2_session_methods(s->lib, LIBSSH2_METHOD_CRYPT_SC));
	return 0;
}

static int check_host_key(struct lib_session *s, const struct known_hosts *kh,
			  const struct ssh_config *c, struct error *err)
{
	size_t len = 0;
	int type;
	const char *blob = libssh2_session_hostkey(s->lib, &len, &type);

	if (!blob)
		return error_set(err, ERR_SSH, "'%s' showed no host key", s->base.host);
	if (known_hosts_check(kh, blob, len, NULL) == KNOWN_CA_ONLY)
		snprintf(s->base.cannot, sizeof(s->base.cannot),
			 "libssh2 cannot check the host's certificate (@cert-authority)");
	return host_key_decide(kh, c, blob, len, err);
}

/* The bytes below the session: a tunnel through jump hosts, a command's, or a connection. */
static int open_stream(struct lib_session *s, const struct ssh_options *o,
		       const struct ssh_config *c, uint64_t deadline, struct error *err)
{
	if (!s->outer && c->n_jumps && lib_jump(s, o, c, err) < 0)
		return -1;
	if (s->outer)
		return lib_tunnel(s, c, err);
	if (c->proxy_command) {
		/* not which: people write secrets into it */
		log_at(LOG_STEP, "ssh: %s port %u through a ProxyCommand", c->host_name, c->port);
		return proxy_start(&s->proxy, c->proxy_command, &s->fd, err);
	}
	s->fd = tcp_connect(s->base.host, s->base.port, deadline, err);
	return s->fd < 0 ? -1 : 0;
}

/* ServerAlive*, by the kernel: libssh2 cannot tell whether its keep-alives were answered */
static void watch_peer(const struct lib_session *s, const struct ssh_config *c)
{
	uint64_t ms = c->alive_interval_s * (c->alive_count_max + 1ull) * 1000;
	unsigned int gone = (unsigned int)ms;

	if (ms && ms <= INT32_MAX)
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof(gone));
}

int lib_connect(struct lib_session *s, const struct ssh_options *o, const struct ssh_config *c,
		struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};
	uint64_t deadline = now_ms() + c->connect_timeout_ms;

	if (host_key_known(&kh, c, err) < 0 || open_stream(s, o, c, deadline, err) < 0 ||
	    new_library_session(s, err) < 0)
		return -1;
	watch_peer(s, c);
	if (s->outer) /* jump hosts took their own time */
		deadline = now_ms() + c->connect_timeout_ms;
	if (set_preferences(s, &kh, err) < 0 || handshake(s, deadline, err) < 0)
		return -1;
	return check_host_key(s, &kh, c, err);
}
