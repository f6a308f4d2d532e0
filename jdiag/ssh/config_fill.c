#include "jdiag/ssh/config_fill.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <unistd.h>

#include "jdiag/ssh/config_tokens.h"
#include "jdiag/ssh/keys.h"
#include "remote/base/str.h"

#define CONNECT_MS 10000
#define COMMAND_MS 30000 /* a ProxyCommand may log in somewhere first */

/* Those that libssh2 cannot use (of a security key; RSA) come last, to be named when nothing else
 * fits; gcloud makes the last one. */
static const char *const default_identities[] = {
	".ssh/id_ed25519",  ".ssh/id_ecdsa", ".ssh/id_ed25519_sk",
	".ssh/id_ecdsa_sk", ".ssh/id_rsa",   ".ssh/google_compute_engine"};
static const char *const system_known_hosts[] = {"/etc/ssh/ssh_known_hosts",
						 "/etc/ssh/ssh_known_hosts2"};

struct fill {
	struct ssh_config *c;
	const struct ssh_options *o;
	const struct ssh_dump *d;
	struct ssh_tokens tokens;
};

static bool is_yes(const char *v)
{
	return v && (strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0);
}

static bool is_no(const char *v)
{
	return v && (strcasecmp(v, "no") == 0 || strcasecmp(v, "false") == 0);
}

/* Set and not "none" */
static bool is_set(const char *v)
{
	return v && *v && strcasecmp(v, "none") != 0;
}

static void too_much(struct fill *f, const char *what, bool matters)
{
	if (!f->c->beyond || (matters && !f->c->beyond_matters))
		f->c->beyond = what;
	f->c->beyond_matters |= matters;
}

/* A bad value that the user did not give to jdiag, but to ssh. */
static int from_config(const struct fill *f, enum dump_key key, struct error *err)
{
	if (err && err->code == ERR_USAGE)
		err->code = ERR_SSH;
	return error_prefix(err, "%s in the ssh_config for '%s'", dump_keyword(key), f->o->host);
}

static int checked_name(const struct fill *f, enum dump_key key, const char *what, char **ret,
			struct error *err)
{
	const char *value = f->d->value[key];

	if (ssh_check_name(value, what, err) < 0)
		return from_config(f, key, err);
	*ret = xstrdup(value);
	return 0;
}

static char *local_user(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return xstrdup(pw && pw->pw_name ? pw->pw_name : "root");
}

static int fill_address(struct fill *f, struct error *err)
{
	const char *port = f->d->value[DUMP_PORT];
	uint64_t n = 22;

	if (!f->d->value[DUMP_HOSTNAME])
		f->c->host_name = xstrdup(f->o->host);
	else if (checked_name(f, DUMP_HOSTNAME, "host name", &f->c->host_name, err) < 0)
		return -1;
	if (f->o->user || !f->d->value[DUMP_USER])
		f->c->user = f->o->user ? xstrdup(f->o->user) : local_user();
	else if (checked_name(f, DUMP_USER, "user", &f->c->user, err) < 0)
		return -1;
	if (port && (!str_to_u64(port, 65535, &n) || n == 0)) {
		error_set(err, ERR_SSH, "'%s' is no port", port);
		return from_config(f, DUMP_PORT, err);
	}
	f->c->port = f->o->port ? f->o->port : (uint16_t)n;
	return 0;
}

/* What it shall be known as, before anything with tokens is looked at. */
static int fill_alias(struct fill *f, struct error *err)
{
	if (f->o->host_key_alias)
		f->c->host_key_alias = xstrdup(f->o->host_key_alias);
	else if (is_set(f->d->value[DUMP_HOST_KEY_ALIAS]) &&
		 checked_name(f, DUMP_HOST_KEY_ALIAS, "host key alias", &f->c->host_key_alias,
			      err) < 0)
		return -1;
	f->tokens = (struct ssh_tokens){.host = f->c->host_name,
					.name = f->o->host,
					.user = f->c->user,
					.port = f->c->port,
					.alias = f->c->host_key_alias};
	return 0;
}

/* Each line (or each word) of the value, as a file. */
static char **add_files(struct fill *f, enum dump_key key, const char *separators, char **list)
{
	auto_free char *copy = xstrdup(f->d->value[key] ? f->d->value[key] : "");
	char *rest = NULL;

	for (char *p = strtok_r(copy, separators, &rest); p;
	     p = strtok_r(NULL, separators, &rest)) {
		auto_free char *path = tokens_expand_path(p, &f->tokens);

		if (strcasecmp(p, "none") == 0)
			continue;
		if (!path)
			too_much(f, dump_keyword(key), key == DUMP_USER_KNOWN_HOSTS);
		list = ssh_list_add(list, path ? path : p);
	}
	return list;
}

static char **default_files(const char *const *names, size_t n)
{
	char **list = NULL;

	for (size_t i = 0; i < n; i++) {
		auto_free char *path = home_path(names[i]);

		list = ssh_list_add(list, path);
	}
	return list;
}

/* Whether ssh shows its own list, which depends on its release but has these two, and has no other
 * names: "~/.ssh/id_rsa\n~/.ssh/id_ecdsa..." */
static bool are_default_identities(const char *value)
{
	static const char own[] = "~/.ssh/id_";

	if (!strstr(value, "~/.ssh/id_rsa\n") || !strstr(value, "~/.ssh/id_ed25519\n"))
		return false;
	for (const char *p = value; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!str_starts(p, own))
			return false;
	}
	return true;
}

static void fill_identities(struct fill *f)
{
	const char *value = f->d->value[DUMP_IDENTITY_FILE];

	f->c->identities_only = is_yes(f->d->value[DUMP_IDENTITIES_ONLY]);
	for (size_t i = 0; f->o->identities && f->o->identities[i]; i++) {
		f->c->identities = ssh_list_add(f->c->identities, f->o->identities[i]);
		f->c->identities_only = true;
	}
	if (!f->c->identities && value && !are_default_identities(value)) {
		f->c->identities = add_files(f, DUMP_IDENTITY_FILE, "\n", NULL);
	} else if (!f->c->identities) {
		f->c->identities_default = true;
		f->c->identities =
			default_files(default_identities, ARRAY_SIZE(default_identities));
	}
	f->c->certificates = add_files(f, DUMP_CERTIFICATE_FILE, "\n", NULL);
	if (f->c->certificates)
		too_much(f, dump_keyword(DUMP_CERTIFICATE_FILE), false);
}

/* "none", "SSH_AUTH_SOCK", "$VARIABLE", a path */
static void fill_agent(struct fill *f)
{
	const char *value = f->d->value[DUMP_IDENTITY_AGENT];

	if (!value || !*value || strcmp(value, "SSH_AUTH_SOCK") == 0)
		return;
	if (strcasecmp(value, "none") == 0)
		f->c->agent = xstrdup("");
	else if (value[0] == '$' && value[1] != '{')
		f->c->agent = xstrdup(getenv(value + 1) ? getenv(value + 1) : "");
	else
		f->c->agent = tokens_expand_path(value, &f->tokens);
}

/* ssh shows its default with the directory of the password database, which need not be $HOME */
static bool is_default_known_hosts(const char *value)
{
	const struct passwd *pw = getpwuid(getuid());
	auto_free char *own = xasprintf("%s/.ssh/known_hosts", pw && pw->pw_dir ? pw->pw_dir : "/");
	auto_free char *both = xasprintf("%s %s2", own, own);

	return strcmp(value, both) == 0 ||
	       str_starts(value, "~/.ssh/known_hosts ~/.ssh/known_hosts2");
}

static void fill_known_hosts(struct fill *f)
{
	static const char *const own[] = {".ssh/known_hosts", ".ssh/known_hosts2"};
	const char *value = f->d->value[DUMP_USER_KNOWN_HOSTS];

	if (f->o->known_hosts) {
		f->c->known_hosts = ssh_list_add(NULL, f->o->known_hosts);
		return;
	}
	if (!value || is_default_known_hosts(value))
		f->c->known_hosts = default_files(own, ARRAY_SIZE(own));
	else
		f->c->known_hosts = add_files(f, DUMP_USER_KNOWN_HOSTS, " \t", NULL);
	if (!f->c->known_hosts) /* "none": nothing is known, nothing is remembered */
		f->c->known_hosts = ssh_list_add(NULL, "/dev/null");
	if (f->d->value[DUMP_GLOBAL_KNOWN_HOSTS]) {
		f->c->known_hosts = add_files(f, DUMP_GLOBAL_KNOWN_HOSTS, " \t", f->c->known_hosts);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(system_known_hosts); i++)
		f->c->known_hosts = ssh_list_add(f->c->known_hosts, system_known_hosts[i]);
}

static void fill_host_keys(struct fill *f)
{
	const char *value = f->d->value[DUMP_STRICT_HOST_KEYS];

	f->c->host_keys = HOST_KEY_STRICT;
	if (f->o->host_keys_given)
		f->c->host_keys = f->o->host_keys;
	else if (value && strcasecmp(value, "accept-new") == 0)
		f->c->host_keys = HOST_KEY_ACCEPT_NEW;
	else if (is_no(value) || (value && strcasecmp(value, "off") == 0))
		f->c->host_keys = HOST_KEY_IGNORE;
}

static int fill_jumps(struct fill *f, struct error *err)
{
	const char *value = f->d->value[DUMP_PROXY_JUMP];
	auto_free char *text = NULL;

	if (f->o->jumps)
		return ssh_config_parse_jumps(f->o->jumps, &f->c->jumps, &f->c->n_jumps, err);
	if (!is_set(value))
		return 0;
	text = tokens_expand(value, &f->tokens);
	if (!text) {
		error_set(err, ERR_SSH, "'%s' has a token that is not known", value);
		return from_config(f, DUMP_PROXY_JUMP, err);
	}
	if (ssh_config_parse_jumps(text, &f->c->jumps, &f->c->n_jumps, err) < 0)
		return from_config(f, DUMP_PROXY_JUMP, err);
	return 0;
}

static int fill_proxy(struct fill *f, struct error *err)
{
	const char *value = f->d->value[DUMP_PROXY_COMMAND];

	if (fill_jumps(f, err) < 0)
		return -1;
	if (f->o->jumps || f->c->n_jumps || !is_set(value))
		return 0;
	f->c->proxy_command = tokens_expand(value, &f->tokens);
	if (!f->c->proxy_command) {
		error_set(err, ERR_SSH, "'%s' has a token that is not known", value);
		return from_config(f, DUMP_PROXY_COMMAND, err);
	}
	if (is_yes(f->d->value[DUMP_PROXY_FDPASS]))
		too_much(f, dump_keyword(DUMP_PROXY_FDPASS), false);
	return 0;
}

static void fill_times(struct fill *f)
{
	const char *connect = f->d->value[DUMP_CONNECT_TIMEOUT];
	const char *alive = f->d->value[DUMP_ALIVE_INTERVAL];
	const char *count = f->d->value[DUMP_ALIVE_COUNT];
	uint64_t n;

	f->c->connect_timeout_ms = f->o->connect_timeout_ms;
	if (!f->c->connect_timeout_ms && connect && str_to_duration_ms(connect, &n) && n)
		f->c->connect_timeout_ms = n;
	if (!f->c->connect_timeout_ms)
		f->c->connect_timeout_ms = f->c->proxy_command ? COMMAND_MS : CONNECT_MS;
	if (alive && str_to_duration_ms(alive, &n) && n / 1000 <= 86400)
		f->c->alive_interval_s = (unsigned int)(n / 1000);
	f->c->alive_count_max = count && str_to_u64(count, 10000, &n) ? (unsigned int)n : 3;
}

/* What only the OpenSSH client can do. A list of methods with GSSAPI in it is none of that as long
 * as keys come first. */
static void fill_beyond(struct fill *f)
{
	static const enum dump_key others[] = {DUMP_PKCS11_PROVIDER, DUMP_KNOWN_HOSTS_COMMAND,
					       DUMP_BIND_ADDRESS, DUMP_BIND_INTERFACE};
	const char *methods = f->d->value[DUMP_PREFERRED_AUTHENTICATIONS];

	if (methods && !str_starts(methods, "publickey"))
		too_much(f, dump_keyword(DUMP_PREFERRED_AUTHENTICATIONS), false);
	if (is_no(f->d->value[DUMP_PUBKEY_AUTHENTICATION]))
		too_much(f, dump_keyword(DUMP_PUBKEY_AUTHENTICATION), false);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (is_set(f->d->value[others[i]]))
			too_much(f, dump_keyword(others[i]), false);
	f->c->gssapi = is_yes(f->d->value[DUMP_GSSAPI]);
	f->c->revoked_file = is_set(f->d->value[DUMP_REVOKED_HOST_KEYS]);
	if (f->c->revoked_file)
		too_much(f, dump_keyword(DUMP_REVOKED_HOST_KEYS), true);
}

int config_fill(struct ssh_config *c, const struct ssh_options *o, const struct ssh_dump *d,
		struct error *err)
{
	struct fill filling = {.c = c, .o = o, .d = d}, *f = &filling;

	if (fill_address(f, err) < 0 || fill_alias(f, err) < 0 || fill_proxy(f, err) < 0)
		return -1;
	fill_identities(f);
	fill_agent(f);
	fill_known_hosts(f);
	fill_host_keys(f);
	fill_times(f);
	fill_beyond(f);
	return 0;
}
