#include "jdiag/ssh/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/ssh/known_hosts.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/str.h"

#define MAX_KEY_FILE 65536
#define OPENSSH_MAGIC "openssh-key-v1" /* with its NUL; PROTOCOL.key of OpenSSH */

/* A cursor over decoded bytes. */
struct bytes {
	const unsigned char *p;
	size_t len;
};

char *home_path(const char *relative)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (!home || *home != '/') {
		pw = getpwuid(getuid());
		home = pw && pw->pw_dir ? pw->pw_dir : "/";
	}
	return xasprintf("%s/%s", home, relative);
}

bool key_is_rsa(const char *type)
{
	return strcmp(type, "ssh-rsa") == 0;
}

void identity_release(struct identity *id)
{
	free(id->path);
	free(id->blob);
	secret_release(&id->text);
	*id = (struct identity){0};
}

static void printf_like(2, 3) unusable(struct identity *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(id->unusable, sizeof(id->unusable), fmt, ap);
	va_end(ap);
}

/* A string of the SSH wire format. */
static bool take_string(struct bytes *b, struct bytes *ret)
{
	size_t n;

	if (b->len < 4)
		return false;
	n = (size_t)b->p[0] << 24 | (size_t)b->p[1] << 16 | (size_t)b->p[2] << 8 | b->p[3];
	if (n > b->len - 4)
		return false;
	*ret = (struct bytes){b->p + 4, n};
	b->p += 4 + n;
	b->len -= 4 + n;
	return true;
}

static bool set_public(struct identity *id, struct bytes blob)
{
	if (!known_key_type(blob.p, blob.len, id->type))
		return false;
	id->blob = xmalloc(blob.len);
	memcpy(id->blob, blob.p, blob.len);
	id->blob_len = blob.len;
	return true;
}

/* What stands between the two lines, decoded into memory that is wiped and never moves. */
static bool decode_body(const char *text, const char *begin, const char *end, struct buf *out)
{
	const char *from = strstr(text, begin), *to;

	if (!from)
		return false;
	from += strlen(begin);
	to = strstr(from, end);
	if (!to || !buf_reserve(out, MAX_KEY_FILE))
		return false;
	return base64_decode(out, from, (size_t)(to - from)) && !out->overflow;
}

static bool is_text(struct bytes s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

/* magic, cipher, kdf, kdf options, u32 number of keys, public key, ... */
static bool parse_openssh(struct identity *id, struct bytes b)
{
	struct bytes cipher, kdf, options, public_key;

	if (b.len < sizeof(OPENSSH_MAGIC) || memcmp(b.p, OPENSSH_MAGIC, sizeof(OPENSSH_MAGIC)) != 0)
		return false;
	b.p += sizeof(OPENSSH_MAGIC);
	b.len -= sizeof(OPENSSH_MAGIC);
	if (!take_string(&b, &cipher) || !take_string(&b, &kdf) || !take_string(&b, &options) ||
	    b.len < 4)
		return false;
	b.p += 4;
	b.len -= 4;
	id->encrypted = !is_text(cipher, "none");
	return take_string(&b, &public_key) && set_public(id, public_key);
}

static bool load_openssh(struct identity *id)
{
	struct buf body = BUF_INIT(2 * MAX_KEY_FILE);
	bool ok = decode_body(id->text.data, "-----BEGIN OPENSSH PRIVATE KEY-----",
			      "-----END OPENSSH PRIVATE KEY-----", &body) &&
		  parse_openssh(id, (struct bytes){(unsigned char *)body.data, body.len});

	secret_wipe(body.data, body.len);
	buf_release(&body);
	return ok;
}

/* rsaEncryption, 1.2.840.113549.1.1.1, in DER: the type of an unencrypted PKCS#8 key. */
static bool pkcs8_is_rsa(const char *text)
{
	static const char oid[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
	struct buf body = BUF_INIT(2 * MAX_KEY_FILE);
	bool rsa = decode_body(text, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----",
			       &body) &&
		   memmem(body.data, body.len, oid, sizeof(oid) - 1);

	secret_wipe(body.data, body.len);
	buf_release(&body);
	return rsa;
}

/* The older PEM forms: the type stands in the first line or not at all. */
static bool load_pem(struct identity *id)
{
	const char *text = id->text.data;

	id->encrypted = strstr(text, "Proc-Type: 4,ENCRYPTED") ||
			strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----");
	if (strstr(text, "-----BEGIN RSA PRIVATE KEY-----") || pkcs8_is_rsa(text))
		memcpy(id->type, "ssh-rsa", sizeof("ssh-rsa"));
	return strstr(text, " PRIVATE KEY-----") != NULL;
}

/* "ssh-ed25519 AAAA... comment" */
static bool load_public(struct identity *id)
{
	const char *blank = strchr(id->text.data, ' ');
	auto_buf struct buf blob = BUF_INIT(MAX_KEY_FILE);

	if (!blank || !base64_decode(&blob, blank + 1, strcspn(blank + 1, " \t\r\n")))
		return false;
	return !blob.overflow &&
	       set_public(id, (struct bytes){(unsigned char *)blob.data, blob.len}) &&
	       str_starts(id->text.data, id->type);
}

static int read_key_file(const char *path, struct secret *ret, struct stat *st)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[MAX_KEY_FILE];
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) != 0) {
		if (n < 0)
			break;
		len += (size_t)n;
	}
	if (len < sizeof(text))
		secret_set(ret, text, len);
	secret_wipe(text, len);
	return len < sizeof(text) ? 0 : -EFBIG;
}

/* ssh's rule: a key of ours that group or others can read may already be somebody else's. */
static bool too_open(const struct stat *st)
{
	return st->st_uid == getuid() && (st->st_mode & 077) != 0;
}

void identity_load(struct identity *id, const char *path)
{
	struct stat st;
	int rc;

	*id = (struct identity){.path = xstrdup(path)};
	rc = read_key_file(path, &id->text, &st);
	id->missing = rc == -ENOENT || rc == -ENOTDIR;
	if (rc < 0) {
		unusable(id, "%s", strerror(-rc));
	} else if (!strstr(id->text.data, "PRIVATE KEY-----")) {
		if (!load_public(id))
			unusable(id, "not a key that this program knows");
		secret_release(&id->text);
	} else if (too_open(&st)) {
		unusable(id, "permissions %04o are too open (chmod 600)",
			 (unsigned int)(st.st_mode & 0777));
		secret_release(&id->text);
	} else if (!load_openssh(id) && !load_pem(id)) {
		unusable(id, "not a private key that this program knows");
	}
}
