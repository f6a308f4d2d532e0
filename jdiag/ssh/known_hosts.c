#include "jdiag/ssh/known_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jdiag/crypto/crypto.h"
#include "remote/base/buf.h"
#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define HASH_MAGIC "|1|"
#define HASH_BYTES 20 /* SHA-1: salt and digest */
#define MAX_KEY_BLOB 16384

/* A piece of the text. */
struct word {
	const char *p;
	size_t len;
};

static char *lower_dup(const char *s)
{
	char *copy = xstrdup(s);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

void known_hosts_init(struct known_hosts *kh, const char *host, uint16_t port, const char *alias)
{
	auto_free char *full = xasprintf("[%s]:%u", host, port);

	*kh = (struct known_hosts){0};
	if (alias || port == 22) {
		kh->name = lower_dup(alias ? alias : host);
	} else {
		kh->name = lower_dup(full);
		kh->plain = lower_dup(host);
	}
}

void known_hosts_release(struct known_hosts *kh)
{
	for (size_t i = 0; i < kh->n; i++) {
		free(kh->keys[i].blob);
		free(kh->keys[i].file);
	}
	free(kh->keys);
	free(kh->name);
	free(kh->plain);
	*kh = (struct known_hosts){0};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct word next_word(const char **p, const char *end)
{
	struct word w;

	while (*p < end && is_blank(**p))
		(*p)++;
	w.p = *p;
	while (*p < end && !is_blank(**p))
		(*p)++;
	w.len = (size_t)(*p - w.p);
	return w;
}

static bool word_is(struct word w, const char *s)
{
	return w.len == strlen(s) && memcmp(w.p, s, w.len) == 0;
}

/* '*' and '?', nothing else; case does not matter. Linear but for the last star. */
static bool wildcard_match(struct word pattern, const char *name)
{
	size_t i = 0, star = SIZE_MAX;
	const char *retry = NULL;

	while (*name) {
		if (i < pattern.len && pattern.p[i] == '*') {
			star = i++;
			retry = name;
		} else if (i < pattern.len &&
			   (pattern.p[i] == '?' || tolower((unsigned char)pattern.p[i]) == *name)) {
			i++;
			name++;
		} else if (retry) {
			i = star + 1;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (i < pattern.len && pattern.p[i] == '*')
		i++;
	return i == pattern.len;
}

/* A list of patterns: one of them has to match, and none of the negated ones. */
static bool list_match(struct word list, const char *name)
{
	const char *end = list.p + list.len;
	bool found = false;

	for (const char *p = list.p; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct word one = {p, (size_t)((comma ? comma : end) - p)};
		bool negated = one.len && *one.p == '!';

		if (negated)
			one = (struct word){one.p + 1, one.len - 1};
		if (one.len && wildcard_match(one, name)) {
			if (negated)
				return false;
			found = true;
		}
		p = comma ? comma + 1 : end;
	}
	return found;
}

static bool hash_match(struct word field, const char *name)
{
	const char *salt64 = field.p + strlen(HASH_MAGIC), *end = field.p + field.len;
	const char *bar = memchr(salt64, '|', (size_t)(end - salt64));
	auto_buf struct buf salt = BUF_INIT(64), digest = BUF_INIT(64);
	unsigned char mine[HASH_BYTES];

	if (!bar || !base64_decode(&salt, salt64, (size_t)(bar - salt64)) ||
	    !base64_decode(&digest, bar + 1, (size_t)(end - bar - 1)) || salt.overflow ||
	    digest.overflow || salt.len != HASH_BYTES || digest.len != HASH_BYTES)
		return false;
	hmac_sha1(salt.data, salt.len, name, strlen(name), mine);
	return memcmp(mine, digest.data, HASH_BYTES) == 0;
}

static bool names_match(struct word field, const char *name)
{
	if (field.len > strlen(HASH_MAGIC) && memcmp(field.p, HASH_MAGIC, strlen(HASH_MAGIC)) == 0)
		return hash_match(field, name);
	return list_match(field, name);
}

bool known_key_type(const void *blob, size_t len, char ret[48])
{
	const unsigned char *p = blob;
	size_t n;

	if (len < 4)
		return false;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (n == 0 || n > len - 4 || n >= 48)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isgraph(p[4 + i]))
			return false;
	memcpy(ret, p + 4, n);
	ret[n] = '\0';
	return true;
}

/* The key of a line; false when it is broken, or says another type than it is. */
static bool parse_key(struct known_key *key, struct word type, struct word key64)
{
	auto_buf struct buf blob = BUF_INIT(MAX_KEY_BLOB);

	if (!base64_decode(&blob, key64.p, key64.len) || blob.overflow ||
	    !known_key_type(blob.data, blob.len, key->type) || !word_is(type, key->type))
		return false;
	key->len = blob.len;
	key->blob = (unsigned char *)STEAL(blob.data);
	return true;
}

static void scan_line(struct known_hosts *kh, struct word line, const char *file,
		      unsigned int number)
{
	const char *p = line.p, *end = line.p + line.len;
	struct word names = next_word(&p, end), type;
	struct known_key key = {.line = number};

	if (!names.len || *names.p == '#')
		return;
	if (*names.p == '@') {
		if (word_is(names, "@revoked"))
			key.marker = MARKER_REVOKED;
		else if (word_is(names, "@cert-authority"))
			key.marker = MARKER_CA;
		else
			return;
		names = next_word(&p, end);
	}
	if (names.len > strlen(HASH_MAGIC) && memcmp(names.p, HASH_MAGIC, strlen(HASH_MAGIC)) == 0)
		kh->hashed = true;
	if (!names_match(names, kh->name)) {
		if (!kh->plain || !names_match(names, kh->plain))
			return;
		key.by_plain_name = true;
	}
	type = next_word(&p, end);
	if (!parse_key(&key, type, next_word(&p, end)))
		return;
	key.file = xstrdup(file);
	kh->keys = xrealloc(kh->keys, (kh->n + 1) * sizeof(*kh->keys));
	kh->keys[kh->n++] = key;
}

void known_hosts_scan(struct known_hosts *kh, const char *text, size_t len, const char *file)
{
	const char *end = text + len;
	unsigned int number = 1;

	for (const char *p = text; p < end; number++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;

		scan_line(kh, (struct word){p, (size_t)(stop - p)}, file, number);
		p = stop + 1;
	}
}

/* Unlike io_read_file this follows links (a home directory may be full of them) and takes a device
 * such as /dev/null for an empty file. */
static int read_text(const char *file, struct buf *text)
{
	auto_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISCHR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		char chunk[16384];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_add(text, chunk, (size_t)n);
		if (text->overflow)
			return -EFBIG;
	}
}

int known_hosts_load(struct known_hosts *kh, const char *file, struct error *err)
{
	auto_buf struct buf text = BUF_INIT(MAX_KNOWN_HOSTS);
	int rc = read_text(file, &text);

	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot read the known host keys in '%s'",
				 file);
	known_hosts_scan(kh, buf_str(&text), text.len, file);
	return 0;
}

static bool same_key(const struct known_key *k, const void *blob, size_t len)
{
	return k->len == len && memcmp(k->blob, blob, len) == 0;
}

enum known_verdict known_hosts_check(const struct known_hosts *kh, const void *blob, size_t len,
				     const struct known_key **ret)
{
	const struct known_key *none, *same = NULL, *plain = NULL, *changed = NULL, *other = NULL;
	const struct known_key *ca = NULL, **line = ret ? ret : &none;
	char type[48] = "";

	*line = NULL;
	if (!known_key_type(blob, len, type))
		return KNOWN_UNKNOWN;
	for (size_t i = 0; i < kh->n; i++) {
		const struct known_key *k = &kh->keys[i];
		bool equal = same_key(k, blob, len);

		if (k->marker == MARKER_REVOKED) {
			if (!equal)
				continue;
			*line = k;
			return KNOWN_REVOKED;
		}
		if (k->marker == MARKER_CA)
			ca = k;
		else if (equal && k->by_plain_name)
			plain = k;
		else if (equal)
			same = k;
		else if (!k->by_plain_name && strcmp(k->type, type) == 0)
			changed = k;
		else if (!k->by_plain_name)
			other = k;
	}
	*line = same ? same : changed ? changed : plain ? plain : other ? other : ca;
	if (*line == NULL)
		return KNOWN_UNKNOWN;
	return *line == same || *line == plain ? KNOWN_MATCH
	       : *line == changed	       ? KNOWN_CHANGED
	       : *line == other		       ? KNOWN_OTHER_TYPE
					       : KNOWN_CA_ONLY;
}

bool known_hosts_has_type(const struct known_hosts *kh, const char *type)
{
	for (size_t i = 0; i < kh->n; i++)
		if (kh->keys[i].marker == MARKER_NONE && strcmp(kh->keys[i].type, type) == 0)
			return true;
	return false;
}

/* "|1|salt|digest" of the name */
static void add_hashed_name(struct buf *line, const char *name)
{
	unsigned char salt[HASH_BYTES], digest[HASH_BYTES];

	crypto_random(salt, sizeof(salt));
	hmac_sha1(salt, sizeof(salt), name, strlen(name), digest);
	buf_adds(line, HASH_MAGIC);
	base64_encode(line, salt, sizeof(salt), false);
	buf_adds(line, "|");
	base64_encode(line, digest, sizeof(digest), false);
}

/* Whether the last byte is something other than a newline, so that ours has to begin with one. */
static bool ends_within_line(int fd)
{
	char last;
	off_t size = lseek(fd, 0, SEEK_END);

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static void make_parent(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (slash && slash > file) {
		auto_free char *dir = xstrndup(file, (size_t)(slash - file));

		(void)mkdir(dir, 0700); /* open tells when it is still not there */
	}
}

int known_hosts_append(const struct known_hosts *kh, const char *file, const void *blob, size_t len,
		       struct error *err)
{
	auto_buf struct buf line = BUF_INIT(2 * MAX_KEY_BLOB);
	auto_fd int fd = -1;
	char type[48];
	int rc;

	if (!known_key_type(blob, len, type))
		return error_set(err, ERR_SSH, "the host key is not well-formed");
	make_parent(file);
	fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return error_sys(err, ERR_SSH, errno, "cannot add the host key to '%s'", file);
	if (ends_within_line(fd))
		buf_adds(&line, "\n");
	if (kh->hashed)
		add_hashed_name(&line, kh->name);
	else
		buf_adds(&line, kh->name);
	buf_addf(&line, " %s ", type);
	base64_encode(&line, blob, len, false);
	buf_adds(&line, "\n");
	if (line.overflow)
		return error_set(err, ERR_SSH, "the host key is too long");
	rc = io_write_full(fd, line.data, line.len); /* one write: O_APPEND keeps lines whole */
	if (rc < 0)
		return error_sys(err, ERR_SSH, -rc, "cannot add the host key to '%s'", file);
	return 0;
}
