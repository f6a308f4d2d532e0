#include "jdiag/ssh/kexinit.h"

#include <string.h>

#define MSG_KEXINIT 20
#define COOKIE_BYTES 16

static size_t get_u32(const unsigned char *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Behind the line that begins with "SSH-"; RFC 4253 4.2 allows other lines before it. */
static const unsigned char *after_banner(const unsigned char *p, const unsigned char *end)
{
	while (p < end) {
		const unsigned char *newline = memchr(p, '\n', (size_t)(end - p));

		if (!newline)
			return NULL;
		if (newline - p >= 4 && memcmp(p, "SSH-", 4) == 0)
			return newline + 1;
		p = newline + 1;
	}
	return NULL;
}

bool kexinit_host_key_algorithms(const unsigned char *stream, size_t len, char *dst, size_t size)
{
	const unsigned char *end = stream + len, *p = after_banner(stream, end);
	size_t n;

	/* u32 length, u8 padding length, u8 type, cookie, then the lists: key exchange, host key */
	if (!p || (size_t)(end - p) < 6 + COOKIE_BYTES + 4 || p[5] != MSG_KEXINIT)
		return false;
	p += 6 + COOKIE_BYTES;
	n = get_u32(p);
	p += 4;
	if (n > (size_t)(end - p) || (size_t)(end - p) - n < 4)
		return false;
	p += n;
	n = get_u32(p);
	p += 4;
	if (n > (size_t)(end - p) || n >= size || memchr(p, '\0', n))
		return false;
	memcpy(dst, p, n);
	dst[n] = '\0';
	return true;
}
