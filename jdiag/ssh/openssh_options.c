#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/ssh/host_key.h"
#include "jdiag/ssh/openssh_session.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define MAX_ARGUMENTS 64
#define MAX_CONFIG (4 * MiB)
#define MAX_HOST_TEXT (32 * KiB)
#define ALIVE_SECONDS 15 /* four of them without an answer: the peer is gone */
#define SYSTEM_CONFIG "/etc/ssh/ssh_config"

/*
 * What must not be changed by a person's ssh_config, for jump hosts neither: nothing is asked but
 * by us, nothing is forwarded, nothing is run or left running here, no file is changed.
 */
static const char fixed[] = "ControlMaster no\n"
			    "ControlPersist no\n"
			    "RequestTTY no\n"
			    "RemoteCommand none\n"
			    "PermitLocalCommand no\n"
			    "ClearAllForwardings yes\n"
			    "ForwardAgent no\n"
			    "ForwardX11 no\n"
			    "Tunnel no\n"
			    "UpdateHostKeys no\n"
			    "VisualHostKey no\n";

/* Where neither the person's ssh_config nor the system's says anything. AES-GCM costs a third of
 * chacha20, which ssh would take. Passwords are not asked for. */
static const char defaults[] = "Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
			       "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr\n"
			       "PreferredAuthentications gssapi-with-mic,hostbased,publickey\n"
			       "StrictHostKeyChecking yes\n"
			       "ConnectTimeout 10\n"
			       "ServerAliveCountMax 4\n";

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static const char *checking(const struct ssh_config *c)
{
	return c->host_keys == HOST_KEY_STRICT	     ? "yes"
	       : c->host_keys == HOST_KEY_ACCEPT_NEW ? "accept-new"
						     : "no";
}

/* The name of a file as an argument; where tokens are expanded a "%" is two. */
static int add_file(struct buf *b, const char *path, bool tokens, struct error *err)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\' ||
		    (*p == '$' && p[1] == '{'))
			return error_set(err, ERR_USAGE,
					 "file name '%s' has characters that an ssh_config cannot "
					 "have in one",
					 path);
	buf_adds(b, " \"");
	for (const char *p = path; *p; p++) {
		buf_add(b, p, 1);
		if (tokens && *p == '%')
			buf_adds(b, "%");
	}
	buf_adds(b, "\"");
	return 0;
}

static int add_line(struct buf *b, const char *keyword, const char *path, struct error *err)
{
	buf_adds(b, keyword);
	if (add_file(b, path, true, err) < 0)
		return -1;
	buf_adds(b, "\n");
	return 0;
}

/* The default ones are named because ssh looks for them below the home directory of the password
 * database only, and for gcloud's not at all. */
static int add_identities(struct buf *b, const struct ssh_options *o, const struct ssh_config *c,
			  struct error *err)
{
	bool any = false;

	if (o->identities)
		buf_adds(b, "IdentitiesOnly yes\n");
	else if (!c->identities_default)
		return 0; /* the ssh_config says which */
	for (size_t i = 0; c->identities && c->identities[i]; i++) {
		if (c->identities_default && access(c->identities[i], F_OK) != 0)
			continue;
		any = true;
		if (add_line(b, "IdentityFile", c->identities[i], err) < 0)
			return -1;
	}
	if (!any)
		buf_adds(b, "IdentityFile none\n");
	return 0;
}

/* Where keys are not checked, ssh takes one that known_hosts says is revoked, too. This it does
 * not. */
static int add_revoked(struct buf *b, const struct open_dir *d, const struct ssh_config *c,
		       struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};
	auto_buf struct buf keys = BUF_INIT(4 * MiB);

	known_hosts_init(&kh, c->host_name, c->port, c->host_key_alias);
	for (size_t i = 0; c->known_hosts && c->known_hosts[i]; i++)
		if (known_hosts_load(&kh, c->known_hosts[i], err) < 0)
			return -1;
	for (size_t i = 0; i < kh.n; i++) {
		if (kh.keys[i].marker != MARKER_REVOKED)
			continue;
		buf_addf(&keys, "%s ", kh.keys[i].type);
		base64_encode(&keys, kh.keys[i].blob, kh.keys[i].len, false);
		buf_adds(&keys, "\n");
	}
	if (!keys.len)
		return 0;
	if (keys.overflow)
		return error_set(err, ERR_SSH, "known_hosts has too many revoked keys for '%s'",
				 c->host_name);
	if (c->revoked_file) {
		error_set(err, ERR_SSH,
			  "known_hosts has revoked keys for '%s', and the ssh_config "
			  "RevokedHostKeys: "
			  "ssh takes one list where host keys are not checked",
			  c->host_name);
		return error_hint(err,
				  "let them be checked (--host-key strict or accept-new), or put "
				  "the keys into that file");
	}
	buf_addf(b, "RevokedHostKeys %s/revoked\n", d->path);
	return open_dir_write(d, "revoked", &keys, err);
}

/* A key that is not checked must not be written down either: what is known is shown to ssh as files
 * that it never writes to. */
static int add_unchecked(struct buf *b, const struct ssh_config *c, struct error *err)
{
	buf_adds(b, "UserKnownHostsFile /dev/null\nGlobalKnownHostsFile");
	for (size_t i = 0; c->known_hosts && c->known_hosts[i]; i++)
		if (add_file(b, c->known_hosts[i], false, err) < 0)
			return -1;
	buf_adds(b, c->known_hosts && c->known_hosts[0] ? "\n" : " /dev/null\n");
	return 0;
}

/* ssh makes the file, but of directories only ~/.ssh. */
static void make_parent(const char *path)
{
	auto_free char *parent = xstrdup(path);
	char *slash = strrchr(parent, '/');

	if (!slash || slash == parent)
		return;
	*slash = '\0';
	(void)mkdir(parent, 0700); /* that it could not write there, ssh will say */
}

/*
 * A host that is known in some way is not a new one: ssh would take a plain key where only a
 * certificate authority is known, or one of another type. Lines as known_hosts_check counts them.
 */
static int final_checking(const char **ret, const struct ssh_config *c, struct error *err)
{
	auto_cleanup(known_hosts_release) struct known_hosts kh = {0};

	*ret = checking(c);
	if (c->host_keys != HOST_KEY_ACCEPT_NEW || !c->known_hosts)
		return 0;
	if (host_key_known(&kh, c, err) < 0)
		return -1;
	for (size_t i = 0; i < kh.n; i++)
		if (kh.keys[i].marker == MARKER_CA ||
		    (kh.keys[i].marker == MARKER_NONE && !kh.keys[i].by_plain_name))
			*ret = "yes";
	return 0;
}

/*
 * What goes for the host at the end goes for a jump host only if jdiag was told so for all: else
 * the jump host's own Host block decides, and `host` is for the command line, which ssh does not
 * hand on to jump hosts as it does the file.
 */
static int add_policy(struct buf *ret, struct buf *host, const struct open_dir *d,
		      const struct ssh_options *o, const struct ssh_config *c, struct error *err)
{
	auto_buf struct buf files = BUF_INIT(MAX_HOST_TEXT);
	const char *mode;

	if (final_checking(&mode, c, err) < 0)
		return -1;
	if (c->host_keys == HOST_KEY_IGNORE &&
	    (add_revoked(&files, d, c, err) < 0 || add_unchecked(&files, c, err) < 0))
		return -1;
	buf_addf(host, "StrictHostKeyChecking %s\n%s", mode, buf_str(&files));
	if (o->host_keys_given)
		buf_addf(ret, "StrictHostKeyChecking %s\n%s", checking(c), buf_str(&files));
	if (files.overflow || host->overflow)
		return error_set(err, ERR_USAGE, "the names of the known_hosts files are too long");
	return 0;
}

static int add_known_hosts(struct buf *b, const struct ssh_options *o, const struct ssh_config *c,
			   struct error *err)
{
	if (!o->known_hosts || (o->host_keys_given && c->host_keys == HOST_KEY_IGNORE))
		return 0;
	if (c->host_keys == HOST_KEY_ACCEPT_NEW)
		make_parent(o->known_hosts);
	buf_adds(b, "GlobalKnownHostsFile /dev/null\n");
	return add_line(b, "UserKnownHostsFile", o->known_hosts, err);
}

static int include(struct buf *b, const char *path, struct error *err)
{
	if (strpbrk(path, "*?[{~"))
		return error_set(
			err, ERR_USAGE,
			"file name '%s' has characters that mean more than themselves to an "
			"ssh_config",
			path);
	buf_adds(b, "Include");
	if (add_file(b, path, false, err) < 0)
		return -1;
	buf_adds(b, "\n");
	return 0;
}

/* ssh takes any file that it is given by -F, but does not include one that others may write to: we
 * show it a copy. Only what this file includes by itself is looked at again. */
static int include_named(struct buf *b, const struct open_dir *d, const char *file,
			 struct error *err)
{
	auto_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	auto_free char *copy = open_dir_path(d, "included");
	auto_buf struct buf text = BUF_INIT(MAX_CONFIG);
	char chunk[16384];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_USAGE, errno, "cannot read '%s'", file);
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) /* a pipe could not be read twice */
		return error_set(err, ERR_USAGE, "cannot read '%s': it is no file", file);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && !text.overflow)
		buf_add(&text, chunk, (size_t)n);
	if (n < 0 || text.overflow)
		return error_sys(err, ERR_USAGE, n < 0 ? errno : EFBIG, "cannot read '%s'", file);
	if (!text.len)
		return 0;
	return open_dir_write(d, "included", &text, err) < 0 ? -1 : include(b, copy, err);
}

/* As ssh reads them: the one that was named, or the person's and the system's. */
static int add_configs(struct buf *b, const struct open_dir *d, const struct ssh_options *o,
		       struct error *err)
{
	const struct passwd *pw = getpwuid(getuid());
	auto_free char *own = pw && pw->pw_dir ? xasprintf("%s/.ssh/config", pw->pw_dir) : NULL;

	if (o->config_file && strcmp(o->config_file, "none") == 0)
		return 0;
	if (o->config_file)
		return include_named(b, d, o->config_file, err);
	if (own && access(own, F_OK) == 0 && include(b, own, err) < 0)
		return -1;
	return include(b, SYSTEM_CONFIG, err);
}

int open_config_text(struct buf *ret, struct buf *host, const struct open_dir *d,
		     const struct ssh_options *o, const struct ssh_config *c, bool may_ask,
		     struct error *err)
{
	buf_addf(ret, "BatchMode %s\n", yes_no(!may_ask));
	if (add_policy(ret, host, d, o, c, err) < 0)
		return -1;
	buf_adds(ret, fixed);
	if (o->no_agent)
		buf_adds(ret, "IdentityAgent none\n");
	if (o->connect_timeout_ms)
		buf_addf(ret, "ConnectTimeout %llu\n",
			 (unsigned long long)(o->connect_timeout_ms + 999) / 1000);
	if (add_identities(ret, o, c, err) < 0 || add_known_hosts(ret, o, c, err) < 0 ||
	    add_configs(ret, d, o, err) < 0)
		return -1;
	buf_adds(ret, defaults);
	/* 0 is what ssh says when nobody said anything: a peer that is gone would not be noticed */
	buf_addf(ret, "ServerAliveInterval %d\n", ALIVE_SECONDS);
	return 0;
}

static void add(char **list, char *argument)
{
	size_t n = 0;

	while (list[n])
		n++;
	if (n < MAX_ARGUMENTS)
		list[n] = argument;
	else
		free(argument);
}

static void add_lines(char **list, const char *lines)
{
	for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
		n = strcspn(lines, "\n");
		add(list, xasprintf("-o%.*s", (int)n, lines));
	}
}

char **open_arguments(const char *program, const struct open_dir *d, const struct ssh_options *o,
		      const struct ssh_config *c, const char *host, bool may_ask)
{
	char **list = xcalloc(MAX_ARGUMENTS + 1, sizeof(*list));

	add(list, xstrdup(program));
	add(list, xstrdup("-F"));
	add(list, open_dir_path(d, "config"));
	add(list, xstrdup("-S"));
	add(list, open_dir_path(d, "s"));
	add(list, xstrdup("-vMNTax"));
	/* once more, before what --ssh-option says */
	add(list, xasprintf("-oBatchMode=%s", yes_no(!may_ask)));
	add_lines(list, host);
	if (o->port)
		add(list, xasprintf("-p%u", o->port));
	if (o->user)
		add(list, xasprintf("-l%s", o->user));
	if (c->host_key_alias)
		add(list, xasprintf("-oHostKeyAlias=%s", c->host_key_alias));
	if (c->known_by_google) /* of this host only: a jump host is none of gcloud's */
		add(list, xasprintf("-oUserKnownHostsFile=\"%s\"", c->known_hosts[0]));
	if (o->jumps)
		add(list, xasprintf("-oProxyJump=%s", o->jumps));
	for (size_t i = 0; o->extra && o->extra[i]; i++)
		add(list, xasprintf("-o%s", o->extra[i]));
	add(list, xstrdup("--"));
	add(list, xstrdup(o->host));
	return list;
}
