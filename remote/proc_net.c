#include "remote/proc_net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/base/io.h"
#include "remote/base/limits.h"
#include "remote/base/str.h"

#define TCP_LISTENING 0x0a /* TCP_LISTEN of the kernel's tcp_states.h */
#define LINE_MAX_NET 512   /* the kernel pads to 150 (tcp) or writes about 180 (tcp6) */

struct cursor {
	const char *p, *end;
};

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
}

/* Hexadecimal digits, exactly so many. */
static bool take_hex(struct cursor *c, unsigned int digits, uint32_t *ret)
{
	uint32_t n = 0;

	if ((size_t)(c->end - c->p) < digits)
		return false;
	for (unsigned int i = 0; i < digits; i++) {
		char ch = c->p[i];

		if (ch >= '0' && ch <= '9')
			n = n << 4 | (uint32_t)(ch - '0');
		else if (ch >= 'A' && ch <= 'F')
			n = n << 4 | (uint32_t)(ch - 'A' + 10);
		else
			return false;
	}
	c->p += digits;
	*ret = n;
	return true;
}

static bool take_char(struct cursor *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

/* A word; false when there is none. */
static bool skip_word(struct cursor *c)
{
	const char *start;

	skip_blanks(c);
	start = c->p;
	while (c->p < c->end && *c->p != ' ')
		c->p++;
	return c->p > start;
}

static bool take_decimal(struct cursor *c, uint64_t *ret)
{
	char text[24];
	const char *start;

	skip_blanks(c);
	start = c->p;
	if (!skip_word(c) || (size_t)(c->p - start) >= sizeof(text))
		return false;
	memcpy(text, start, (size_t)(c->p - start));
	text[c->p - start] = '\0';
	return str_to_u64(text, UINT64_MAX, ret);
}

/* Each 32 bits of the address as a number of this machine: the bytes in memory are those of the
 * network (tcp_ipv4.c, get_tcp4_sock; tcp_ipv6.c, get_tcp6_sock). */
static bool take_address(struct cursor *c, char ret[INET6_ADDRSTRLEN])
{
	uint32_t word[4];
	unsigned int n = 0;

	while (n < 4 && take_hex(c, 8, &word[n]))
		n++;
	if (n != 1 && n != 4)
		return false;
	return inet_ntop(n == 1 ? AF_INET : AF_INET6, word, ret, INET6_ADDRSTRLEN) != NULL;
}

/* " 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 INODE ..." */
bool proc_net_parse(const char *line, size_t len, struct net_socket *ret)
{
	struct cursor c = {line, line + len};
	struct net_socket s = {0};
	uint32_t port, state;

	if (!skip_word(&c) || c.p[-1] != ':')
		return false;
	skip_blanks(&c);
	if (!take_address(&c, s.address) || !take_char(&c, ':') || !take_hex(&c, 4, &port) ||
	    !skip_word(&c) || !take_char(&c, ' ') || !take_hex(&c, 2, &state))
		return false;
	/* queues, timer, retransmissions, uid, probes */
	for (int i = 0; i < 5; i++)
		if (!take_char(&c, ' ') || !skip_word(&c))
			return false;
	if (!take_decimal(&c, &s.inode))
		return false;
	s.port = (uint16_t)port;
	s.listens = state == TCP_LISTENING;
	*ret = s;
	return true;
}

struct reader {
	int (*fn)(void *ctx, const struct net_socket *s);
	void *ctx;
	size_t len;
	char text[64 * LINE_MAX_NET];
};

/* Hand on what listens in the whole lines; the rest moves to the front. */
static int take_lines(struct reader *r)
{
	char *line = r->text, *nl;

	while ((nl = memchr(line, '\n', r->len - (size_t)(line - r->text))) != NULL) {
		struct net_socket s;
		int rc = 0;

		if (proc_net_parse(line, (size_t)(nl - line), &s) && s.listens)
			rc = r->fn(r->ctx, &s);
		if (rc)
			return rc;
		line = nl + 1;
	}
	r->len -= (size_t)(line - r->text);
	memmove(r->text, line, r->len);
	return r->len == sizeof(r->text) ? -EPROTO : 0;
}

int proc_each_listening(const struct procfs *p, pid_t pid, const char *file,
			int (*fn)(void *ctx, const struct net_socket *s), void *ctx)
{
	struct reader r = {.fn = fn, .ctx = ctx};
	auto_fd int fd = -1;
	size_t total = 0;
	char path[64];

	snprintf(path, sizeof(path), "%d/net/%s", (int)pid, file);
	fd = openat(p->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT && strcmp(file, "tcp6") == 0 ? 0 : -errno;
	for (;;) {
		ssize_t n = read(fd, r.text + r.len, sizeof(r.text) - r.len);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r.len += (size_t)n;
		total += (size_t)n;
		if (total > MAX_PROC_NET)
			return -EFBIG;
		rc = take_lines(&r);
		if (rc)
			return rc;
	}
}

bool proc_fd_socket(const char *link, uint64_t *ret)
{
	static const char head[] = "socket:[";
	char number[24];
	size_t len;

	if (!str_starts(link, head))
		return false;
	link += strlen(head);
	len = strcspn(link, "]");
	if (strcmp(link + len, "]") != 0 || len >= sizeof(number))
		return false;
	memcpy(number, link, len);
	number[len] = '\0';
	return str_to_u64(number, UINT64_MAX, ret);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

int proc_each_fd(const struct procfs *p, pid_t pid, int (*fn)(void *ctx, const char *link),
		 void *ctx)
{
	auto_cleanup(close_dir) DIR *d = NULL;
	char path[PATH_MAX];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = openat(p->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	STEAL_FD(fd);
	for (unsigned int i = 0; i < MAX_DESCRIPTORS; i++) {
		struct dirent *e;
		ssize_t len;
		int rc;

		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		len = readlinkat(dirfd(d), e->d_name, path, sizeof(path) - 1);
		if (len < 0)
			continue; /* "." and "..", and what was closed in the meantime */
		path[len] = '\0';
		rc = fn(ctx, path);
		if (rc)
			return rc;
	}
	return -EFBIG;
}
